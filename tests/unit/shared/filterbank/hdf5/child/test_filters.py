"""Every filter that h5py and hdf5plugin write is read, and a refusal names its cause."""

import io
from typing import Any, NamedTuple

import h5py
import hdf5plugin
import numpy as np
import pytest

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import chunks, process
from shared.filterbank.hdf5.child.plugins import decoders
from shared.filterbank.hdf5.process import LimitExceededError
from tests.unit.shared.filterbank.files import FIELDS, with_chunk, with_filter

FLOATS, SHORTS, OCTETS = np.dtype("<f4"), np.dtype("<u2"), np.dtype("u1")
ALL = (FLOATS, SHORTS, OCTETS)
N_SPECTRA, N_CHANNELS = 16, 1024


class Case(NamedTuple):
    """A filter as h5py takes it, the sample types that its encoder takes, and the shape of chunks that it takes."""

    code: int
    options: dict[str, Any]
    dtypes: tuple[np.dtype[Any], ...] = ALL
    chunks: tuple[tuple[int, ...], ...] = ((1, 1, N_CHANNELS), (4, 1, 300), (N_SPECTRA, 1, N_CHANNELS))


PLANE = ((N_SPECTRA, N_CHANNELS), (8, 512))
CASES = {
    "bitshuffle": Case(32008, {**hdf5plugin.Bitshuffle(cname="none")}),
    "bitshuffle with LZ4": Case(32008, {**hdf5plugin.Bitshuffle(cname="lz4")}),
    "bitshuffle with Zstandard": Case(32008, {**hdf5plugin.Bitshuffle(cname="zstd")}),
    "bitshuffle with Zstandard, level 22": Case(32008, {**hdf5plugin.Bitshuffle(cname="zstd", clevel=22)}),
    "bitshuffle with Zstandard, by its numbers": Case(32008, {"compression": 32008, "compression_opts": (0, 3)}),
    "bitshuffle with Zstandard and a checksum": Case(
        32008, {"compression": 32008, "compression_opts": (0, 3), "fletcher32": True}
    ),
    "LZ4": Case(32004, {**hdf5plugin.LZ4()}),
    "LZ4 and shuffle": Case(32004, {**hdf5plugin.LZ4(nbytes=256), "shuffle": True}),
    "Zstandard": Case(32015, {**hdf5plugin.Zstd()}),
    "Zstandard, shuffle and a checksum": Case(32015, {**hdf5plugin.Zstd(), "shuffle": True, "fletcher32": True}),
    "Blosc": Case(32001, {**hdf5plugin.Blosc()}),
    "Blosc with Zstandard and bit shuffle": Case(32001, {**hdf5plugin.Blosc(cname="zstd", shuffle=2)}),
    "Blosc with zlib": Case(32001, {**hdf5plugin.Blosc(cname="zlib")}),
    "Blosc2": Case(32026, {**hdf5plugin.Blosc2()}),
    "Blosc2 with Zstandard": Case(32026, {**hdf5plugin.Blosc2(cname="zstd")}),
    "bzip2": Case(307, {**hdf5plugin.BZip2()}),
    "LZF": Case(32000, {"compression": "lzf"}),
    "LZF, shuffle and a checksum": Case(32000, {"compression": "lzf", "shuffle": True, "fletcher32": True}),
    "szip": Case(4, {"compression": "szip"}),
    "scale-offset": Case(6, {"scaleoffset": 2}),
    "ZFP, reversible": Case(32013, {**hdf5plugin.Zfp(reversible=True)}, (FLOATS,)),
    "ZFP, accuracy": Case(32013, {**hdf5plugin.Zfp(accuracy=0.01)}, (FLOATS,)),
    "SZ": Case(32017, {**hdf5plugin.SZ(absolute=0.01)}),
    "SZ3": Case(32024, {**hdf5plugin.SZ3(absolute=0.01)}),
    "SPERR": Case(32028, {**hdf5plugin.Sperr(peak_signal_to_noise_ratio=80.0)}, (FLOATS,), PLANE),
    "FCIDECOMP": Case(32018, {**hdf5plugin.FciDecomp()}, (SHORTS, OCTETS), ((1, 1, N_CHANNELS), (4, 1, 300))),
    "HTJ2K": Case(32033, {**hdf5plugin.Htj2k()}, (SHORTS, OCTETS)),
}
EACH = [(name, dtype, shape) for name, case in CASES.items() for dtype in case.dtypes for shape in case.chunks]


def written(name, dtype=FLOATS, shape=(4, 1, 300)):
    """Return a file whose data went through the filters of a case, and its samples as the HDF5 library reads them."""
    # In steps, so that every compressor makes them smaller: what it can't make smaller is stored plain.
    samples = (np.random.default_rng(7).gamma(51.0, size=(N_SPECTRA, N_CHANNELS)) // 8 * 8).astype(dtype)
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        data = samples if len(shape) == 2 else samples[:, np.newaxis]
        dataset = file.create_dataset("data", data=data, chunks=shape, **CASES[name].options)
        dataset.attrs.update(FIELDS | {"nchans": N_CHANNELS, "nbits": 8 * dtype.itemsize})
        codes = dataset.id.get_create_plist()
        assert CASES[name].code in [codes.get_filter(number)[0] for number in range(codes.get_nfilters())]
        # Chunks whose filter failed are stored plain, and would test nothing.
        assert all(dataset.id.get_chunk_info(number).filter_mask == 0 for number in range(dataset.id.get_num_chunks()))
    with h5py.File(held, "r") as file:
        return held.getvalue(), file["data"][...].reshape(N_SPECTRA, N_CHANNELS)


async def read(tmp_path, raw, start=0, stop=N_CHANNELS):
    """Return the channels of a file of these bytes."""
    path = tmp_path / "observation.h5"
    path.write_bytes(raw)
    header, _ = await read_header(LocalSource(path))
    return await read_block(LocalSource(path), header, start, stop)


async def refused(tmp_path, raw):
    """Return the message with which a file of these bytes is refused."""
    with pytest.raises(BadObservationError) as caught:
        await read(tmp_path, raw)
    return caught.value.message


def test_there_is_a_case_for_every_filter_of_hdf5plugin():
    assert {kind.filter_id for kind in hdf5plugin.get_filters()} == set(decoders())
    assert set(decoders()) <= {case.code for case in CASES.values()}


@pytest.mark.parametrize(
    ("name", "dtype", "shape"), EACH, ids=[f"{name}, {dtype}, {shape}" for name, dtype, shape in EACH]
)
async def test_samples_are_those_that_the_hdf5_library_reads(tmp_path, name, dtype, shape):
    raw, samples = written(name, dtype, shape)
    assert np.array_equal(await read(tmp_path, raw), samples.astype("f4"))
    assert np.array_equal(await read(tmp_path, raw, 290, 611), samples[:, 290:611].astype("f4"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if FLOATS in case.dtypes])
async def test_a_damaged_chunk_is_refused_or_read_within_the_limits_and_the_next_file_is_read(
    tmp_path, name, monkeypatch
):
    monkeypatch.setattr(process, "CPU_S", 1)
    origin = (0,) * len(CASES[name].chunks[-1])
    raw, samples = written(name, FLOATS, CASES[name].chunks[-1])
    with h5py.File(io.BytesIO(raw)) as file:
        _, chunk = file["data"].id.read_direct_chunk(origin)
    path, noise = tmp_path / "damaged.h5", np.random.default_rng(5)
    path.write_bytes(raw)
    header, _ = await read_header(LocalSource(path))
    refusals = []
    for number in range(4):
        bad = bytearray(chunk)
        for _ in range(3):
            bad[noise.integers(0, len(bad) if number % 2 else 24)] = noise.integers(256)
        path.write_bytes(with_chunk(raw, origin, bytes(bad[: len(bad) // (1 + number % 3)])))
        try:
            block = await read_block(LocalSource(path), header, 0, N_CHANNELS)
        except BadObservationError as error:
            refusals.append(error.message)
        else:
            assert block.shape == samples.shape
    assert all("its data are damaged" in text or "takes too much to unpack" in text for text in refusals)
    assert np.array_equal(await read(tmp_path, raw), samples)


@pytest.mark.parametrize("name", ["Zstandard", "Blosc", "LZ4", "bzip2", "Blosc2"])
async def test_a_chunk_that_unpacks_to_another_size_is_refused_with_its_cause(tmp_path, name):
    raw, _ = written(name, shape=(4, 1, 300))
    for other in ((2, 1, 300), (8, 1, 300)):
        larger, _ = written(name, shape=other)
        with h5py.File(io.BytesIO(larger)) as file:
            _, chunk = file["data"].id.read_direct_chunk((0, 0, 0))
        message = await refused(tmp_path, with_chunk(raw, (0, 0, 0), chunk))
        assert "its data are damaged: a compressed chunk can't be unpacked (" in message
        assert "more than a chunk's" in message or "another length than it should have" in message or "fails" in message


async def test_a_filter_that_nothing_undoes_is_named(tmp_path):
    raw, _ = written("Zstandard")
    message = await refused(tmp_path, with_filter(raw, "HDF5 zstd filter", 32014))
    assert message == (
        "The file 'observation.h5' can't be searched: its data are compressed with HDF5 filter 32014 "
        f"({decoders()[32015].name.decode()[:80]!r}), which neither HDF5 nor hdf5plugin can undo. Rewrite it with "
        "another filter, such as gzip (h5repack -f GZIP=4)."
    )


async def test_a_chunk_that_takes_too_much_to_unpack_is_not_called_damaged(tmp_path, monkeypatch):
    async def slow(source, request, *_):
        raise LimitExceededError("the HDF5 library did not finish within 30 s of processor time")

    monkeypatch.setattr(chunks, "ask", slow)
    raw, _ = written("Zstandard")
    assert await refused(tmp_path, raw) == (
        "The file 'observation.h5' can't be searched: a storage chunk of 'data', of (4, 1, 300) samples, takes too "
        "much to unpack (the HDF5 library did not finish within 30 s of processor time). Rewrite it with smaller "
        "storage chunks (h5repack)."
    )
