"""Child processes: start them, restart them when they end, and stop them in order.

No library does this: honcho ends all processes when one ends; circus and supervisord are daemons with configuration
files, without readiness checks and without restarts of services that depend on a server's new address.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.log_view import LogView

LAUNCHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")))
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
STEADY_AFTER_S = 30.0
DEATHS_BEFORE_READY = 4
# Dedoppler compiles its kernels first if `make` has not: 40 s of processor time.
START_TIMEOUT_S = 240.0
# Services that search compile their kernels before they write the first line of their log.
COMPILING = "It may have been compiling the search: run `make setup`, which does that beforehand, and start again."
READY_POLL_S = 0.05
READ_BYTES = 65_536
LONGEST_LINE_BYTES = 2**20


class StartError(LocalError):
    """A child did not become ready."""


@dataclass(frozen=True)
class Command:
    """A program to run."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True)
class ChildSpec:
    """How to run a child.

    `prepare` is called before every start, so a restarted child may get another environment. `after_restart` is awaited
    when a restarted child is ready. With `shown`, the child's log appears on the console. `grace_s` is the time between
    SIGTERM and SIGKILL.
    """

    name: str
    prepare: Callable[[], Command]
    is_ready: Callable[[], Awaitable[bool]]
    shown: bool = True
    after_restart: Callable[[], Awaitable[None]] | None = None
    grace_s: float = 10.0


def restart_delay_s(failures: int) -> float:
    """Return the pause before the next start after `failures` failures in a row."""
    return min(FIRST_DELAY_S * 2.0 ** min(failures - 1, 16), LONGEST_DELAY_S)


def describe_exit(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"exited with status {status}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"


class Child:
    """One child process, which a task keeps running until `stop`."""

    def __init__(self, spec: ChildSpec, log: LogView) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self.starts = 0
        # Exit statuses of its processes so far; negative if a signal ended the process.
        self.statuses: list[int] = []
        self.keeper: asyncio.Task[None] | None = None
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._spawning = asyncio.Lock()
        self._stopping = False
        self._restart_asked = False
        self._wake = asyncio.Event()

    @property
    def pid(self) -> int:
        """Process id of the child.

        Raises
        ------
        LookupError
            The child is not running now.
        """
        if self._process is None or self._process.returncode is not None:
            raise LookupError(f"{self.spec.name} is not running now")
        return self._process.pid

    async def until_replaced(self, pid: int) -> None:
        """Wait until a process other than `pid` is ready."""
        while not self.ready.is_set() or self._process is None or self._process.pid == pid:  # noqa: ASYNC110 -- rare
            await asyncio.sleep(READY_POLL_S)

    async def start(self) -> None:
        """Start the child and wait until it is ready.

        Raises
        ------
        StartError
            The child ended several times, or took too long.
        """
        self.keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.spec.name}")
        waiting = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait({self.keeper, waiting}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.keeper.done():
            self.keeper.result()
        if not self.ready.is_set():
            raise self._start_error(f"was not ready within {START_TIMEOUT_S:.0f} s", COMPILING)

    async def restart(self, grace_s: float) -> None:
        """End the child, in whatever state it is, so that it starts again at once."""
        self.ready.clear()
        async with self._spawning:
            process = self._process
            self._restart_asked = process is not None
        self._wake.set()
        if process is not None:
            await self._end(process, grace_s)

    async def stop(self) -> None:
        """End the child and do not restart it."""
        self._stopping = True
        self._wake.set()
        async with self._spawning:
            process = self._process
        if process is not None:
            await self._end(process, self.spec.grace_s)
        if self.keeper is not None:
            await asyncio.wait({self.keeper})

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        was_ready = False
        while not self._stopping:
            began = loop.time()
            status = await self._run_once()
            was_ready = was_ready or self.ready.is_set()
            self.ready.clear()
            if self._stopping or status is None:
                return
            if self._restart_asked:
                failures = 0
                continue
            failures = 1 if loop.time() - began > STEADY_AFTER_S else failures + 1
            if not was_ready and failures >= DEATHS_BEFORE_READY:
                raise self._start_error(f"{describe_exit(status)} {failures} times before it was ready")
            await self._pause(restart_delay_s(failures), describe_exit(status))

    async def _pause(self, delay_s: float, why: str) -> None:
        self._log.say("warning", f"{self.spec.name} {why}; restarting it", in_s=round(delay_s, 1))
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._wake.wait()

    async def _run_once(self) -> int | None:
        """Run the child until it ends; return its exit status, or None if `stop` was called before the start."""
        async with self._spawning:
            if self._stopping:
                return None
            self._restart_asked = False
            process = await self._spawn()
            self._process = process
        pump = asyncio.create_task(self._pump(process))
        readiness = asyncio.create_task(self._watch_readiness())
        try:
            status = await process.wait()
            self.statuses.append(status)
            # Read its last lines, with a time limit, because a process that it started may hold the pipe open.
            await asyncio.wait({pump}, timeout=1.0)
        finally:
            self._process = None
            pump.cancel()
            readiness.cancel()
        if readiness.done() and not readiness.cancelled():
            readiness.result()
        return status

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = self.spec.prepare()
        self.starts += 1
        return await asyncio.create_subprocess_exec(
            *LAUNCHER,
            str(os.getpid()),
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=command.cwd,
            env=dict(command.environment),
            # Ctrl-C in the terminal must reach only the supervisor, which stops the children in order.
            start_new_session=True,
        )

    async def _watch_readiness(self) -> None:
        while not await self.spec.is_ready():  # noqa: ASYNC110 -- another process can't set an event
            await asyncio.sleep(READY_POLL_S)
        self.ready.set()
        if self.starts > 1:
            self._log.say("info", f"{self.spec.name} is ready again")
            if self.spec.after_restart is not None:
                await self.spec.after_restart()

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while data := await process.stdout.read(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        self._log.line(self.spec.name, line.decode(errors="replace").rstrip(), console=self.spec.shown)

    async def _end(self, process: asyncio.subprocess.Process, grace_s: float) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            self._log.say("warning", f"{self.spec.name} did not stop within {grace_s:.0f} s; killing it")
            with suppress(ProcessLookupError):
                # The child leads its own session, so this kills the processes that it started as well.
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _start_error(self, what: str, if_silent: str = "") -> StartError:
        name = self.spec.name
        last = self._log.tail(name)
        if not last:
            return StartError(f"{name} {what}, and it has written no log. {if_silent}".rstrip())
        return StartError(f"{name} {what}. Its log, {self._log.folder / name}.log, ends with:\n{last}")


class Supervisor:
    """All children of a stack."""

    def __init__(self, log: LogView) -> None:
        self.log = log
        self._children: dict[str, Child] = {}

    async def start(self, specs: Iterable[ChildSpec]) -> None:
        """Start children in parallel and wait until all are ready.

        Raises
        ------
        StartError
            A child did not become ready.
        """
        children = [Child(spec, self.log) for spec in specs]
        self._children |= {child.spec.name: child for child in children}
        starting = [asyncio.create_task(child.start()) for child in children]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()

    async def stop(self, names: Iterable[str]) -> None:
        """Stop in parallel those of the children that were started."""
        await asyncio.gather(*(self._children[name].stop() for name in names if name in self._children))

    async def restart(self, names: Iterable[str], grace_s: float) -> None:
        """Restart in parallel those of the children that were started."""
        await asyncio.gather(*(self._children[name].restart(grace_s) for name in names if name in self._children))

    async def until_ready(self, names: Iterable[str]) -> None:
        """Wait until the children are ready."""
        await asyncio.gather(*(self._children[name].ready.wait() for name in names))

    def child(self, name: str) -> Child:
        """Return a child by name.

        Raises
        ------
        LookupError
            No such child was started.
        """
        return self._children[name]

    async def until_broken(self) -> None:
        """Wait forever; raise if a task of the supervisor fails, so that a child is no longer kept running."""
        keepers = [child.keeper for child in self._children.values() if child.keeper is not None]
        done, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_COMPLETED)
        for keeper in done:
            keeper.result()
