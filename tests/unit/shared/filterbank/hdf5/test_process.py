"""The HDF5 child process: how a damaged file affects it, the worker and the next file."""

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from structlog.testing import capture_logs

from deploy.local.servers import REPOSITORY
from shared.errors import BadObservationError, TransientError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import bitshuffle, process, stored_chunks
from shared.filterbank.hdf5.process import ask
from shared.filterbank.hdf5.protocol import OPEN, UNPACK
from tests.unit.shared.filterbank.files import BITSHUFFLE, POWER, h5, with_chunk

PATIENCE_S = 60.0
ZSTD_FILTER = 32015
NAME = "The one and only source"


@pytest.fixture
def source(tmp_path):
    """Return a function that makes a source of a file's bytes."""

    def make(raw, name="observation.h5"):
        path = tmp_path / name
        path.write_bytes(raw)
        return LocalSource(path)

    return make


@pytest.fixture
async def next_is_read(source):
    """Check, after the test, that the worker reads a valid file."""
    yield
    good = source(h5(), "good.h5")
    async with asyncio.timeout(PATIENCE_S):
        assert np.array_equal(await read(good), POWER)


async def read(source):
    header, _ = await read_header(source)
    return await read_block(source, header, 0, 64)


async def refused(source):
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(BadObservationError) as caught:
            await read(source)
    return caught.value.message


def with_endless_names(raw):
    """Return the file with a free list, in its heap of names, whose first entry points to itself."""
    changed = bytearray(raw)
    heap = raw.index(b"HEAP")
    free, data = (int.from_bytes(raw[heap + at : heap + at + 8], "little") for at in (16, 24))
    changed[data + free : data + free + 8] = free.to_bytes(8, "little")
    return bytes(changed)


def with_endless_texts(raw):
    """Return the file with an object of no bytes in its heap of texts."""
    changed = bytearray(raw)
    heap = raw.index(b"GCOL")
    changed[heap + 24 : heap + 32] = (2**64 - 16).to_bytes(8, "little")
    return bytes(changed)


def with_text_of(raw, length):
    """Return the file with another length for its source's name, where the attribute states it."""
    changed = bytearray(raw)
    at = raw.index(struct.pack("<I", len(NAME)), raw.index(b"source_name\0"))
    struct.pack_into("<I", changed, at, length)
    return bytes(changed)


@pytest.mark.usefixtures("next_is_read")
async def test_a_file_that_sends_the_library_into_a_loop_is_refused_within_the_limit(source, monkeypatch):
    monkeypatch.setattr(process, "CPU_S", 1)
    began = time.monotonic()
    with capture_logs() as logs:
        message = await refused(source(with_endless_texts(h5()), "loop.h5"))
    assert message == (
        "The file 'loop.h5' can't be searched: its HDF5 metadata take too much to read (the HDF5 library did not "
        "finish within 1 s of processor time): they are damaged, or far more than a filterbank has. Rewrite it "
        "(h5repack) or upload it again."
    )
    assert time.monotonic() - began < PATIENCE_S
    (log,) = logs
    assert (log["log_level"], log["event"], log["status"]) == ("warning", "HDF5 process replaced", -signal.SIGXCPU)


@pytest.mark.usefixtures("next_is_read")
@pytest.mark.parametrize(
    ("damage", "libver"),
    [
        (with_endless_names, None),
        (lambda raw: with_text_of(raw, 2**32 - 1), None),
        (lambda raw: with_text_of(raw, 2**32 - 1), "latest"),
    ],
    ids=["names", "text", "text, latest"],
)
async def test_a_file_that_makes_the_library_allocate_gigabytes_is_refused(source, damage, libver):
    message = await refused(source(damage(h5(source_name=NAME, libver=libver)), "huge.h5"))
    assert message.startswith("The file 'huge.h5' can't be searched: its HDF5 ")
    assert "content is damaged or incomplete (" in message or "metadata take too much to read (to read it" in message
    assert message.endswith(" or upload it again.")


async def test_the_memory_of_the_child_is_limited(source):
    request = {"kind": UNPACK, "shape": (1, 1, 2**28), "dtype": "<f4", "filters": [(ZSTD_FILTER, ())]}
    request |= {"fill_value": 0.0, "spectra": 1, "channels": (0, 1)}
    with pytest.raises(process.LimitExceededError, match="takes more than 256 MiB of memory"):
        await ask(source(b""), request, b"x")


@pytest.mark.usefixtures("next_is_read")
async def test_a_chunk_that_unpacks_to_less_gives_no_memory_as_samples(source, monkeypatch):
    n_channels = 2**25  # Two spectra of it are the most that a small file may claim.
    options = {"chunks": (1, 1, n_channels), **BITSHUFFLE}
    # This chunk unpacks to 64 bytes. The HDF5 library would read on beyond them.
    with h5py.File(io.BytesIO(h5(np.ones((2, 1, 64), "u1"), options={"chunks": (1, 1, 64), **BITSHUFFLE}))) as small:
        frame = small["data"].id.read_direct_chunk((0, 0, 0))[1]
    raw = with_chunk(h5(np.ones((2, 1, n_channels), "u1"), options=options, nchans=n_channels), (1, 0, 0), frame)
    # Behave as if the bitshuffle library could only be called as a filter of HDF5.
    monkeypatch.setattr(bitshuffle, "library", lambda _: None)
    assert "the sizes that a compressed chunk states are wrong" in await refused(source(raw, "short.h5"))
    # The decoder's own count is compared too.
    monkeypatch.setattr(stored_chunks, "_check_size", lambda *_: None)
    assert await refused(source(raw, "short.h5")) == (
        "The file 'short.h5' can't be searched: its data are damaged: a compressed chunk can't be unpacked "
        "(the sizes that a compressed chunk states are wrong). Upload it again."
    )


class Killing(LocalSource):
    """A source that sends a signal to the child at the child's first read."""

    signal = None

    async def read(self, start, length):
        os.kill(self.child, self.signal)
        return await super().read(start, length)


@pytest.fixture
def killing(source, monkeypatch):
    """Return a function that makes a source that sends a signal to the child that reads it."""

    def make(number):
        process.prepare_hdf5()
        monkeypatch.setattr(Killing, "signal", number)
        monkeypatch.setattr(Killing, "child", process._idle[-1].pid, raising=False)
        return Killing(source(h5()).path)

    return make


@pytest.mark.usefixtures("next_is_read")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
async def test_a_crash_is_a_fault_of_the_file(killing, number):
    observation = killing(number)
    with pytest.raises(process.DamagedFileError, match=number.name):
        await ask(observation, {"kind": OPEN, "size": 4096, "channels": None})


@pytest.mark.usefixtures("next_is_read")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_signal_from_outside_is_not_a_fault_of_the_file(killing, number):
    observation = killing(number)
    with pytest.raises(TransientError, match=f"ended by signal {number}"):
        await ask(observation, {"kind": OPEN, "size": 4096, "channels": None})


@pytest.mark.usefixtures("next_is_read")
async def test_a_bug_in_the_child_is_raised_with_its_traceback(source):
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'size'"):
        await ask(source(h5()), {"kind": OPEN})


async def test_a_child_that_can_not_start_is_not_a_fault_of_the_file(source, monkeypatch):
    process._end_all()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="ended with exit status 1"):
        await ask(source(h5()), {"kind": OPEN, "size": 1, "channels": None})
    process._end_all()


async def test_children_are_reused_and_leave_no_zombies(source):
    good, bad = source(h5(), "good.h5"), source(h5()[:1000], "bad.h5")
    await read_header(good)
    (before,) = idle()
    for _ in range(3):
        await read_header(good)
        await refused(bad)
    assert idle() == [before]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read_header(Stuck(good.path))
    (after,) = idle()
    assert after != before
    assert not Path(f"/proc/{before}").exists()


def idle():
    return [child.pid for child in process._idle]


class Stuck(LocalSource):
    """A source whose storage answers only once, when the format is detected."""

    is_read = False

    async def read(self, start, length):
        if self.is_read:
            await asyncio.Event().wait()
        object.__setattr__(self, "is_read", True)
        return await super().read(start, length)


async def test_a_slow_file_does_not_delay_another(source):
    good = source(h5(), "good.h5")
    slow = asyncio.create_task(ask(Never(good.path), {"kind": OPEN, "size": 4096, "channels": None}))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(PATIENCE_S):
        await read_header(good)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


class Never(LocalSource):
    """A source whose reads never end."""

    async def read(self, start, length):
        await asyncio.Event().wait()


async def test_the_child_has_no_credentials_of_the_service(monkeypatch):
    monkeypatch.setenv("WATERHOLE_S3_SECRET_KEY", "do not tell")
    child = process.ChildProcess()
    try:
        assert b"do not tell" not in Path(f"/proc/{child.pid}/environ").read_bytes()
    finally:
        child.end()
    assert not Path(f"/proc/{child.pid}").exists()


WORKER = """
import asyncio, sys, time
from pathlib import Path
from shared.filterbank import LocalSource, read_header
from shared.filterbank.hdf5 import process
asyncio.run(read_header(LocalSource(Path(sys.argv[1]))))
print(process._idle[0].pid, flush=True)
if len(sys.argv) > 2:
    time.sleep(60)
"""


@pytest.mark.parametrize("is_killed", [False, True])
async def test_the_child_ends_with_its_worker(source, is_killed):
    command = [sys.executable, "-c", WORKER, str(source(h5()).path), *["wait"][:is_killed]]
    worker = subprocess.Popen(  # noqa: ASYNC220 -- this only starts it
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    child = int(worker.stdout.readline())
    if is_killed:
        worker.kill()
    assert worker.wait() == (-signal.SIGKILL if is_killed else 0)
    worker.stdout.close()
    async with asyncio.timeout(PATIENCE_S):
        while is_running(child):  # noqa: ASYNC110 -- another process ends it
            await asyncio.sleep(0.02)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
