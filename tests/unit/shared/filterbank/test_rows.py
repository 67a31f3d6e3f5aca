"""Arrays of samples: what is written is read back, for all bit depths, ranges and numbers of reads."""

import asyncio
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from science.simulator import make_header, write_fil, write_h5
from shared.content import Content
from shared.errors import BadObservationError, TransientError
from shared.filterbank import BlobSource, LocalSource, fetch, read_block, read_header, rows

# The files of one example are small, and each example overwrites the files of the one before.
QUICK = settings(max_examples=30, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Memory:
    """A bucket with one object. It records the reads, and how many run at once."""

    def __init__(self, raw):
        self.raw = raw
        self.reads = []
        self.at_once = self.most_at_once = 0

    async def content(self, key):
        return Content(len(self.raw), None) if key == "there" else None

    async def get_range(self, key, start, length, _etag=None):
        self.reads.append((start, length))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.raw[start : start + length]

    async def get_range_into(self, key, start, buffer, _etag=None):
        raw = await self.get_range(key, start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)


def sigproc(n_channels, n_bits, data, n_ifs=1, signed=False):
    """Return a file built by hand."""

    def word(text):
        return struct.pack("<I", len(text)) + text

    integers = {b"nchans": n_channels, b"nbits": n_bits, b"nifs": n_ifs}
    doubles = {b"fch1": 1420.0, b"foff": -1e-6, b"tsamp": 1.0, b"tstart": 60000.0}
    parts = [word(key) + struct.pack("<i", value) for key, value in integers.items()]
    parts += [word(key) + struct.pack("<d", value) for key, value in doubles.items()]
    if signed:
        parts.append(word(b"signed") + b"\x01")
    return b"".join([word(b"HEADER_START"), *parts, word(b"HEADER_END"), data])


def packed(samples, n_bits):
    """Return samples of fewer than 8 bits, packed into bytes one after another, low-order bits first."""
    per_byte = 8 // n_bits
    raw = bytearray()
    for first in range(0, len(samples), per_byte):
        raw.append(sum(int(s) << (n_bits * i) for i, s in enumerate(samples[first : first + per_byte])))
    return bytes(raw)


async def read_range(raw, start, stop):
    """Return samples read through byte ranges, and the bucket with its records."""
    bucket = Memory(raw)
    source = BlobSource(bucket, "there", "observation.fil")
    header, _ = await read_header(source)
    bucket.reads.clear()
    return await read_block(source, header, start, stop), bucket


@QUICK
@given(data=st.data(), n_bits=st.sampled_from([1, 2, 4]))
async def test_samples_of_few_bits_are_unpacked(data, n_bits):
    n_channels = data.draw(st.integers(1, 12)) * 8 // n_bits
    samples = data.draw(hnp.arrays(np.uint8, (3, n_channels), elements=st.integers(0, 2**n_bits - 1)))
    start = data.draw(st.integers(0, n_channels - 1))
    stop = data.draw(st.integers(start + 1, n_channels))
    raw = sigproc(n_channels, n_bits, b"".join(packed(row, n_bits) for row in samples))
    block, _ = await read_range(raw, start, stop)
    assert np.array_equal(block, samples[:, start:stop])


@QUICK
@given(data=st.data(), kind=st.sampled_from(["u1", "i1", "<u2", "<i2", "<f4"]), n_ifs=st.integers(1, 3))
async def test_whole_bytes_of_any_range_and_number_of_ifs(data, kind, n_ifs):
    dtype = np.dtype(kind)
    n_channels = data.draw(st.integers(1, 40))
    samples = data.draw(hnp.arrays(dtype, (4, n_ifs, n_channels)))
    start = data.draw(st.integers(0, n_channels - 1))
    stop = data.draw(st.integers(start + 1, n_channels))
    raw = sigproc(n_channels, 8 * dtype.itemsize, samples.tobytes(), n_ifs, signed=dtype.kind == "i")
    block, _ = await read_range(raw, start, stop)
    assert block.dtype == np.float32
    assert np.array_equal(block, samples[:, 0, start:stop].astype("f4"), equal_nan=True)


@pytest.mark.parametrize("bitshuffle", [None, False, True], ids=["fil", "h5", "bitshuffle"])
@QUICK
@given(
    shape=st.tuples(st.integers(2, 5), st.integers(1, 60)), n_bits=st.sampled_from([8, 16, 32]), signed=st.booleans()
)
async def test_what_the_writer_writes_is_read_back(tmp_path, bitshuffle, shape, n_bits, signed):
    header = make_header(shape[1], shape[0], n_bits=n_bits, signed=signed and n_bits < 32, ra_hours=3.5, dec_deg=-0.5)
    data = np.random.default_rng(shape[1]).integers(0, 100, shape).astype("f4")
    path = tmp_path / "written"
    if bitshuffle is None:
        write_fil(path, header, data)
    else:
        write_h5(path, header, data, bitshuffle=bitshuffle)
    found, warnings = await read_header(LocalSource(path))
    own = {"file_format", "data_offset_bytes", "has_dc_spike"}
    assert found.model_dump(exclude=own) == header.model_dump(exclude=own)
    assert warnings == ()
    assert np.array_equal(await read_block(LocalSource(path), found, 0, shape[1]), data)


@QUICK
@given(raw=st.binary(max_size=400), whole=st.booleans())
async def test_random_bytes_are_refused(raw, whole):
    source = BlobSource(Memory(raw if whole else b"\x0c\x00\x00\x00HEADER_START" + raw), "there", "random.fil")
    with pytest.raises(BadObservationError):
        await read_header(source)


@settings(max_examples=150, deadline=2000)
@given(data=st.data())
async def test_damaged_headers_are_refused_or_read(data):
    raw = bytearray(sigproc(16, 8, bytes(16 * 5)))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(len(raw) // 2, len(raw)))]
    source = BlobSource(Memory(bytes(raw)), "there", "damaged.fil")
    try:
        header, _ = await read_header(source)
    except BadObservationError:
        return
    block = await read_block(source, header, 0, header.n_channels)
    assert block.shape == (header.n_spectra, header.n_channels)


async def test_whole_rows_take_few_reads():
    samples = np.random.default_rng(0).integers(0, 200, (500, 64)).astype("u1")
    block, bucket = await read_range(sigproc(64, 8, samples.tobytes()), 0, 64)
    assert np.array_equal(block, samples)
    assert len(bucket.reads) == 1


async def test_a_few_channels_of_wide_spectra_take_one_read_per_spectrum_several_at_once():
    n_channels = rows.GAP_BYTES + 100
    samples = np.random.default_rng(0).integers(0, 200, (20, n_channels)).astype("u1")
    block, bucket = await read_range(sigproc(n_channels, 8, samples.tobytes()), 50, 90)
    assert np.array_equal(block, samples[:, 50:90])
    assert [length for _, length in bucket.reads] == [40] * 20
    assert bucket.most_at_once == fetch.READS_AT_ONCE


@pytest.mark.parametrize("n_bits", [1, 4, 8, 32])
async def test_spectra_wider_than_a_read_are_read_in_parts(monkeypatch, n_bits):
    monkeypatch.setattr(rows, "READ_BYTES", 64)
    monkeypatch.setattr(rows, "PACKED_SAMPLES", 128)
    samples = np.random.default_rng(0).integers(0, 2, (3, 1000)).astype("u1")
    stored = samples.astype("<f4") if n_bits == 32 else samples
    data = b"".join(packed(row, n_bits) if n_bits < 8 else row.tobytes() for row in stored)
    block, bucket = await read_range(sigproc(1000, n_bits, data), 3, 998)
    assert np.array_equal(block, samples[:, 3:998])
    lengths = [length for _, length in bucket.reads]
    assert max(lengths) <= 1.5 * 64 + 8 * max(1, n_bits // 8)
    assert len(bucket.reads) >= 3
    # No part is much smaller than the others, but for the last of a spectrum.
    assert sum(lengths) / len(lengths) > max(lengths) / 2


async def test_the_overlap_beyond_a_coarse_channel_is_no_request_of_its_own():
    channels = fetch.READ_BYTES // 4
    n_channels, overlap = 3 * channels, 300
    samples = np.zeros((2, n_channels), "<f4")
    samples[:, ::1000] = 7
    source = sigproc(n_channels, 32, samples.tobytes())
    block, bucket = await read_range(source, channels - overlap, 2 * channels + overlap)
    assert np.array_equal(block, samples[:, channels - overlap : 2 * channels + overlap])
    assert [length for _, length in bucket.reads] == [4 * (channels + 2 * overlap)] * 2


async def test_large_pieces_are_decoded_outside_the_event_loop():
    samples = np.random.default_rng(0).gamma(51.0, size=(4, fetch.THREAD_BYTES)).astype("<f4")
    block, _ = await read_range(sigproc(fetch.THREAD_BYTES, 32, samples.tobytes()), 0, fetch.THREAD_BYTES)
    assert np.array_equal(block, samples)


async def test_one_failing_read_fails_the_whole_with_its_own_error():
    class Failing(Memory):
        async def get_range(self, key, start, length, _etag=None):
            if len(self.reads) > 5:
                raise TransientError("Storage is unavailable.")
            return await super().get_range(key, start, length)

    bucket = Failing(sigproc(rows.GAP_BYTES * 2, 8, bytes(rows.GAP_BYTES * 40)))
    source = BlobSource(bucket, "there", "observation.fil")
    header, _ = await read_header(source)
    with pytest.raises(TransientError, match="unavailable"):
        await read_block(source, header, 0, 10)
