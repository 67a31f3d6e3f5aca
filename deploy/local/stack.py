"""The stack on one machine: three embedded servers and one replica of each of the five services."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.data_folder import DataFolder, UpFile
from deploy.local.errors import LocalError
from deploy.local.examples import example_settings
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

GATEWAY, EXPORT = "gateway", "export"
SERVICES = {name: f"services.{name}" for name in (GATEWAY, "ingest", "dedoppler", "classify", EXPORT)}
# On one machine, files are written where results leave time for it: users see the results first.
YIELDING = ("nice", "-n", "5")
DEFAULT_PORT = 8080
DEMO_TIER = "enterprise"
# After the broker has ended, the services can't commit anything, so there is little to wait for.
GRACE_WITHOUT_BROKER_S = 2.0


class PortTakenError(LocalError):
    """The requested port is not free."""


class UserError(LocalError):
    """A user, or a link to sign in, could not be created."""


async def gateway_command(environment: Mapping[str, str], module: str, *arguments: str) -> dict[str, Any]:
    """Run a command of the gateway with its settings; return the JSON that it prints.

    Raises
    ------
    UserError
        The command failed; the message says why.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=child_environment(environment),
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise UserError(errors.decode(errors="replace").strip()[-2000:])
    printed: dict[str, Any] = json.loads(output)
    return printed


async def create_user(
    environment: Mapping[str, str], tier: str, name: str, *, module: str = SERVICES[GATEWAY]
) -> dict[str, str]:
    """Create a user with the gateway's command; return {"user_id", "tier", "api_key"}.

    Raises
    ------
    UserError
        The command failed; the message says why.
    """
    try:
        return await gateway_command(environment, f"{module}.users", "--tier", tier, "--name", name)
    except UserError as error:
        raise UserError(f"Could not create a user of tier {tier}: {error}") from error


async def sign_in_link(
    environment: Mapping[str, str], url: str, user_id: str, *, module: str = SERVICES[GATEWAY]
) -> str:
    """Return a link to the dashboard at `url` that signs the user's browser in once.

    Raises
    ------
    UserError
        The gateway's command failed; the message says why.
    """
    try:
        made = await gateway_command(environment, f"{module}.sign_in_link", "--user-id", user_id)
    except UserError as error:
        raise UserError(f"Could not make a link to sign in: {error}") from error
    return f"{url}/app/sign-in#link={made['link_token']}"


def without_drain() -> dict[str, str]:
    """Return a drain of 0 s, since no load balancer has to notice that this gateway stops, unless one is set."""
    name = "WATERHOLE_DRAIN_S"
    return {name: os.environ.get(name, "0")}


async def is_accepted(url: str, api_key: str) -> bool:
    """Return whether the gateway accepts the API key."""
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
        """URL of the public REST API."""
        return f"http://{HOST}:{self.ports[GATEWAY]}"

    @property
    def kafka(self) -> str:
        """Bootstrap address of the running Kafka broker."""
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
        """Settings of the gateway, which include those of all services except for the port."""
        return self._servers.gateway_environment

    def pid_of(self, name: str) -> int:
        """Return the process id of a service or server.

        Raises
        ------
        LookupError
            There is no such process, or it is not running now.
        """
        return self._supervisor.child(name).pid

    def statuses_of(self, name: str) -> list[int]:
        """Return the exit statuses of the ended processes of a service or server.

        Raises
        ------
        LookupError
            There is no such service or server.
        """
        return self._supervisor.child(name).statuses

    async def until_replaced(self, name: str, pid: int) -> None:
        """Wait until a new process is ready in place of `pid`, which ended."""
        await self._supervisor.child(name).until_replaced(pid)

    async def until_ready(self, *names: str) -> None:
        """Wait until these services or servers are ready; without names, all services."""
        await self._supervisor.until_ready(names or self._services)

    async def until_broken(self) -> None:
        """Wait forever; raise if the supervisor itself fails."""
        await self._supervisor.until_broken()

    async def create_user(self, tier: str, name: str = "user") -> dict[str, str]:
        """Create a user; return {"user_id", "tier", "api_key"}.

        Raises
        ------
        UserError
            The gateway's command failed.
        """
        return await create_user(self.environment, tier, name, module=self._services[GATEWAY])

    async def sign_in_link(self) -> str:
        """Return a link that signs the demo user's browser in once.

        Raises
        ------
        UserError
            The gateway's command failed.
        """
        user_id = self.folder.demo_user()["user_id"]
        return await sign_in_link(self.environment, self.url, user_id, module=self._services[GATEWAY])

    async def start(self) -> None:
        """Start the services, find or create the demo user, and write `up.json`."""
        await self._supervisor.start([self._spec(name, module) for name, module in self._services.items()])
        self.api_key = await self._demo_key()
        self.publish()

    async def stop(self) -> None:
        """Stop the workers, then the gateway, so that it records what the workers finish last."""
        await self._supervisor.stop([name for name in self._services if name != GATEWAY])
        await self._supervisor.stop([GATEWAY])

    async def follow_broker(self) -> None:
        """Restart the services with the new address of the broker, and write `up.json`."""
        self._supervisor.log.say("info", "the Kafka broker has a new address; restarting the services")
        await self._supervisor.restart(self._services, GRACE_WITHOUT_BROKER_S)
        if self.api_key:
            self.publish()

    def publish(self) -> None:
        """Write `up.json`."""
        self.folder.publish(UpFile(self.url, self.api_key, self.kafka, self.mongodb, self.s3))

    async def _demo_key(self) -> str:
        """Return the demo user's API key: that of an earlier run if it still works, so that its jobs are listed."""
        known = self.folder.demo_user().get("api_key", "")
        if known and await is_accepted(self.url, known):
            return known
        user = await self.create_user(DEMO_TIER, "demo")
        self.folder.keep_demo_user(user)
        return user["api_key"]

    def _spec(self, name: str, module: str) -> ChildSpec:
        url = f"http://{HOST}:{self.ports[name]}/ready"

        def prepare() -> Command:
            environment = (
                self.environment | without_drain() | example_settings()
                if name == GATEWAY
                else self._servers.environment
            )
            environment = environment | {"WATERHOLE_PORT": str(self.ports[name])}
            argv = (*(YIELDING if name == EXPORT else ()), sys.executable, "-m", module)
            return Command(argv, child_environment(environment), REPOSITORY)

        return ChildSpec(name, prepare, lambda: answers_http(url))


@asynccontextmanager
async def running_stack(
    data_dir: Path,
    *,
    port: int | None = None,
    log: LogView | None = None,
    services: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """Run the servers and the services on a data folder, and stop all at the end.

    Parameters
    ----------
    data_dir
        Data folder; it is created if it does not exist.
    port
        Port of the gateway; by default 8080, or a free port if 8080 is taken.
    log
        Where lines of the children go; by default to files in the data folder.
    services
        Module of each service by name; by default all five services.

    Raises
    ------
    DataFolderInUseError
        Another stack uses the folder.
    PortTakenError
        `port` is not free.
    StartError
        A server or service did not become ready.
    UserError
        The demo user could not be created.
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
    """Return the gateway's port: the requested one, or else 8080 if it is free, or else any free port.

    Raises
    ------
    PortTakenError
        The requested port is not free.
    """
    if wanted is None:
        return preferred_or_free(DEFAULT_PORT)
    if not is_free(wanted):
        raise PortTakenError(f"Port {wanted} of {HOST} is taken; choose another with --port, or omit --port.")
    return wanted


def environment_of_running(folder: DataFolder) -> dict[str, str]:
    """Return the gateway's settings in the stack that runs on a data folder.

    Raises
    ------
    NoStackRunningError
        No stack runs on the folder.
    """
    up, secrets = folder.running(), folder.secrets()
    return service_environment(up.kafka, up.s3, secrets) | gateway_settings(up.mongodb, secrets)
