"""Apache Kafka, MongoDB and SeaweedFS in containers, on ports of 127.0.0.1, to be used, killed, frozen and started."""

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

# The reaper is one more image to pull; these containers are removed by the process that started them.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
from testcontainers.core.container import DockerContainer

KAFKA_PORT, MONGODB_PORT, S3_PORT = 9092, 27017, 8333
PARTITIONS = 4
PATIENCE_S = 60.0
POLL_S = 0.1
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
S = TypeVar("S", bound="Server")


class ServerError(RuntimeError):
    """A server that can't be had, or did not get ready."""


class Server:
    """One server in a container; its port stays the same for as long as the container lives."""

    image: Image
    inner_port: int

    def __init__(self) -> None:
        found = self.image.present()
        if found is None:
            raise ServerError(f"There is no image of {self.image.server}; run python -m tests.servers.prepare.")
        (self.port,) = free_ports(1)
        self.address = f"{HOST}:{self.port}"
        self.container = DockerContainer(found)
        # Not by `with_bind_ports`, which binds to all of the machine's addresses.
        cast("dict[int, tuple[str, int]]", self.container.ports)[self.inner_port] = (HOST, self.port)
        self.set_up()

    def set_up(self) -> None:
        """Give the container its settings."""

    async def is_ready(self) -> bool:
        """Whether the server answers."""
        raise NotImplementedError

    async def until_ready(self) -> None:
        """Wait until it answers."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self.is_ready():  # noqa: ASYNC110 -- only asking tells
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            output = self.inner().logs(tail=20).decode(errors="replace")
            raise ServerError(f"{self.image.server} did not get ready: {output}") from error

    def inner(self) -> Any:
        """The container as the Docker client knows it."""
        return self.container.get_wrapped_container()

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self.inner().kill)

    async def start(self) -> None:
        """Start again what was killed, on the data that it left."""
        await asyncio.to_thread(self.inner().start)
        await self.until_ready()

    async def freeze(self) -> None:
        """Stop all its processes where they are."""
        await asyncio.to_thread(self.inner().pause)

    async def thaw(self) -> None:
        """Let them go on."""
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
        """Create topics; those that are there stay as they are."""
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
        """Where it is."""
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
    """SeaweedFS in one process, with one identity that may do everything."""

    image, inner_port = SEAWEEDFS, S3_PORT

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.address}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which services find it."""
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
        """Create the two buckets."""
        session = aioboto3.Session(self.access_key, self.secret_key, region_name="us-east-1")
        async with session.client("s3", endpoint_url=self.url) as client:
            for field in ("uploads_bucket", "results_bucket"):
                await client.create_bucket(Bucket=ServiceSettings.model_fields[field].default)


@asynccontextmanager
async def running(server: S) -> AsyncIterator[S]:
    """Start a server; it is removed at the end, with its data."""
    try:
        await asyncio.to_thread(server.container.start)
        await server.until_ready()
        yield server
    finally:
        await asyncio.to_thread(server.container.stop)


class RealServers:
    """All three, as the services see them."""

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
    """The three servers, with topics and buckets.

    Raises:
        ServerError: an image is missing, or a server did not get ready.
    """
    async with AsyncExitStack() as stack:
        kafka, mongodb, s3 = KafkaServer(), MongodbServer(), SeaweedfsServer()
        await asyncio.gather(*(stack.enter_async_context(running(one)) for one in (kafka, mongodb, s3)))
        await asyncio.gather(kafka.create_topics(TOPICS), s3.create_buckets())
        yield RealServers(kafka, mongodb, s3)
