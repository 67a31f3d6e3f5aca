"""What goes on between HDF5's thread and the event loop: storage that fails, files that fail, callers that leave."""

import asyncio
import gc
import io

import h5py
import hdf5plugin
import numpy as np
import pytest

from shared.errors import BadObservationError, TransientError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5.range_file import BLOCK_BYTES, RangeFile

ATTRIBUTES = {"fch1": 8421.0, "foff": -2.8e-06, "tsamp": 18.25, "tstart": 57650.0, "nchans": 64, "nbits": 32}


@pytest.fixture
def power():
    """Float32 (6, 1, 64)."""
    return np.random.default_rng(3).gamma(51.0, size=(6, 1, 64)).astype("<f4")


@pytest.fixture
def source(tmp_path, power):
    """Makes a sound file."""

    def make(name="observation.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            file.attrs["CLASS"] = "FILTERBANK"
            options = hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
            file.create_dataset("data", data=power, chunks=(1, 1, 64), **options).attrs.update(ATTRIBUTES)
        return LocalSource(path)

    return make


class Memory:
    """Bytes in memory; it notes what is read and how many reads are under way."""

    name = "memory"

    def __init__(self, raw):
        self.raw = raw
        self.reads = []
        self.at_once = self.most_at_once = 0

    async def size(self):
        return len(self.raw)

    async def read(self, start, length):
        self.reads.append((start, length))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return self.raw[start : start + length]


@pytest.fixture
def memory():
    """Five blocks and a bit."""
    return Memory(np.random.default_rng(0).bytes(5 * BLOCK_BYTES + 100))


@pytest.fixture
def remote(memory):
    """A file over that memory, to be used in a thread."""

    def make():
        return RangeFile(memory, len(memory.raw), asyncio.get_running_loop())

    return make


async def test_small_reads_come_from_blocks_that_are_read_once(memory, remote):
    file = remote()

    def read():
        parts = []
        for start in (10, BLOCK_BYTES - 50, 20, 5 * BLOCK_BYTES + 90):
            file.seek(start)
            parts.append((start, file.read(100)))
        return parts

    for start, part in await asyncio.to_thread(read):
        assert part == memory.raw[start : start + 100]
    assert [start for start, _ in memory.reads] == [0, BLOCK_BYTES, 5 * BLOCK_BYTES]


async def test_it_ends_where_the_file_ends(memory, remote):
    file = remote()
    assert file.seek(-30, io.SEEK_END) == len(memory.raw) - 30
    assert await asyncio.to_thread(file.read, 100) == memory.raw[-30:]
    assert await asyncio.to_thread(file.read, 100) == b""
    assert file.seek(100, io.SEEK_CUR) == file.tell() == len(memory.raw) + 100


async def test_a_failure_stays(memory, remote):
    file = remote()
    memory.raw = memory.raw[:100]
    with pytest.raises(OSError, match="it ends at byte 100"):
        await asyncio.to_thread(file.read, 200)
    with pytest.raises(OSError, match="it ends at byte 100"):
        await asyncio.to_thread(file.read, 10)
    assert isinstance(file.failure, BadObservationError)


class Away:
    """A source whose storage goes away after some reads."""

    def __init__(self, source, reads):
        self._source = source
        self._left = reads
        self.name = source.name

    async def size(self):
        return await self._source.size()

    async def read(self, start, length):
        self._left -= 1
        if self._left < 0:
            raise TransientError("Storage is out of reach.")
        return await self._source.read(start, length)

    async def read_into(self, start, buffer):
        raw = await self.read(start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)


async def test_storage_that_goes_away_is_no_fault_of_the_file(source):
    observation = source()
    header, _ = await read_header(observation)
    for reads in range(4):
        with pytest.raises(TransientError):
            await read_block(Away(observation, reads), header, 0, 64)
    with pytest.raises(TransientError):
        await read_header(Away(observation, 1))


async def test_bad_and_good_files_side_by_side_never_wait_for_each_other(source):
    good, bad, worse = source("good.h5"), source("bad.h5"), source("worse.h5")
    with h5py.File(bad.path, "a") as file:
        file["data"].id.write_direct_chunk((3, 0, 0), b"\xff" * 100)
    with h5py.File(worse.path, "a") as file:
        del file["data"].attrs["fch1"]
    header, _ = await read_header(good)

    async def work():
        outcomes = set()
        for either in (good, bad, worse) * 10:
            try:
                await read_header(either)
                await read_block(either, header, 0, 64)
                outcomes.add((either, True))
            except BadObservationError:
                outcomes.add((either, False))
        return outcomes

    threshold = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    try:
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*(work() for _ in range(4)))
    finally:
        gc.set_threshold(*threshold)
    assert outcomes == [{(good, True), (bad, False), (worse, False)}] * 4


async def test_giving_up_leaves_no_thread_behind(source, power):
    observation = source()
    header, _ = await read_header(observation)

    class Stuck(Away):
        async def read(self, start, length):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await read_block(Stuck(observation, 0), header, 0, 64)
    async with asyncio.timeout(5):
        assert np.array_equal(await read_block(observation, header, 0, 64), power[:, 0])
