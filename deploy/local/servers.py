"""The three embedded servers: how each is started, where it listens, and how to see that it is ready.

All listen on 127.0.0.1 only. MongoDB and S3 keep their ports as long as the data folder exists; the Kafka broker has a
new port after each start. The MongoDB server and the internal gRPC ports of SeaweedFS have no passwords, so every user
of the machine can reach them. Use this deployment on your own machine, not on a shared one.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from deploy.local.data_folder import DataFolder, Secrets, write_private
from deploy.local.errors import LocalError
from deploy.local.log_view import LogView
from deploy.local.ports import HOST
from deploy.local.server_ports import known_ports, remove_local_sockets
from deploy.local.supervisor import ChildSpec, Command, Supervisor
from shared.settings import ServiceSettings

REPOSITORY = Path(__file__).parents[2]
BROKER, MONGODB, S3 = "broker", "mongodb", "s3"
SERVERS = (BROKER, MONGODB, S3)
DATABASE = "waterhole"
SESSION_TIMEOUT_MS = 5_000
# The embedded broker does not answer a waiting fetch when a message arrives, only after this time.
FETCH_MAX_WAIT_MS = 20
# The gateway only follows the progress of jobs, and each fetch costs it half a millisecond.
GATEWAY_FETCH_MAX_WAIT_MS = 50
# One lane for the one replica: a small job of another user waits only for the chunk that is being searched. The next
# chunk of the lane is read during that search.
LANES = 1
# SeaweedFS sometimes hangs when it is asked to stop. It has written all that it acknowledged by then.
S3_GRACE_S = 3.0


class MissingProgramError(LocalError):
    """The program of a server is not installed."""


def program(name: str) -> str:
    """Return the path of a program that a PyPI package installs.

    Raises
    ------
    MissingProgramError
        The program is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingProgramError(f"The program {name} is not installed; run `make setup`.")
    return found


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process with `additions`, and without a proxy for this machine."""
    no_proxy = {"NO_PROXY": f"{HOST},localhost", "no_proxy": f"{HOST},localhost"}
    return {**os.environ, "PYTHONUNBUFFERED": "1", **no_proxy, **additions}


async def answers_tcp(port: int) -> bool:
    """Return whether a server listens on the port."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True
    return False


async def answers_http(url: str) -> bool:
    """Return whether GET `url` answers 200."""
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def service_environment(kafka: str, s3: str, secrets: Secrets) -> dict[str, str]:
    """Return the settings of every service."""
    return {
        "WATERHOLE_HOST": HOST,
        "WATERHOLE_KAFKA_BOOTSTRAP": kafka,
        "WATERHOLE_KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
        "WATERHOLE_KAFKA_FETCH_MAX_WAIT_MS": str(FETCH_MAX_WAIT_MS),
        "WATERHOLE_LANES": os.environ.get("WATERHOLE_LANES", str(LANES)),
        "WATERHOLE_S3_ENDPOINT": s3,
        "WATERHOLE_S3_ACCESS_KEY": secrets.s3_access_key,
        "WATERHOLE_S3_SECRET_KEY": secrets.s3_secret_key,
    }


def gateway_settings(mongodb: str, secrets: Secrets, database: str = DATABASE) -> dict[str, str]:
    """Return the settings that only the gateway has."""
    return {
        "WATERHOLE_KAFKA_FETCH_MAX_WAIT_MS": str(GATEWAY_FETCH_MAX_WAIT_MS),
        "WATERHOLE_MONGODB_URL": mongodb,
        "WATERHOLE_MONGODB_DATABASE": database,
        "WATERHOLE_API_KEY_PEPPER": secrets.api_key_pepper,
    }


class EmbeddedServers:
    """The servers of one data folder, under a supervisor."""

    def __init__(self, folder: DataFolder, supervisor: Supervisor) -> None:
        self.folder = folder
        self._supervisor = supervisor
        self._secrets = folder.secrets()
        self._ports = known_ports(folder)
        self._broker_address_file = folder.subfolder(BROKER) / "address"
        self.database = DATABASE
        self._kafka = ""

    @property
    def kafka(self) -> str:
        """Bootstrap address of the running broker, or of the last one while it restarts."""
        with suppress(FileNotFoundError):
            self._kafka = self._broker_address_file.read_text()
        return self._kafka

    @property
    def mongodb(self) -> str:
        """URL of MongoDB."""
        return f"mongodb://{HOST}:{self._ports['mongodb']}/?directConnection=true&retryWrites=false"

    @property
    def s3(self) -> str:
        """Endpoint URL of S3."""
        return f"http://{HOST}:{self._ports['s3.port']}"

    @property
    def environment(self) -> dict[str, str]:
        """Settings with which every service finds the servers."""
        return service_environment(self.kafka, self.s3, self._secrets)

    @property
    def gateway_environment(self) -> dict[str, str]:
        """Settings of the gateway: those of every service, MongoDB and its secrets."""
        return self.environment | gateway_settings(self.mongodb, self._secrets, self.database)

    def pid_of(self, name: str) -> int:
        """Return the process id of a server (`broker`, `mongodb`, `s3`).

        Raises
        ------
        LookupError
            There is no such server, or it is not running now.
        """
        return self._supervisor.child(name).pid

    async def until_replaced(self, name: str, pid: int) -> None:
        """Wait until a new process is ready in place of `pid`, which ended."""
        await self._supervisor.child(name).until_replaced(pid)

    async def start(self, *, after_broker_restart: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start the three servers in parallel and create the buckets.

        Raises
        ------
        StartError
            A server did not become ready.
        """
        await self._supervisor.start(self._specs(after_broker_restart))
        await self._create_buckets()

    async def stop(self) -> None:
        """Stop the servers."""
        await self._supervisor.stop(SERVERS)
        remove_local_sockets(self._ports)

    def _specs(self, after_broker_restart: Callable[[], Awaitable[None]] | None) -> list[ChildSpec]:
        mongodb_port, s3_health = self._ports["mongodb"], f"{self.s3}/healthz"

        async def broker_answers() -> bool:
            return self._broker_address_file.exists()

        return [
            ChildSpec(BROKER, self._broker_command, broker_answers, shown=False, after_restart=after_broker_restart),
            ChildSpec(MONGODB, self._mongodb_command, lambda: answers_tcp(mongodb_port), shown=False),
            ChildSpec(S3, self._s3_command, lambda: answers_http(s3_health), shown=False, grace_s=S3_GRACE_S),
        ]

    async def _create_buckets(self) -> None:
        """Create the buckets that do not exist, and check that both store and return objects."""
        # Imported after the servers were started: the import takes as long as they need to start.
        import aioboto3
        from botocore.config import Config

        session = aioboto3.Session(
            aws_access_key_id=self._secrets.s3_access_key,
            aws_secret_access_key=self._secrets.s3_secret_key,
            region_name="us-east-1",
        )
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 10, "mode": "standard"})
        settings = ServiceSettings.model_fields
        async with session.client("s3", endpoint_url=self.s3, config=config) as client:
            existing = {bucket["Name"] for bucket in (await client.list_buckets())["Buckets"]}
            for bucket in (settings["uploads_bucket"].default, settings["results_bucket"].default):
                if bucket not in existing:
                    await client.create_bucket(Bucket=bucket)
                await client.put_object(Bucket=bucket, Key=".ready", Body=b"ready")
                await (await client.get_object(Bucket=bucket, Key=".ready"))["Body"].read()
                await client.delete_object(Bucket=bucket, Key=".ready")

    def _broker_command(self) -> Command:
        self._broker_address_file.unlink(missing_ok=True)
        argv = (sys.executable, "-m", "deploy.local.broker", str(self._broker_address_file))
        return Command(argv, child_environment({}), REPOSITORY)

    def _mongodb_command(self) -> Command:
        home = self.folder.subfolder(MONGODB)
        pid_file = home / "pid"
        # The file of a killed server would keep the next from starting if another process has that process id now.
        pid_file.unlink(missing_ok=True)
        options = {
            "host": HOST,
            "port": str(self._ports["mongodb"]),
            "data-dir": str(home),
            # The server writes the same lines to standard error.
            "log-file": os.devnull,
            "pid-file": str(pid_file),
        }
        argv = (program("nx-27017"), *(f"--{name}={value}" for name, value in options.items()))
        return Command(argv, child_environment({}), home)

    def _s3_command(self) -> Command:
        home = self.folder.subfolder(S3)
        remove_local_sockets(self._ports)
        identities = self.folder.path / "s3.json"
        credentials = {"accessKey": self._secrets.s3_access_key, "secretKey": self._secrets.s3_secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        write_private(
            identities, {"identities": [{"name": "waterhole", "credentials": [credentials], "actions": actions}]}
        )
        options = {
            # Relative paths, because the path of a socket may have only about 100 characters.
            "dir": ".",
            "filer.localSocket": "filer.sock",
            "s3.localSocket": "s3.sock",
            "ip": HOST,
            "ip.bind": HOST,
            "s3.config": str(identities),
            "s3.iam": "false",
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
            "volume.preStopSeconds": "0",
            **{name: str(port) for name, port in self._ports.items() if name != "mongodb"},
        }
        argv = (program("weed"), "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items()))
        # Without these keys, the servers behind the S3 server would accept and return objects without authentication.
        names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
        keys = {f"WEED_JWT_{name}_KEY": self._secrets.s3_internal_key for name in names}
        return Command(argv, child_environment(keys), home)


@asynccontextmanager
async def embedded_servers(data_dir: Path) -> AsyncIterator[EmbeddedServers]:
    """Run the three servers on a data folder, without any service, for tests.

    Raises
    ------
    DataFolderInUseError
        Another stack uses the folder.
    StartError
        A server did not become ready.
    """
    folder = DataFolder(data_dir)
    with folder.locked():
        log = LogView(folder.logs)
        servers = EmbeddedServers(folder, Supervisor(log))
        try:
            await servers.start()
            yield servers
        finally:
            await servers.stop()
            log.close()
