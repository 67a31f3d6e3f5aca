"""The whole of Waterhole on one machine: the three embedded servers and the five services, one replica of each."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from deploy.local.data_folder import DataFolder, UpFile, read_json, write_private
from deploy.local.errors import LocalError
from deploy.local.log_view import LogView
from deploy.local.ports import HOST, free_ports, is_free, preferred_or_free
from deploy.local.servers import (
    REPOSITORY,
    EmbeddedServers,
    answers_http,
    child_environment,
    gateway_settings,
    service_environment,
)
from deploy.local.supervisor import ChildSpec, Command, Supervisor

GATEWAY = "gateway"
SERVICES = {name: f"services.{name}" for name in (GATEWAY, "ingest", "dedoppler", "classify", "export")}
DEFAULT_PORT = 8080
DEMO_TIER = "enterprise"
# The bus that they would drain to is gone.
GRACE_WITHOUT_BROKER_S = 2.0


class PortTakenError(LocalError):
    """The port that was asked for is not free."""


class UserError(LocalError):
    """A user could not be created."""


async def create_user(
    environment: Mapping[str, str], tier: str, name: str, *, module: str = SERVICES[GATEWAY]
) -> dict[str, str]:
    """Create a user through the gateway's own command: {"user_id", "tier", "api_key"}.

    Raises:
        UserError: the command failed; the message says why.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{module}.users", "--tier", tier, "--name", name),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=child_environment(environment),
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise UserError(f"No user of tier {tier} was created: {errors.decode(errors='replace').strip()[-2000:]}")
    user: dict[str, str] = json.loads(output)
    return user


def without_drain() -> dict[str, str]:
    """One gateway alone has no load balancer to wait for when it stops; a drain that the user asked for stays."""
    name = "WATERHOLE_DRAIN_S"
    return {name: os.environ.get(name, "0")}


async def is_accepted(url: str, api_key: str) -> bool:
    """Whether the gateway knows the key."""
    async with (
        aiohttp.ClientSession(headers={"x-api-key": api_key}) as session,
        session.get(f"{url}/jobs") as response,
    ):
        return response.status == 200


class Stack:
    """A running stack."""

    def __init__(
        self,
        folder: DataFolder,
        supervisor: Supervisor,
        servers: EmbeddedServers,
        services: Mapping[str, str],
        gateway_port: int,
    ) -> None:
        self.api_key = ""
        self.folder = folder
        self._supervisor = supervisor
        self._servers = servers
        self._services = services
        others = [name for name in services if name != GATEWAY]
        self.ports = {GATEWAY: gateway_port, **dict(zip(others, free_ports(len(others)), strict=True))}

    @property
    def url(self) -> str:
        """Where the public REST API is."""
        return f"http://{HOST}:{self.ports[GATEWAY]}"

    @property
    def kafka(self) -> str:
        """Bootstrap address of the Kafka broker as it runs now."""
        return self._servers.kafka

    @property
    def mongodb(self) -> str:
        """URL of MongoDB."""
        return self._servers.mongodb

    @property
    def s3(self) -> str:
        """Endpoint URL of S3."""
        return self._servers.s3

    @property
    def environment(self) -> dict[str, str]:
        """The gateway's settings, which hold those of all services but for the port."""
        return self._servers.gateway_environment

    def pid_of(self, name: str) -> int:
        """Process id of a service or server, as it runs now.

        Raises:
            LookupError: no such child, or not running at this moment.
        """
        return self._supervisor.child(name).pid

    def statuses_of(self, name: str) -> list[int]:
        """Exit statuses of the processes of a service or server that ended so far.

        Raises:
            LookupError: no such child.
        """
        return self._supervisor.child(name).statuses

    async def until_replaced(self, name: str, pid: int) -> None:
        """Wait until another process than `pid`, which died, is ready in its place."""
        await self._supervisor.child(name).until_replaced(pid)

    async def until_ready(self, *names: str) -> None:
        """Wait until these services or servers, or all services, are ready."""
        await self._supervisor.until_ready(names or self._services)

    async def until_broken(self) -> None:
        """Return never; raise if the supervisor itself fails."""
        await self._supervisor.until_broken()

    async def create_user(self, tier: str, name: str = "user") -> dict[str, str]:
        """Create a user: {"user_id", "tier", "api_key"}.

        Raises:
            UserError: the gateway's command failed.
        """
        return await create_user(self.environment, tier, name, module=self._services[GATEWAY])

    async def start(self) -> None:
        """Start the services, find or create the demo user, tell where everything is."""
        await self._supervisor.start([self._spec(name, module) for name, module in self._services.items()])
        self.api_key = await self._demo_key()
        self.publish()

    async def stop(self) -> None:
        """Stop the workers, then the gateway: it hears of what they finish last."""
        await self._supervisor.stop([name for name in self._services if name != GATEWAY])
        await self._supervisor.stop([GATEWAY])

    async def follow_broker(self) -> None:
        """Start the services again, which hold the address of a broker that is gone, and tell the new one."""
        self._supervisor.log.say("info", "the Kafka broker has a new address; starting the services again")
        await self._supervisor.restart(self._services, GRACE_WITHOUT_BROKER_S)
        if self.api_key:
            self.publish()

    def publish(self) -> None:
        """Write `up.json`."""
        self.folder.publish(UpFile(self.url, self.api_key, self.kafka, self.mongodb, self.s3))

    async def _demo_key(self) -> str:
        """The demo user's key: that of an earlier run where it still works, so that its jobs are still there."""
        path = self.folder.path / "demo_user.json"
        known = str(read_json(path).get("api_key", ""))
        if known and await is_accepted(self.url, known):
            return known
        user = await self.create_user(DEMO_TIER, "demo")
        write_private(path, user)
        return user["api_key"]

    def _spec(self, name: str, module: str) -> ChildSpec:
        url = f"http://{HOST}:{self.ports[name]}/ready"

        def prepare() -> Command:
            environment = self.environment | without_drain() if name == GATEWAY else self._servers.environment
            environment = environment | {"WATERHOLE_PORT": str(self.ports[name])}
            return Command((sys.executable, "-m", module), child_environment(environment), REPOSITORY)

        return ChildSpec(name, prepare, lambda: answers_http(url))


@asynccontextmanager
async def running_stack(
    data_dir: Path,
    *,
    port: int | None = None,
    log: LogView | None = None,
    services: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """Run everything on a data folder; all of it is stopped at the end.

    `port` is the gateway's, by default 8080 or, where that is taken, a free one. `services` maps names to modules.

    Raises:
        DataFolderInUseError: another stack runs on the folder.
        PortTakenError: `port` is not free.
        StartError: a child did not get ready.
        UserError: the demo user could not be created.
    """
    folder = DataFolder(data_dir)
    with folder.locked():
        log = log or LogView(folder.logs)
        supervisor = Supervisor(log)
        servers = EmbeddedServers(folder, supervisor)
        stack = Stack(folder, supervisor, servers, services or SERVICES, gateway_port(port))
        try:
            await servers.start(after_broker_restart=stack.follow_broker)
            await stack.start()
            yield stack
        finally:
            await stack.stop()
            await servers.stop()
            log.close()


def gateway_port(wanted: int | None) -> int:
    """The gateway's port: as wanted, else 8080 if it is free, else any that is.

    Raises:
        PortTakenError: the wanted one is not free.
    """
    if wanted is None:
        return preferred_or_free(DEFAULT_PORT)
    if not is_free(wanted):
        raise PortTakenError(f"Port {wanted} of {HOST} is taken; choose another with --port, or leave that out.")
    return wanted


def environment_of_running(folder: DataFolder) -> dict[str, str]:
    """The gateway's settings in the stack that runs on a data folder, for another process.

    Raises:
        NoStackRunningError: none is running there.
    """
    up, secrets = folder.running(), folder.secrets()
    return service_environment(up.kafka, up.s3, secrets) | gateway_settings(up.mongodb, secrets)
