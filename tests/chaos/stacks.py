"""A running Waterhole, on embedded or real servers, with processes that tests kill, freeze, restart and multiply."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from deploy.local.log_view import LogView
from deploy.local.ports import HOST, free_ports
from deploy.local.servers import REPOSITORY, answers_http, child_environment
from deploy.local.stack import Stack, create_user, running_stack
from deploy.local.supervisor import ChildSpec, Command, Supervisor
from services.gateway.settings import UNLIMITED_RATES
from tests.chaos.observations import MAX_CHUNK_SAMPLES
from tests.servers.containers import RealServers, real_servers

GATEWAY = "gateway"
SERVICES = (GATEWAY, "ingest", "dedoppler", "classify", "export")
BROKER = "broker"
SERVERS = (BROKER, "mongodb", "s3")
# Small files have several chunks, and the gateway detects lost work early. Clients send as many requests as they can.
SETTINGS = {
    "WATERHOLE_MAX_CHUNK_SAMPLES": str(MAX_CHUNK_SAMPLES),
    "WATERHOLE_OUTBOX_SILENCE_S": "20",
    "WATERHOLE_SWEEP_INTERVAL_S": "5",
    "WATERHOLE_SLOT_GRACE_S": "10",
    "WATERHOLE_RATE_LIMITS": UNLIMITED_RATES.model_dump_json(),
}
# Apache Kafka loses no events, so jobs that are submitted again would only repeat work.
REAL_SETTINGS = {**SETTINGS, "WATERHOLE_OUTBOX_SILENCE_S": "120"}


class Playground(Protocol):
    """The operations on a running Waterhole that a chaos run needs."""

    url: str
    kind: str
    loses_events_with_broker: bool
    may_multiply: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the current settings of the gateway."""

    @property
    def gateways(self) -> list[str]:
        """Return the URLs of the running gateways."""

    def pid_of(self, name: str) -> int:
        """Return the current process id of a service."""

    def url_of(self, name: str) -> str:
        """Return the URL of a service."""

    async def create_user(self) -> str:
        """Create a user whose tier allows what these tests do and return the API key."""

    async def kill(self, name: str) -> None:
        """Send SIGKILL to a service or server and wait until it runs again."""

    async def freeze(self, name: str, seconds: float) -> None:
        """Send SIGSTOP to a process, and SIGCONT after `seconds`."""

    async def restart(self, name: str) -> None:
        """Send SIGTERM to a service and start it again."""

    async def replace(self, name: str) -> list[int]:
        """Replace the process of a service, as in a rolling restart. Return the exit statuses of the old processes.

        Where a service may run twice, the new process is ready before the old one gets SIGTERM.
        """

    async def join(self, name: str) -> None:
        """Start a second replica of a worker."""

    async def leave(self, name: str) -> None:
        """Stop the second replica of a worker, if it runs."""

    async def until_ready(self) -> None:
        """Wait until every process is ready."""


async def freeze_process(pid: int, seconds: float) -> None:
    """Send SIGSTOP to a process, and SIGCONT after `seconds` even if this coroutine is cancelled."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class EmbeddedPlayground:
    """The stack of `make up`."""

    kind, loses_events_with_broker, may_multiply = "embedded", True, False

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.url = stack.url

    @property
    def environment(self) -> Mapping[str, str]:
        return self._stack.environment

    def pid_of(self, name: str) -> int:
        return self._stack.pid_of(name)

    def url_of(self, name: str) -> str:
        return f"http://{HOST}:{self._stack.ports[name]}"

    async def create_user(self) -> str:
        return (await self._stack.create_user("enterprise"))["api_key"]

    async def kill(self, name: str) -> None:
        before = self._pids() if name == BROKER else {}
        with suppress(LookupError, ProcessLookupError):  # The process may be starting, which is also a disturbance.
            pid = self._stack.pid_of(name)
            os.kill(pid, signal.SIGKILL)
            await self._stack.until_replaced(name, pid)
            # A new broker has a new address, so that the stack restarts every service. On a loaded machine this takes
            # longer than the rest of a killed process: nothing would be done between one broker and the next.
            for service, old in before.items():
                await self._stack.until_replaced(service, old)

    def _pids(self) -> dict[str, int]:
        """Return the process ids of the services that run."""
        found = {}
        for name in SERVICES:
            with suppress(LookupError):
                found[name] = self._stack.pid_of(name)
        return found

    async def freeze(self, name: str, seconds: float) -> None:
        with suppress(LookupError, ProcessLookupError):
            await freeze_process(self._stack.pid_of(name), seconds)

    async def restart(self, name: str) -> None:
        with suppress(LookupError, ProcessLookupError):
            pid = self._stack.pid_of(name)
            os.kill(pid, signal.SIGTERM)
            await self._stack.until_replaced(name, pid)

    @property
    def gateways(self) -> list[str]:
        return [self.url]

    async def replace(self, name: str) -> list[int]:
        before = len(self._stack.statuses_of(name))
        await self.restart(name)
        return self._stack.statuses_of(name)[before:]

    async def join(self, name: str) -> None:
        raise NotImplementedError("the embedded broker allows one member per group")

    async def leave(self, name: str) -> None:
        raise NotImplementedError("the embedded broker allows one member per group")

    async def until_ready(self) -> None:
        await self._stack.until_ready(*SERVERS, *SERVICES)


class RealPlayground:
    """The services as children of the local supervisor, on servers in containers."""

    kind, loses_events_with_broker, may_multiply = "real", False, True

    def __init__(self, servers: RealServers, supervisor: Supervisor, settings: Mapping[str, str]) -> None:
        self._servers = servers
        self._supervisor = supervisor
        self._settings = dict(settings)
        self._ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.running: list[str] = []
        self.url = f"http://{HOST}:{self._ports[GATEWAY]}"

    @property
    def environment(self) -> Mapping[str, str]:
        return self._servers.gateway_environment | self._settings

    async def start(self, names: tuple[str, ...] = SERVICES) -> None:
        """Start the services."""
        self.running += names
        await self._supervisor.start([self._spec(name) for name in names])

    async def stop(self) -> None:
        """Stop all running services."""
        await self._supervisor.stop(self.running)

    def pid_of(self, name: str) -> int:
        return self._supervisor.child(name).pid

    def url_of(self, name: str) -> str:
        return f"http://{HOST}:{self._ports[name]}"

    async def create_user(self) -> str:
        return (await create_user(self.environment, "enterprise", "chaos"))["api_key"]

    async def kill(self, name: str) -> None:
        if name in SERVERS:
            server = self._servers.by_name[name]
            await server.kill()
            await server.start()
            return
        with suppress(LookupError, ProcessLookupError):
            pid = self._supervisor.child(name).pid
            os.kill(pid, signal.SIGKILL)
            await self._supervisor.child(name).until_replaced(pid)

    async def freeze(self, name: str, seconds: float) -> None:
        if name in SERVERS:
            server = self._servers.by_name[name]
            await server.freeze()
            try:
                await asyncio.sleep(seconds)
            finally:
                await server.thaw()
            return
        with suppress(LookupError, ProcessLookupError):
            await freeze_process(self._supervisor.child(name).pid, seconds)

    async def restart(self, name: str) -> None:
        with suppress(LookupError, ProcessLookupError):
            pid = self._supervisor.child(name).pid
            os.kill(pid, signal.SIGTERM)
            await self._supervisor.child(name).until_replaced(pid)

    @property
    def gateways(self) -> list[str]:
        return [f"http://{HOST}:{self._ports[name]}" for name in self.running if name.removesuffix("-2") == GATEWAY]

    async def replace(self, name: str) -> list[int]:
        old, new = (name, f"{name}-2") if name in self.running else (f"{name}-2", name)
        self._ports[new] = free_ports(1)[0]
        await self.start((new,))
        await self._supervisor.stop([old])
        self.running.remove(old)
        return self._supervisor.child(old).statuses

    async def join(self, name: str) -> None:
        replica = f"{name}-2"
        if replica not in self.running:
            self._ports[replica] = free_ports(1)[0]
            await self.start((replica,))

    async def leave(self, name: str) -> None:
        replica = f"{name}-2"
        if replica in self.running:
            self.running.remove(replica)
            await self._supervisor.stop([replica])

    async def until_ready(self) -> None:
        await self._supervisor.until_ready(self.running)

    def _spec(self, name: str) -> ChildSpec:
        module, port = name.removesuffix("-2"), self._ports[name]
        settings = self.environment if module == GATEWAY else self._servers.environment | self._settings
        environment = child_environment({**settings, "WATERHOLE_PORT": str(port)})
        command = Command((sys.executable, "-m", f"services.{module}"), environment, REPOSITORY)
        return ChildSpec(name, lambda: command, lambda: answers_http(f"http://{HOST}:{port}/ready"))


@asynccontextmanager
async def embedded_playground(folder: Path, settings: Mapping[str, str] = SETTINGS) -> AsyncIterator[Playground]:
    """Run the embedded stack on a data folder."""
    # The stack's children inherit the environment of this process.
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        async with running_stack(folder, port=free_ports(1)[0]) as stack:
            yield EmbeddedPlayground(stack)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@asynccontextmanager
async def real_playground(folder: Path, settings: Mapping[str, str] = REAL_SETTINGS) -> AsyncIterator[RealPlayground]:
    """Run the services on real servers, with their logs in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = LogView(folder / "logs")
    async with real_servers() as servers:
        playground = RealPlayground(servers, Supervisor(log), settings)
        try:
            await playground.start()
            yield playground
        finally:
            await playground.stop()
            log.close()
