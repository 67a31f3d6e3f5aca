"""HDF5 storage chunks read without the HDF5 library: the same samples, from no more bytes than needed."""

import asyncio
import struct
import zlib
from math import prod

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import bitshuffle
from shared.filterbank.hdf5.bitshuffle import DamagedChunkError, find_blocks, find_last_blocks, unpack

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ATTRIBUTES = {"fch1": 8421.0, "foff": -2.8e-06, "tsamp": 18.25, "tstart": 57650.0}
BITSHUFFLE = hdf5plugin.Bitshuffle(nelems=0, cname="lz4")


class Noted(LocalSource):
    """A file that records how many bytes are read into the buffer."""

    def __init__(self, path):
        super().__init__(path)
        object.__setattr__(self, "read_bytes", [])

    async def read_into(self, start, buffer):
        self.read_bytes.append(len(buffer))
        return await super().read_into(start, buffer)


def write(path, data, **options):
    with h5py.File(path, "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        file.create_dataset("data", data=data, **options).attrs.update(ATTRIBUTES)
    return Noted(path)


def test_the_bitshuffle_library_is_called_directly():
    assert bitshuffle.library() is not None


@pytest.mark.parametrize("options", [{}, BITSHUFFLE, {"compression": "gzip"}], ids=["plain", "bitshuffle", "gzip"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i2", ">u2", "u1"])
@QUICK
@given(data=st.data())
async def test_any_range_of_any_chunks_equals_what_hdf5_reads(tmp_path, options, dtype, data):
    shape = data.draw(st.tuples(st.integers(2, 6), st.integers(1, 2), st.integers(1, 9000)))
    chunks = tuple(data.draw(st.integers(1, length)) for length in shape)
    if prod(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)) > 500:
        chunks = (1, 1, shape[2])
    samples = np.random.default_rng(shape[2]).integers(0, 200, shape).astype(dtype)
    source = write(tmp_path / "any.h5", samples, chunks=chunks, **options)
    start = data.draw(st.integers(0, shape[2] - 1))
    stop = data.draw(st.integers(start + 1, shape[2]))
    header, _ = await read_header(source)
    block = await read_block(source, header, start, stop)
    assert block.dtype == np.float32
    assert np.array_equal(block, samples[:, 0, start:stop].astype("f4"))


async def test_noise_that_is_larger_when_compressed_is_read(tmp_path):
    samples = np.random.default_rng(0).integers(0, 256, (3, 1, 40_000 * 4), np.uint8).view("<f4")
    source = write(tmp_path / "noise.h5", samples, chunks=(1, 1, 40_000), **BITSHUFFLE)
    header, _ = await read_header(source)
    block = await read_block(source, header, 0, 40_000)
    assert block.tobytes() == samples[:, 0].tobytes()


@pytest.mark.parametrize("block_samples", [0, 512, 4096])
async def test_channels_at_chunk_edges_need_few_bytes_and_whole_chunks_each_byte_once(tmp_path, block_samples):
    samples = np.random.default_rng(0).gamma(51.0, size=(4, 1, 3 * 2**18)).astype("<f4")
    options = hdf5plugin.Bitshuffle(nelems=block_samples, cname="lz4")
    source = write(tmp_path / "wide.h5", samples, chunks=(1, 1, 2**18), **options)
    with h5py.File(source.path) as file:
        stored = [file["data"].id.get_chunk_info(i).size for i in range(12)]
    header, _ = await read_header(source)
    for start, stop in ((2**18 - 400, 2 * 2**18 + 400), (2**18 - 1, 2**18 + 1), (2 * 2**18 - 7000, 2 * 2**18)):
        source.read_bytes.clear()
        assert np.array_equal(await read_block(source, header, start, stop), samples[:, 0, start:stop])
        edges = [size for size in source.read_bytes if size < min(stored)]
        assert len(edges) == 4 * sum(edge % 2**18 != 0 for edge in (start, stop))
        assert sum(edges) < 4 * 2 * 50_000
        assert len(source.read_bytes) - len(edges) == (4 if stop - start > 2**18 else 0)
    source.read_bytes.clear()
    await read_block(source, header, 0, 3 * 2**18)
    assert sorted(source.read_bytes) == sorted(stored)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2, 5])
def test_blocks_of_an_unexpected_size_are_not_unpacked(tmp_path, factor):
    samples = np.random.default_rng(1).gamma(51.0, size=20_000).astype("<f4")
    raw = memoryview(stored_chunk(tmp_path / "frame.h5", samples))
    block = int(factor * bitshuffle.block_bytes_of(raw, 4, samples.nbytes))
    blocks = find_last_blocks(raw, block, 4, samples.nbytes, samples.nbytes // block - 1)
    if blocks is not None:
        low, high = blocks.round(samples.nbytes - 8, samples.nbytes)
        with pytest.raises(DamagedChunkError):
            unpack(raw, blocks, low, memoryview(bytearray(high - low)))


@pytest.mark.parametrize("end", [20_000, 20_003, 16_384], ids=["groups", "left over", "blocks"])
@QUICK
@given(data=st.data(), value=st.sampled_from(["noise", "zeros", "counts", "random bytes"]))
def test_the_last_blocks_of_a_frame_are_found_from_its_end_or_not_at_all(tmp_path, data, end, value):
    rng = np.random.default_rng(1)
    samples = {
        "noise": rng.gamma(51.0, size=end).astype("<f4"),
        "zeros": np.zeros(end, "<f4"),
        "counts": rng.integers(0, 3, end).astype("<f4"),
        "random bytes": rng.integers(0, 2**32, end, np.uint32).view("<f4"),
    }[value]
    raw = memoryview(stored_chunk(tmp_path / "frame.h5", samples))
    block = bitshuffle.block_bytes_of(raw, 4, samples.nbytes)
    first = data.draw(st.integers(1, (samples.nbytes - 1) // block))
    tail = raw[-data.draw(st.integers(1, len(raw))) :]
    blocks = find_last_blocks(tail, block, 4, samples.nbytes, first)
    known = find_blocks(raw, len(raw), 4, samples.nbytes)
    sought = [position + len(tail) - len(raw) for position in known.positions[first:]]
    if blocks is None:
        # The tail is too short, or can be read in more than one way, which never happens with noise.
        assert value != "noise" or known.positions[first - 1] + len(tail) < len(raw)
        return
    assert blocks.positions == sought
    plain = bytearray(samples.nbytes - first * block)
    unpack(tail, blocks, first * block, memoryview(plain))
    assert plain == samples.tobytes()[first * block :]


async def test_channels_whose_blocks_are_larger_than_likely_are_fetched_in_a_second_read(tmp_path):
    samples = np.zeros((2, 1, 2**18), "<f4")
    # The data that can't be compressed are at the chunk's start, where a few bytes would be enough on average.
    samples[:, 0, : 2**15] = np.random.default_rng(0).integers(0, 2**32, 2**15, np.uint32).view("f4")
    source = write(tmp_path / "uneven.h5", samples, chunks=(1, 1, 2**18), **BITSHUFFLE)
    header, _ = await read_header(source)
    block = await read_block(source, header, 0, 2**15 - 5)
    assert block.tobytes() == samples[:, 0, : 2**15 - 5].tobytes()
    assert len(source.read_bytes) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzf", "shuffle": True},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        hdf5plugin.Bitshuffle(nelems=0, cname="zstd"),
        hdf5plugin.Bitshuffle(nelems=64, cname="none"),
        {**BITSHUFFLE, "fletcher32": True},
    ],
    ids=["lzf", "gzip", "zstd", "no compressor", "bitshuffle and a checksum"],
)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2"])
async def test_samples_behind_other_filters_are_read(tmp_path, options, dtype):
    samples = np.random.default_rng(0).integers(0, 100, (5, 2, 700)).astype(dtype)
    source = write(tmp_path / "filtered.h5", samples, chunks=(2, 2, 300), **options)
    header, _ = await read_header(source)
    for start, stop in ((0, 700), (250, 640), (299, 300)):
        assert np.array_equal(await read_block(source, header, start, stop), samples[:, 0, start:stop].astype("f4"))


@pytest.mark.parametrize("options", [{}, BITSHUFFLE], ids=["plain", "bitshuffle"])
async def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path, options):
    path = tmp_path / "holes.h5"
    with h5py.File(path, "w") as file:
        handle = file.create_dataset("data", (4, 1, 600), "<f4", chunks=(1, 1, 200), fillvalue=7.0, **options)
        handle.attrs.update(ATTRIBUTES)
        handle[1] = 3.0
    source = LocalSource(path)
    header, warnings = await read_header(source)
    block = await read_block(source, header, 100, 500)
    assert np.array_equal(block, np.where(np.arange(4)[:, None] == 1, 3.0, 7.0) * np.ones(400))
    assert any("never written" in warning for warning in warnings)


async def test_a_chunk_that_skipped_its_filter_is_read_unchanged(tmp_path):
    samples = np.random.default_rng(0).gamma(51.0, size=(3, 1, 500)).astype("<f4")
    source = write(tmp_path / "skipped.h5", samples, chunks=(1, 1, 500), **BITSHUFFLE)
    with h5py.File(source.path, "a") as file:
        file["data"].id.write_direct_chunk((1, 0, 0), samples[1].tobytes(), filter_mask=1)
    header, _ = await read_header(source)
    assert np.array_equal(await read_block(source, header, 20, 480), samples[:, 0, 20:480])


async def test_a_plain_chunk_of_another_size_is_a_damaged_index(tmp_path):
    samples = np.random.default_rng(0).gamma(51.0, size=(3, 1, 500)).astype("<f4")
    source = write(tmp_path / "short.h5", samples, chunks=(1, 1, 500), **BITSHUFFLE)
    with h5py.File(source.path, "a") as file:
        file["data"].id.write_direct_chunk((1, 0, 0), samples[1].tobytes()[:900], filter_mask=1)
    header, _ = await read_header(source)
    with pytest.raises(BadObservationError, match="index of its data is damaged"):
        await read_block(source, header, 0, 500)


FILTERS = {"compression": "gzip", "shuffle": True, "fletcher32": True}


@pytest.mark.parametrize(
    ("options", "chunk", "fault"),
    [
        (FILTERS, b"abc", "too short for its checksum"),
        ({"fletcher32": True}, b"abc", "too short for its checksum"),
        ({"fletcher32": True}, bytes(1000), "another length"),
        ({"shuffle": True}, bytes(1000), "another length"),
        (dict(hdf5plugin.Bitshuffle(nelems=0, cname="none")), bytes(1000), "another length"),
        ({"compression": "gzip"}, zlib.compress(bytes(1000)), "another size"),
        ({"compression": "gzip"}, zlib.compress(bytes(3000)), "another size"),
        ({"compression": "gzip"}, zlib.compress(bytes(2000))[:-6], "cut short"),
    ],
)
async def test_a_chunk_that_would_unpack_to_another_size_never_reaches_hdf5(tmp_path, options, chunk, fault):
    samples = np.random.default_rng(0).gamma(51.0, size=(3, 1, 500)).astype("<f4")
    source = write(tmp_path / "other.h5", samples, chunks=(1, 1, 500), **options)
    with h5py.File(source.path, "a") as file:
        file["data"].id.write_direct_chunk((1, 0, 0), chunk)
    header, _ = await read_header(source)
    with pytest.raises(BadObservationError, match=fault):
        await read_block(source, header, 0, 500)


@pytest.mark.parametrize("options", [FILTERS, BITSHUFFLE], ids=["gzip", "bitshuffle"])
async def test_a_chunk_of_no_bytes_is_a_damaged_index(tmp_path, options):
    samples = np.random.default_rng(0).gamma(51.0, size=(3, 1, 500)).astype("<f4")
    source = write(tmp_path / "none.h5", samples, chunks=(1, 1, 500), **options)
    with h5py.File(source.path) as file:
        size = file["data"].id.get_chunk_info_by_coord((1, 0, 0)).size
    raw = source.path.read_bytes()
    # A chunk's record in the index: its size, no filter skipped, and its position.
    record = struct.pack("<IIQQQ", size, 0, 1, 0, 0)
    assert raw.count(record) == 1
    source.path.write_bytes(raw.replace(record, bytes(4) + record[4:]))
    header, _ = await read_header(source)
    with pytest.raises(BadObservationError, match="index of its data is damaged"):
        await read_block(source, header, 0, 500)


async def test_data_that_are_compressed_twice_are_refused(tmp_path):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, 1, 500))
    plan.set_deflate(1)
    plan.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL, (0, 0, 2000))
    path = tmp_path / "twice.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((3, 1, 500))
        h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, plan)
        file["data"].attrs.update(ATTRIBUTES)
        file["data"][...] = 1.0
    with pytest.raises(BadObservationError, match="compressed more than once"):
        await read_header(LocalSource(path))


def stored_chunk(path, samples):
    source = write(path, samples.reshape(1, 1, -1), chunks=(1, 1, samples.size), **BITSHUFFLE)
    with h5py.File(source.path) as file:
        return file["data"].id.read_direct_chunk((0, 0, 0))[1]


@QUICK
@given(data=st.data())
def test_damaged_frames_are_refused_or_unpacked_within_bounds(tmp_path, data):
    samples = np.random.default_rng(1).integers(0, 60, 5003).astype("<f4")
    raw = bytearray(stored_chunk(tmp_path / "frame.h5", samples))
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    frame = memoryview(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    guarded = bytearray(b"\xa5" * (samples.nbytes + 64))
    try:
        blocks = find_blocks(frame, len(frame), 4, samples.nbytes)
        unpack(frame, blocks, 0, memoryview(guarded)[: samples.nbytes])
    except DamagedChunkError:
        pass
    assert guarded[samples.nbytes :] == b"\xa5" * 64


async def test_two_files_are_unpacked_in_parallel(tmp_path):
    samples = np.random.default_rng(0).gamma(51.0, size=(4, 1, 2**17)).astype("<f4")
    sources = [write(tmp_path / f"{i}.h5", samples + i, chunks=(1, 1, 2**16), **BITSHUFFLE) for i in range(4)]
    headers = [(await read_header(source))[0] for source in sources]
    blocks = await asyncio.gather(
        *(read_block(source, header, 5, 2**17) for source, header in zip(sources, headers, strict=True))
    )
    for i, block in enumerate(blocks):
        assert np.array_equal(block, (samples + i)[:, 0, 5:])
