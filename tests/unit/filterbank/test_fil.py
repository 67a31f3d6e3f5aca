"""SIGPROC files: good ones, odd ones, bad ones."""

import asyncio
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header
from shared.simulator import make_header, write_fil
from tests.unit.filterbank.by_hand import header, keyword, samples, word

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "gbt_cband_sgrb2.fil"


@pytest.fixture
def saved(tmp_path):
    def save(content: bytes, name: str = "x.fil") -> LocalSource:
        (tmp_path / name).write_bytes(content)
        return LocalSource(tmp_path / name)

    return save


async def whole(source):
    found, warnings = await read_header(source)
    return found, warnings, await read_block(source, found, 0, found.n_channels)


async def test_a_good_file(saved):
    found, warnings, block = await whole(saved(header() + samples()))
    assert warnings == ()
    assert (found.file_format, found.n_spectra, found.n_channels, found.n_bits) == ("fil", 4, 64, 32)
    assert (found.fch1_mhz, found.foff_mhz) == (8421.386717353016, -2.7939677238464355e-06)
    assert (found.tsamp_s, found.tstart_mjd, found.telescope_id) == (18.253611008, 57650.78209490741, 6)
    assert found.source_name == "Voyager1"
    assert found.ra_hours == pytest.approx(17 + 10 / 60 + 3.984 / 3600, abs=1e-9)
    assert found.dec_deg == pytest.approx(12 + 10 / 60 + 58.8 / 3600, abs=1e-9)
    np.testing.assert_array_equal(block, 1000 * np.arange(4)[:, None] + np.arange(64))
    assert block.dtype == np.float32
    assert block.flags.c_contiguous


async def test_a_part_of_the_channels(saved):
    source = saved(header() + samples())
    found, _ = await read_header(source)
    np.testing.assert_array_equal(
        await read_block(source, found, 7, 20), 1000 * np.arange(4)[:, None] + np.arange(7, 20)
    )
    for low, high in ((5, 5), (-1, 3), (60, 65)):
        with pytest.raises(ValueError, match="no channels"):
            await read_block(source, found, low, high)


async def test_a_header_longer_than_4_kb(saved):
    found, _, block = await whole(saved(header(rawdatafile="f" * 5000) + samples()))
    assert found.data_offset_bytes > 5000
    assert block[3, 63] == 3063


@pytest.mark.parametrize("beyond", range(1, 14))
async def test_header_end_across_a_4096_byte_boundary(saved, beyond):
    plain = len(header(rawdatafile=""))
    # HEADER_END is 14 bytes with its length; `beyond` of them lie after byte 4096.
    content = header(rawdatafile="f" * (4096 + beyond - plain))
    assert len(content) == 4096 + beyond
    _, warnings, block = await whole(saved(content + samples()))
    assert warnings == ()
    assert block[3, 63] == 3063


async def test_a_negative_declination_of_less_than_a_degree(saved):
    found, _, _ = await whole(saved(header(src_dej=-3000.0) + samples()))
    assert found.dec_deg == pytest.approx(-0.5)


async def test_names_with_spaces_slashes_and_other_alphabets(saved):
    for name in ("GJ 1002 / B", "ÇatalHöyük", "目标"):
        found, _, _ = await whole(saved(header(source_name=name) + samples()))
        assert found.source_name == name
    found, _, _ = await whole(saved(header(source_name="Köln".encode("latin-1")) + samples()))
    assert found.source_name == "Köln"


async def test_keywords_in_the_wild(saved):
    extra = b"".join(keyword(name, 0) for name in ("nbins", "ibeam", "nbeams"))
    found, warnings, _ = await whole(saved(header(extra=extra + keyword("signed", 0), nfpc=32) + samples()))
    assert warnings == ()
    assert found.coarse_channel_width == 32


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header() + samples() + b"12345", ("part of a spectrum", "5 of 256 bytes")),
        (header(nsamples=7) + samples(), ("nsamples", "7", "4 spectra")),
        (header(without=("tstart",)) + samples(), ("tstart", "MJD 0")),
        (header(nifs=2) + samples(4, 128), ("2 IFs", "only the first")),
        (header(nifs=4) + samples(4, 256), ("4 IFs", "only the first")),
        (header(nfpc=48) + samples(), ("nfpc", "48")),
        (header(src_raj=996199.0) + samples(), ("src_raj",)),
        (header(extra=keyword("observer_mood", 3)) + samples(), ("observer_mood", "passed over")),
    ],
    ids=["partial spectrum", "nsamples", "tstart", "nifs 2", "nifs 4", "nfpc", "src_raj", "unknown keyword"],
)
async def test_what_can_be_mended_is_a_warning_and_a_right_result(saved, content, words):
    found, warnings, block = await whole(saved(content))
    (warning,) = warnings
    for wanted in words:
        assert wanted in warning
    np.testing.assert_array_equal(block, 1000 * np.arange(4)[:, None] + np.arange(64))
    assert found.n_spectra == 4


BAD = {
    "empty file": (b"", ("empty",)),
    "wrong magic": (b"\x0c\x00\x00\x00HEADER_STORT" + samples(), ("neither a SIGPROC filterbank nor an HDF5",)),
    "a text": (b"I am no observation.\n" * 9, ("neither a SIGPROC filterbank nor an HDF5",)),
    "gzip": (b"\x1f\x8b" + bytes(100), ("gzip", "Unpack")),
    "truncated header": (header()[:150], ("ends inside its header", "whole file")),
    "only HEADER_START": (word("HEADER_START"), ("ends inside its header",)),
    "no HEADER_END": (header()[:-14] + samples(400), ("damaged",)),
    "no HEADER_END ever": (header()[:-14] + word("nbins") + b"\1\0\0\0" + bytes(2**21), ("damaged",)),
    "absurd keyword length": (header()[:-14] + struct.pack("<I", 2**31) + samples(), (str(2**31), "damaged")),
    "absurd text length": (header(extra=word("rawdatafile") + struct.pack("<I", 2**30)) + samples(), ("rawdatafile",)),
    "a keyword that hides the rest": (header(extra=word("mystery") + bytes(11)) + samples(), ("mystery",)),
    "no nchans": (header(without=("nchans",)) + samples(), ("nchans", "add it")),
    "no foff": (header(without=("foff",)) + samples(), ("foff", "add it")),
    "nchans 0": (header(nchans=0) + samples(), ("nchans is 0",)),
    "nchans negative": (header(nchans=-5) + samples(), ("nchans is -5",)),
    "nchans absurd": (header(nchans=2**31 - 1) + samples(), ("no whole spectrum", str(2**31 - 1))),
    "nbits 7": (header(nbits=7) + samples(), ("nbits", "7")),
    "nbits 64": (header(nbits=64) + samples(), ("nbits", "64")),
    "foff 0": (header(foff=0.0) + samples(), ("foff", "0.0")),
    "foff NaN": (header(foff=float("nan")) + samples(), ("foff", "nan")),
    "fch1 infinite": (header(fch1=float("inf")) + samples(), ("fch1", "inf")),
    "tsamp 0": (header(tsamp=0.0) + samples(), ("tsamp", "0.0")),
    "tsamp negative": (header(tsamp=-1.0) + samples(), ("tsamp", "-1.0")),
    "one spectrum": (header() + samples(1), ("1 spectrum",)),
    "no spectrum": (header() + samples(1)[:100], ("no whole spectrum",)),
    "nifs 0": (header(nifs=0) + samples(), ("nifs", "0")),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
async def test_bad_files_are_refused_in_a_sentence(saved, content, words):
    with pytest.raises(BadObservationError) as caught:
        await read_header(saved(content))
    assert caught.value.message.startswith("The file 'x.fil' can't be searched: ")
    assert caught.value.message.endswith((".", ").", "'"))
    for wanted in words:
        assert wanted in caught.value.message


async def test_a_file_that_shrank_after_its_header_was_read_is_refused(saved):
    source = saved(header() + samples())
    found, _ = await read_header(source)
    saved(header() + samples()[:-40])
    with pytest.raises(BadObservationError, match="before its last spectrum"):
        await read_block(source, found, 0, 64)


async def test_fil_data_under_the_name_of_h5(saved):
    source = saved(header() + samples(), "x.h5")
    found, (warning,), block = await whole(source)
    assert found.file_format == "fil"
    assert "named .h5" in warning
    assert block[3, 63] == 3063


@pytest.mark.parametrize("n_bits", [1, 2, 4])
async def test_packed_samples_have_their_low_bits_first(saved, n_bits):
    packed = bytes(range(256)) * 2
    n_channels = 128 * 8 // n_bits
    found, _, block = await whole(saved(header(nbits=n_bits, nchans=n_channels) + packed))
    assert found.n_spectra == 4
    expected = [(byte >> shift) & (2**n_bits - 1) for byte in packed for shift in range(0, 8, n_bits)]
    np.testing.assert_array_equal(block, np.reshape(expected, (4, n_channels)))
    source = saved(header(nbits=n_bits, nchans=n_channels) + packed)
    np.testing.assert_array_equal(await read_block(source, found, 3, 30), block[:, 3:30])


@pytest.mark.parametrize(("n_bits", "signed", "low"), [(8, False, 0), (8, True, -128), (16, False, 0), (16, True, -9)])
async def test_integers_round_trip(tmp_path, n_bits, signed, low):
    made = make_header(1000, 5, n_bits=n_bits, signed=signed)
    data = np.random.default_rng(2).integers(low, low + 120, (5, 1000)).astype(np.float32)
    write_fil(tmp_path / "x.fil", made, data)
    found, warnings, block = await whole(LocalSource(tmp_path / "x.fil"))
    assert warnings == ()
    assert (found.n_bits, found.signed) == (n_bits, signed)
    np.testing.assert_array_equal(block, data)


async def test_rows_longer_than_one_read(tmp_path):
    """2^21 channels of float32 are 8 MB, read in pieces."""
    made = make_header(2**21, 2)
    data = np.random.default_rng(3).random((2, 2**21), dtype=np.float32)
    write_fil(tmp_path / "x.fil", made, data)
    _, _, block = await whole(LocalSource(tmp_path / "x.fil"))
    np.testing.assert_array_equal(block, data)


@settings(max_examples=400)
@given(data=st.data())
def test_damaged_headers_never_do_anything_but_refuse_or_read(tmp_path_factory, data):
    content = bytearray(header(nfpc=32) + samples())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 330))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("damaged") / "x.fil"
    path.write_bytes(content)

    async def read():
        found, _ = await read_header(LocalSource(path))
        return found, await read_block(LocalSource(path), found, 0, found.n_channels)

    try:
        found, block = asyncio.run(read())
    except BadObservationError as error:
        message = error.message
    else:
        assert block.shape == (found.n_spectra, found.n_channels)
        return
    assert "x.fil" in message


@pytest.mark.skipif(not REAL.exists(), reason="the real observation is not beside this repository")
async def test_a_real_observation_of_sgr_b2():
    found, warnings, block = await whole(LocalSource(REAL))
    assert warnings == ()
    assert (found.n_spectra, found.n_channels, found.telescope_id) == (32, 1024, 6)
    assert found.foff_hz == pytest.approx(-1.3969838619232178)
    assert found.tsamp_s == pytest.approx(1.431655765333332)
    raw = np.frombuffer(REAL.read_bytes()[-32 * 1024 * 4 :], "<f4").reshape(32, 1024)
    np.testing.assert_array_equal(block, raw)
