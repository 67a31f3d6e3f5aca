"""The file object of the HDF5 library: small reads are cached in blocks, large ones are split into bounded parts."""

import io

import numpy as np
import pytest

from shared.filterbank.hdf5.child.range_file import BLOCK_BYTES, KEPT_BLOCKS, RangeFile
from shared.filterbank.hdf5.protocol import MAX_READ_BYTES


class Memory:
    """A worker that holds the file in memory and records the requested ranges."""

    def __init__(self, raw):
        self.raw = raw
        self.reads = []

    def fetch(self, start, length):
        self.reads.append((start, length))
        if start + length > len(self.raw):
            raise OSError("no such bytes")
        return memoryview(self.raw)[start : start + length]


@pytest.fixture
def memory():
    """Return a file of five blocks and a partial one."""
    return Memory(np.random.default_rng(0).bytes(5 * BLOCK_BYTES + 100))


@pytest.fixture
def file(memory):
    return RangeFile(memory, len(memory.raw))


def test_small_reads_use_blocks_that_are_read_once(memory, file):
    for start in (10, BLOCK_BYTES - 50, 20, 5 * BLOCK_BYTES + 90):
        file.seek(start)
        assert file.read(100) == memory.raw[start : start + 100]
    assert [start for start, _ in memory.reads] == [0, BLOCK_BYTES, 5 * BLOCK_BYTES]


def test_reads_stop_at_the_end_of_the_file(memory, file):
    assert file.seek(-30, io.SEEK_END) == len(memory.raw) - 30
    assert file.read(100) == memory.raw[-30:]
    assert file.read(100) == b""
    assert file.seek(100, io.SEEK_CUR) == file.tell() == len(memory.raw) + 100
    assert file.read(100) == b""


def test_large_reads_are_split():
    memory = Memory(bytes(2 * MAX_READ_BYTES + 7))
    assert len(RangeFile(memory, len(memory.raw)).read(len(memory.raw))) == len(memory.raw)
    assert [length for _, length in memory.reads] == [MAX_READ_BYTES, MAX_READ_BYTES, 7]


def test_only_the_last_blocks_are_kept():
    memory = Memory(bytes((KEPT_BLOCKS + 1) * BLOCK_BYTES))
    file = RangeFile(memory, len(memory.raw))
    backwards = [*reversed(range(KEPT_BLOCKS + 1))]
    for number in (*backwards, 1, KEPT_BLOCKS):
        file.seek(number * BLOCK_BYTES)
        file.read(1)
    assert [start // BLOCK_BYTES for start, _ in memory.reads] == [*backwards, KEPT_BLOCKS]


def test_a_read_that_fails_is_an_error(memory, file):
    memory.raw = memory.raw[:100]
    with pytest.raises(OSError, match="no such bytes"):
        file.read(200)


def test_blocks_that_follow_each_other_are_fetched_ever_more_at_once():
    memory = Memory(np.random.default_rng(1).bytes(40 * BLOCK_BYTES + 7))
    file = RangeFile(memory, len(memory.raw))
    raw = b"".join(iter(lambda: file.read(1000), b""))
    assert raw == memory.raw
    starts = [start // BLOCK_BYTES for start, _ in memory.reads]
    assert starts == [0, 1, 3, 7, 15, 31]
    # Elsewhere a block is fetched alone.
    memory.reads.clear()
    other = RangeFile(memory, len(memory.raw))
    for number in (5, 3, 9, 10):
        other.seek(number * BLOCK_BYTES)
        other.read(10)
    assert [length // BLOCK_BYTES for _, length in memory.reads] == [1, 1, 1, 2]
