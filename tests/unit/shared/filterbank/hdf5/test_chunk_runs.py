"""Small storage chunks are fetched together: few requests, bounded memory, the same samples."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from shared.filterbank import LocalSource, describe, read_block
from shared.filterbank.fetch import READ_BYTES
from shared.filterbank.hdf5.chunk_runs import HeldSource, StoredChunk, chunk_runs
from shared.filterbank.rows import GAP_BYTES

ATTRIBUTES = {"fch1": 8421.0, "foff": -2.8e-06, "tsamp": 18.25, "tstart": 57650.0}
FILTERS = {
    "plain": {},
    "bitshuffle": dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4")),
    "gzip": {"compression": "gzip", "shuffle": True},
}


class Counted(LocalSource):
    """A file that counts the requests for samples and for the index."""

    def __init__(self, path):
        super().__init__(path)
        object.__setattr__(self, "of_samples", [])
        object.__setattr__(self, "of_index", [])

    async def read_into(self, start, buffer):
        self.of_samples.append(len(buffer))
        return await super().read_into(start, buffer)

    async def read(self, start, length):
        self.of_index.append(length)
        return await super().read(start, length)


def stored(offset, size):
    return StoredChunk(offset, size, True, 0, 0, 0)


@pytest.mark.parametrize("options", FILTERS.values(), ids=FILTERS.keys())
async def test_16384_chunks_of_a_5_mb_file_take_two_requests(tmp_path, options):
    samples = np.random.default_rng(0).gamma(51.0, size=(16, 1, 65536)).astype("<f4")
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        file.create_dataset("data", data=samples, chunks=(1, 1, 64), **options).attrs.update(ATTRIBUTES)
    source = Counted(tmp_path / "small.h5")
    header, _, _ = await describe(source)
    source.of_index.clear()
    block = await read_block(source, header, 0, 65536)
    np.testing.assert_array_equal(block, samples[:, 0])
    assert len(source.of_samples) == 2
    assert max(source.of_samples) <= READ_BYTES
    assert len(source.of_index) < 20
    # A sixteenth of the channels: one request for each spectrum, which lie farther apart than a request is worth.
    source.of_samples.clear()
    np.testing.assert_array_equal(await read_block(source, header, 4096, 8192), samples[:, 0, 4096:8192])
    assert len(source.of_samples) == 16
    assert max(source.of_samples) < 40_000


def test_runs_end_at_large_gaps_large_chunks_and_the_most_that_is_read_at_once():
    near = [stored(1000 * i, 900) for i in range(10)]
    far = stored(10_000 + GAP_BYTES, 900)
    large = stored(10_900 + GAP_BYTES, GAP_BYTES)
    after = stored(11_000 + 2 * GAP_BYTES, 900)
    runs = chunk_runs([after, far, *near[::-1], large])
    assert [run.chunks for run in runs] == [tuple(near), (far,), (large,), (after,)]
    assert (runs[0].offset_bytes, runs[0].size_bytes) == (0, 9900)
    many = chunk_runs([stored(1000 * i, 1000) for i in range(3 * READ_BYTES // 1000)])
    assert all(run.size_bytes <= READ_BYTES for run in many)
    assert len(many) == 3


def test_every_chunk_is_in_one_run_also_if_it_was_never_written_or_overlaps_another():
    missing = StoredChunk(None, 0, True, 0, 0, 0)
    overlapping = [stored(100, 5000), stored(100, 50), stored(300, 100)]
    runs = chunk_runs([missing, *overlapping, missing])
    assert [len(run.chunks) for run in runs] == [1, 1, 3]
    assert (runs[2].offset_bytes, runs[2].size_bytes) == (100, 5000)
    assert chunk_runs([]) == []


async def test_a_part_in_memory_reads_as_the_file_does():
    held = HeldSource("small.h5", 1000, memoryview(bytes(range(100))))
    buffer = memoryview(bytearray(20))
    assert await held.size() == 1100
    assert await held.read(1010, 5) == bytes(range(10, 15))
    assert await held.read_into(1090, buffer) == 10
    assert bytes(buffer[:10]) == bytes(range(90, 100))
