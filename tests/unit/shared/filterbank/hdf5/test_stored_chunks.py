"""Filters decoded without the HDF5 library: the same bytes as with it."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.filterbank.hdf5 import stored_chunks
from shared.filterbank.hdf5.bitshuffle import DamagedChunkError
from shared.filterbank.hdf5.stored_chunks import DEFLATE, FLETCHER32, LZF, SHUFFLE, Filter, undo_filters

PIPELINES = [
    {"fletcher32": True},
    {"shuffle": True},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
]


def stored(samples, options):
    """Return a chunk as HDF5 stores it, and the filters applied to it."""
    with h5py.File(io.BytesIO(), "w") as file:
        data = file.create_dataset("data", data=samples, chunks=samples.shape, **options)
        plan = data.id.get_create_plist()
        filters = [Filter(*plan.get_filter(number)[:3:2]) for number in range(plan.get_nfilters())]
        return memoryview(data.id.read_direct_chunk((0,))[1]), filters


@pytest.mark.parametrize("options", PIPELINES, ids=lambda options: "+".join(options))
@settings(max_examples=40, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["u1", "<i2", "<f4", ">f8"]))
def test_filters_are_decoded_as_hdf5_decodes_them(options, data, kind):
    n_samples = data.draw(st.integers(1, 3000))
    fill = data.draw(st.sampled_from(["noise", "zeros", "ones"]))
    raw = np.random.default_rng(n_samples).bytes(n_samples * np.dtype(kind).itemsize)
    raw = {"noise": raw, "zeros": bytes(len(raw)), "ones": b"\xff" * len(raw)}[fill]
    samples = np.frombuffer(raw, kind)
    chunk, filters = stored(samples, options)
    undone = undo_filters(chunk, filters, 0, samples.nbytes, samples.itemsize)
    assert undone.filters == ()
    assert bytes(undone.raw) == raw


def test_sums_of_many_words_do_not_overflow():
    samples = np.full(2**21, 2**32 - 2, "<u4")
    chunk, filters = stored(samples, {"fletcher32": True})
    assert bytes(undo_filters(chunk, filters, 0, samples.nbytes, 4).raw) == samples.tobytes()


def test_a_checksum_whose_sums_are_in_the_other_byte_order_is_right():
    samples = np.arange(500, dtype="<f4")
    chunk, filters = stored(samples, {"fletcher32": True})
    old = bytes(chunk[:-4]) + bytes(chunk[-4:])[::-1][2:] + bytes(chunk[-4:])[::-1][:2]
    assert bytes(undo_filters(memoryview(old), filters, 0, samples.nbytes, 4).raw) == samples.tobytes()


def test_a_wrong_checksum_is_detected():
    chunk, filters = stored(np.arange(500, dtype="<f4"), {"fletcher32": True})
    changed = bytearray(chunk)
    changed[77] ^= 1
    with pytest.raises(DamagedChunkError, match="the checksum of a chunk is wrong"):
        undo_filters(memoryview(changed), filters, 0, 2000, 4)


def test_a_filter_that_was_skipped_is_not_decoded():
    plain = memoryview(bytes(range(100)))
    filters = [Filter(SHUFFLE, (4,)), Filter(DEFLATE, (4,))]
    assert undo_filters(plain, filters, 0b11, 100, 4) == (plain, ())


def test_filters_before_one_of_the_library_are_left_to_the_library():
    filters = [Filter(SHUFFLE, (4,)), Filter(LZF, (4, 261, 2000)), Filter(FLETCHER32, ())]
    raw = bytes(50)
    undone = undo_filters(memoryview(raw + bytes(4)), filters, 0, 2000, 4)
    assert (bytes(undone.raw), undone.filters) == (raw, tuple(filters[:2]))


def test_a_chunk_that_unpacks_to_far_more_takes_no_more_memory_than_a_chunk():
    bomb, filters = stored(np.zeros(2**22, "u1"), {"compression": "gzip"})
    with pytest.raises(DamagedChunkError, match="another size"):
        undo_filters(bomb, filters, 0, 1000, 1)
    assert len(stored_chunks.zlib.decompressobj().decompress(bomb, 1001)) == 1001
