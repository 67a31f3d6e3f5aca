"""The HDF5 child process as the worker sees it: started, asked, ended and replaced.

A child is kept from one request to the next. One that crashes, exceeds its limits or is asked by a caller who is
cancelled is replaced at once, so that the next file finds one that is ready.
"""

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import structlog

from shared.errors import TransientError
from shared.filterbank.fetch import beside
from shared.filterbank.hdf5.protocol import (
    BYTES,
    DAMAGED,
    DONE,
    EXCEEDED,
    FAILED,
    HEAD,
    MAX_READ_BYTES,
    NO_BYTES,
    OPEN,
    READ,
    Message,
    decode,
    encode,
)
from shared.filterbank.header.fields import bad_file
from shared.filterbank.source import Source

logger = structlog.get_logger(__name__)

# Metadata of sound files take a few MiB. What the child takes by its start does not count.
MEMORY_BYTES = 256 * 2**20
# Processor time of one request, without the time that it waits for storage. The largest chunks take some seconds; to
# open a sound file takes milliseconds.
CPU_S, OPEN_CPU_S = 30, 5
# A memory file of up to this size is kept for the next request.
KEPT_BYTES = 16 * 2**20
# One that is slow, or in an endless loop until its time is over, does not keep other files waiting.
CHILDREN = 2
# The library's fault: what a damaged file made of it. Any other signal comes from outside.
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
# The child needs no credentials of the service.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
# The child keeps the memory of one chunk for the next: to get it from the system again takes longer than to unpack.
# The C library fills all memory that it lends or takes back. So what a decoder gives as samples without having written
# them is never a part of the file before, which may be another user's.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    "MALLOC_PERTURB_": "255",
}


class DamagedFileError(Exception):
    """The HDF5 library fails on a file; the message is the cause."""


class LimitExceededError(DamagedFileError):
    """A file takes more time or memory than a request may; it may be damaged, or sound and too large."""


@dataclass(frozen=True)
class Answer:
    """What a child answers."""

    message: Message
    payload: memoryview


async def ask(source: Source, request: Message, payload: memoryview | bytes = b"", memory_bytes: int = 0) -> Answer:
    """Ask a child, which may read `source` meanwhile; at most `CHILDREN` are at work for an event loop.

    Parameters
    ----------
    memory_bytes : what the child may take beyond `MEMORY_BYTES`

    Raises
    ------
    BadObservationError
        The file can't be searched.
    DamagedFileError
        The library fails on the file: it reports an error or crashes; `LimitExceededError` if it exceeds its limits.
    TransientError
        Storage is unavailable, or the child was ended from outside.
    """
    cpu_s = min(CPU_S, OPEN_CPU_S) if request["kind"] == OPEN else CPU_S
    limits = {"memory_bytes": MEMORY_BYTES + memory_bytes, "cpu_s": cpu_s}
    async with _turn():
        with _child() as child:
            return await child.ask(source, request | limits, payload)


class ChildProcess:
    """One child process, and the worker's end of the socket."""

    def __init__(self) -> None:
        # Whether it waits for a request. Until it has answered, it can't take another.
        self.is_idle = True
        self._end, other = socket.socketpair()
        self._end.setblocking(False)
        self._memory_file = os.memfd_create("hdf5")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "shared.filterbank.hdf5.child", str(other.fileno()), str(self._memory_file)],
                pass_fds=[other.fileno(), self._memory_file],
                stdin=subprocess.DEVNULL,
                # Some decoders print. Standard output is for the worker's log.
                stdout=subprocess.DEVNULL,
                env=environment | ALLOCATOR | {"PYTHONPATH": os.pathsep.join(sys.path)},
                # A terminal's Ctrl-C is for the worker. The child ends when the socket is closed.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def end(self) -> int:
        """End the process and return its exit status; below 0, the signal that ended it."""
        self._end.close()
        os.close(self._memory_file)
        self._process.kill()
        return self._process.wait()

    async def ask(self, source: Source, request: Message, payload: memoryview | bytes) -> Answer:
        """Send a request and serve the child until it answers. See the function `ask`."""
        failure: Exception | None = None
        self.is_idle = False
        try:
            await self._send(request, payload)
            while (answer := await self._receive()).message["kind"] == READ:
                raw = b""
                try:
                    raw = await _read(source, answer.message["start"], answer.message["length"])
                except Exception as error:  # noqa: BLE001 - raised once the child is ready for the next request
                    failure = error
                await self._send({"kind": NO_BYTES if failure else BYTES}, raw)
        except (EOFError, ConnectionError) as error:
            raise failure or await self._cause_of_death(request["cpu_s"]) from error
        if os.fstat(self._memory_file).st_size > KEPT_BYTES:
            os.ftruncate(self._memory_file, 0)
        self.is_idle = True
        if failure is not None:
            # The library only knows that a read failed.
            raise failure
        return _checked(answer, source.name)

    async def _cause_of_death(self, cpu_s: int) -> Exception:
        # The kernel closes a socket a moment before the process is gone.
        status = await asyncio.to_thread(self._process.wait)
        if status == -signal.SIGXCPU:
            return LimitExceededError(f"the HDF5 library did not finish within {cpu_s} s of processor time")
        if -status in CRASHES:
            return DamagedFileError(f"the HDF5 library crashes on it, {signal.Signals(-status).name}")
        if status == 0:
            # The worker has not closed the socket, so a decoder has ended the process: SZ calls exit(0) on bad data.
            return DamagedFileError("its decoder gives up")
        if status < 0:
            return TransientError(f"The HDF5 process was ended by signal {-status}.")
        return RuntimeError(f"the HDF5 process ended with exit status {status}; its reason is on standard error")

    async def _send(self, message: Message, payload: memoryview | bytes) -> None:
        await beside(len(payload), partial(os.pwrite, self._memory_file, payload, 0))
        await asyncio.get_running_loop().sock_sendall(self._end, encode(message, len(payload)))

    async def _receive(self) -> Answer:
        text_bytes, payload_bytes = HEAD.unpack(await self._exactly(HEAD.size))
        message = decode(await self._exactly(text_bytes))
        payload = np.empty(payload_bytes, np.uint8).data
        await beside(payload_bytes, partial(os.preadv, self._memory_file, [payload], 0))
        return Answer(message, payload)

    async def _exactly(self, n_bytes: int) -> bytearray:
        loop = asyncio.get_running_loop()
        raw = bytearray(n_bytes)
        view = memoryview(raw)
        while view:
            received = await loop.sock_recv_into(self._end, view)
            if received == 0:
                raise EOFError
            view = view[received:]
        return raw


async def _read(source: Source, start: int, length: int) -> bytes:
    raw = await source.read(start, min(length, MAX_READ_BYTES))
    if len(raw) != length:
        raise bad_file(source.name, f"it ends at byte {start + len(raw)}, before its last data. Upload the whole file.")
    return raw


def _checked(answer: Answer, name: str) -> Answer:
    message = answer.message
    if message["kind"] == DONE:
        return answer
    if message["kind"] == DAMAGED:
        raise DamagedFileError(message["cause"])
    if message["kind"] == EXCEEDED:
        raise LimitExceededError(message["cause"])
    if message["kind"] == FAILED:
        raise RuntimeError(f"the HDF5 process failed:\n{message['traceback']}")
    raise bad_file(name, message["problem"])


# Children that wait for a request. They belong to no event loop.
_idle: list[ChildProcess] = []
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turn() -> asyncio.Semaphore:
    """Return the running event loop's semaphore; one can't be used in another loop."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CHILDREN))


@contextmanager
def _child() -> Iterator[ChildProcess]:
    """Lend a child. It is kept if it has answered; else it is ended and another one is started."""
    prepare_hdf5()
    child = _idle.pop()
    try:
        yield child
    finally:
        if child.is_idle:
            _idle.append(child)
        else:
            logger.warning("HDF5 process replaced", pid=child.pid, status=child.end())
            prepare_hdf5()


def prepare_hdf5() -> None:
    """Start a child unless one waits already, so that the first file does not wait for its start."""
    if not _idle:
        _idle.append(ChildProcess())


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()
