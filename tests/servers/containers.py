"""Apache Kafka, MongoDB and SeaweedFS in containers on 127.0.0.1, which tests start, kill and freeze."""

import asyncio
import json
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import aioboto3
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import answers_http
from shared.events import TOPICS
from shared.settings import ServiceSettings
from tests.servers.images import KAFKA, MONGODB, SEAWEEDFS, Image

# The reaper would be another image to pull. The process that starts these containers removes them.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
from testcontainers.core.container import DockerContainer

KAFKA_PORT, MONGODB_PORT, S3_PORT = 9092, 27017, 8333
PARTITIONS = 4
PATIENCE_S = 60.0
POLL_S = 0.1
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
S = TypeVar("S", bound="Server")


class ServerError(RuntimeError):
    """A server has no image or did not become ready."""


class Server:
    """One server in a container. Its port stays the same until the container is removed."""

    image: Image
    inner_port: int

    def __init__(self) -> None:
        found = self.image.present()
        if found is None:
            raise ServerError(f"No image of {self.image.server} is installed; run python -m tests.servers.prepare.")
        (self.port,) = free_ports(1)
        self.address = f"{HOST}:{self.port}"
        self.container = DockerContainer(found)
        # `with_bind_ports` would bind to all addresses of the machine.
        cast("dict[int, tuple[str, int]]", self.container.ports)[self.inner_port] = (HOST, self.port)
        self.set_up()

    def set_up(self) -> None:
        """Set the options of the container. Subclasses may override it."""

    async def is_ready(self) -> bool:
        """Return whether the server answers requests."""
        raise NotImplementedError

    async def until_ready(self) -> None:
        """Wait until the server is ready.

        Raises
        ------
        ServerError
            If the server is not ready after `PATIENCE_S`.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self.is_ready():  # noqa: ASYNC110 -- polls another process
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            output = self.inner().logs(tail=20).decode(errors="replace")
            raise ServerError(f"{self.image.server} did not become ready: {output}") from error

    def inner(self) -> Any:
        """Return the container object of the Docker client."""
        return self.container.get_wrapped_container()

    async def kill(self) -> None:
        """Send SIGKILL to the server."""
        await asyncio.to_thread(self.inner().kill)

    async def start(self) -> None:
        """Start a killed server again with its data, and wait until it is ready."""
        await asyncio.to_thread(self.inner().start)
        await self.until_ready()

    async def freeze(self) -> None:
        """Pause all processes of the server."""
        await asyncio.to_thread(self.inner().pause)

    async def thaw(self) -> None:
        """Resume all processes of the server."""
        await asyncio.to_thread(self.inner().unpause)


class KafkaServer(Server):
    """Apache Kafka, one node that is broker and controller."""

    image, inner_port = KAFKA, KAFKA_PORT

    def set_up(self) -> None:
        settings = {
            "NODE_ID": 1,
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": f"PLAINTEXT://:{KAFKA_PORT},CONTROLLER://:9093",
            "ADVERTISED_LISTENERS": f"PLAINTEXT://{self.address}",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "LOG_DIRS": "/tmp/kafka-logs",
            "NUM_PARTITIONS": PARTITIONS,
            "OFFSETS_TOPIC_NUM_PARTITIONS": 4,
            "OFFSETS_TOPIC_REPLICATION_FACTOR": 1,
            "TRANSACTION_STATE_LOG_NUM_PARTITIONS": 4,
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": 1,
            "TRANSACTION_STATE_LOG_MIN_ISR": 1,
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": 1,
            "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": 1,
            "GROUP_INITIAL_REBALANCE_DELAY_MS": 0,
            "GROUP_MIN_SESSION_TIMEOUT_MS": 1000,
            "BROKER_SESSION_TIMEOUT_MS": 2000,
            "BROKER_HEARTBEAT_INTERVAL_MS": 500,
        }
        self.container.with_env("CLUSTER_ID", CLUSTER_ID).with_env("KAFKA_HEAP_OPTS", "-Xmx512m")
        for name, value in settings.items():
            self.container.with_env(f"KAFKA_{name}", str(value))

    async def is_ready(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        try:
            await admin.start()
            await admin.list_topics()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return True

    async def create_topics(self, names: Iterable[str], partitions: int = PARTITIONS) -> None:
        """Create topics. Existing topics stay unchanged."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        finally:
            await admin.close()


class MongodbServer(Server):
    """MongoDB, one node without users."""

    image, inner_port = MONGODB, MONGODB_PORT

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return f"mongodb://{self.address}/?directConnection=true&retryWrites=false"

    async def is_ready(self) -> bool:
        client: Any = AsyncIOMotorClient(self.url, serverSelectionTimeoutMS=1000)
        try:
            await client.admin.command("ping")
        except PyMongoError:
            return False
        finally:
            client.close()
        return True


class SeaweedfsServer(Server):
    """SeaweedFS in one process, with one identity that has all permissions."""

    image, inner_port = SEAWEEDFS, S3_PORT

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return f"http://{self.address}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the S3 settings of the services."""
        return {
            "WATERHOLE_S3_ENDPOINT": self.url,
            "WATERHOLE_S3_ACCESS_KEY": self.access_key,
            "WATERHOLE_S3_SECRET_KEY": self.secret_key,
        }

    def set_up(self) -> None:
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_urlsafe(30)
        identity = {
            "name": "waterhole",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        self._folder = tempfile.TemporaryDirectory(prefix="waterhole-test-s3-")
        (Path(self._folder.name) / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.container.with_volume_mapping(self._folder.name, "/etc/waterhole", "ro")
        options = {
            "dir": "/data",
            "ip": HOST,
            "ip.bind": "0.0.0.0",
            "s3.port": str(S3_PORT),
            "s3.config": "/etc/waterhole/s3.json",
            "s3.iam": "false",
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
            "volume.preStopSeconds": "0",
        }
        arguments = " ".join(f"-{name}={value}" for name, value in options.items())
        self.container.with_command(f"-logtostderr=true mini {arguments}")

    async def is_ready(self) -> bool:
        return await answers_http(f"{self.url}/healthz")

    async def create_buckets(self) -> None:
        """Create the buckets for uploads and results."""
        session = aioboto3.Session(self.access_key, self.secret_key, region_name="us-east-1")
        async with session.client("s3", endpoint_url=self.url) as client:
            for field in ("uploads_bucket", "results_bucket"):
                await client.create_bucket(Bucket=ServiceSettings.model_fields[field].default)


@asynccontextmanager
async def running(server: S) -> AsyncIterator[S]:
    """Start a server. Remove it and its data at the end."""
    try:
        await asyncio.to_thread(server.container.start)
        await server.until_ready()
        yield server
    finally:
        await asyncio.to_thread(server.container.stop)


class RealServers:
    """The three servers, with the settings that services need to use them."""

    def __init__(self, kafka: KafkaServer, mongodb: MongodbServer, s3: SeaweedfsServer) -> None:
        self.by_name: dict[str, Server] = {"broker": kafka, "mongodb": mongodb, "s3": s3}
        self.kafka, self.mongodb, self.s3 = kafka.address, mongodb.url, s3.url
        self.environment = {
            "WATERHOLE_HOST": HOST,
            "WATERHOLE_KAFKA_BOOTSTRAP": kafka.address,
            "WATERHOLE_KAFKA_SESSION_TIMEOUT_MS": "6000",
            **s3.environment,
        }
        self.gateway_environment = self.environment | {
            "WATERHOLE_MONGODB_URL": mongodb.url,
            "WATERHOLE_API_KEY_PEPPER": secrets.token_urlsafe(30),
        }


@asynccontextmanager
async def real_servers() -> AsyncIterator[RealServers]:
    """Start the three servers and create topics and buckets.

    Raises
    ------
    ServerError
        If an image is missing or a server does not become ready.
    """
    async with AsyncExitStack() as stack:
        kafka, mongodb, s3 = KafkaServer(), MongodbServer(), SeaweedfsServer()
        await asyncio.gather(*(stack.enter_async_context(running(one)) for one in (kafka, mongodb, s3)))
        await asyncio.gather(kafka.create_topics(TOPICS), s3.create_buckets())
        yield RealServers(kafka, mongodb, s3)
