"""SIGPROC headers, good and bad, from bytes built by hand."""

import asyncio
import struct

import numpy as np
import pytest

from deploy.local.servers import REPOSITORY
from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header

GOLDEN = REPOSITORY.parent / "shared" / "data" / "gbt_cband_sgrb2.fil"

FIELDS = {
    "source_name": "Voyager1",
    "telescope_id": 6,
    "nchans": 8,
    "nbits": 32,
    "nifs": 1,
    "fch1": 8421.386717353016,
    "foff": -2.7939677238464355e-06,
    "tsamp": 18.253611008,
    "tstart": 57650.78209490741,
}
FLOATS = ("fch1", "foff", "tsamp", "tstart", "src_raj", "src_dej", "az_start", "refdm")


def word(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(raw)) + raw


def keyword(name, value):
    if name == "signed":
        return word(name) + struct.pack("<b", value)
    if isinstance(value, str | bytes):
        return word(name) + word(value)
    return word(name) + struct.pack("<d" if name in FLOATS else "<i", value)


def header_bytes(extra=b"", **changes):
    """Return a header. Fields that are None are left out; `extra` stands before HEADER_END."""
    fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
    body = b"".join(keyword(name, value) for name, value in fields.items())
    return word("HEADER_START") + body + extra + word("HEADER_END")


@pytest.fixture
def source(tmp_path):
    """Return a function that makes a source from bytes."""

    def make(raw, name="observation.fil"):
        path = tmp_path / name
        path.write_bytes(raw)
        return LocalSource(path)

    return make


@pytest.fixture
def power():
    """Return float32 samples of shape (5, 8), as the headers above state."""
    return np.random.default_rng(3).gamma(51.0, size=(5, 8)).astype("<f4")


@pytest.fixture
def refused(source):
    """Return a function that reads a file that must be refused, without hanging, and returns the message."""

    async def read(raw, name="observation.fil"):
        async with asyncio.timeout(20):
            with pytest.raises(BadObservationError) as caught:
                await read_header(source(raw, name))
        assert f"'{name}'" in caught.value.message
        return caught.value.message

    return read


async def accepted(source):
    """Return header, warnings and all channels of a file that must be read."""
    header, warnings = await read_header(source)
    return header, warnings, await read_block(source, header, 0, header.n_channels)


async def test_a_valid_file(source, power):
    header, warnings, block = await accepted(source(header_bytes() + power.tobytes()))
    assert warnings == ()
    assert block.dtype == np.float32
    assert block.flags.c_contiguous
    assert np.array_equal(block, power)
    assert (header.file_format, header.n_spectra, header.n_channels, header.n_ifs) == ("fil", 5, 8, 1)
    assert (header.n_bits, header.signed, header.data_offset_bytes) == (32, False, len(header_bytes()))
    assert (header.fch1_mhz, header.foff_mhz) == (FIELDS["fch1"], FIELDS["foff"])
    assert (header.tsamp_s, header.tstart_mjd) == (FIELDS["tsamp"], FIELDS["tstart"])
    assert (header.source_name, header.telescope_id) == ("Voyager1", 6)
    assert (header.ra_hours, header.dec_deg) == (None, None)
    assert (header.coarse_channel_width, header.has_dc_spike) == (None, False)


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the real Green Bank observation is not on this machine")
async def test_a_real_green_bank_observation():
    header, warnings, block = await accepted(LocalSource(GOLDEN))
    assert warnings == ()
    assert (header.n_spectra, header.n_channels, header.n_bits, header.telescope_id) == (32, 1024, 32, 6)
    assert header.source_name == "DIAG_SGR_B2"
    assert header.foff_hz == pytest.approx(-1.397, abs=1e-3)
    assert header.tsamp_s == pytest.approx(1.43166, abs=1e-5)
    assert header.ra_hours == pytest.approx(17 + 47 / 60 + 15 / 3600, abs=1e-5)
    assert header.dec_deg == pytest.approx(-(28 + 22 / 60 + 59.16 / 3600), abs=1e-4)
    assert (header.coarse_channel_width, header.has_dc_spike) == (None, False)
    samples = np.frombuffer(GOLDEN.read_bytes()[-32 * 1024 * 4 :], "<f4").reshape(32, 1024)
    assert np.array_equal(block, samples)


async def test_empty_file(refused):
    assert "empty (0 bytes)" in await refused(b"")


async def test_wrong_magic(refused):
    assert "neither a SIGPROC filterbank nor an HDF5 file" in await refused(bytes(range(1, 200)) * 50)


async def test_text_file(refused):
    assert "begins with b'# Observing log" in await refused(b"# Observing log\n" * 100)


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"BACKEND = 'GUPPI   '", "raw voltages"),
        (b"\x00\x00\x00\x0cHEADER_START", "big-endian"),
    ],
)
async def test_files_of_other_kinds_are_named(refused, start, hint):
    assert hint in await refused(start + bytes(100))


@pytest.mark.parametrize("length", [1, 10, 16, 20, 30, 100, 150])
async def test_truncated_header(refused, length):
    message = await refused(header_bytes()[:length])
    assert "ends inside its header" in message
    assert "upload" in message.lower()


async def test_no_header_end(refused, power):
    raw = header_bytes().removesuffix(word("HEADER_END"))
    assert "HEADER_END is missing" in await refused(raw + np.full(1000, 1e30, "<f4").tobytes())


async def test_no_header_end_in_an_endless_run_of_valid_keywords(refused):
    raw = header_bytes().removesuffix(word("HEADER_END"))
    assert "more than 1000 keywords" in await refused(raw + keyword("refdm", 0.0) * 5000)


async def test_no_header_end_within_a_megabyte(refused):
    raw = header_bytes().removesuffix(word("HEADER_END"))
    assert "no HEADER_END within 1048576 bytes" in await refused(raw + keyword("rawdatafile", "x" * 16000) * 100)


async def test_header_end_across_a_4096_byte_boundary(source, power):
    short = len(header_bytes(rawdatafile="")) - len(word("HEADER_END"))
    for across in range(1, 14):
        raw = header_bytes(rawdatafile="x" * (4096 - short - across))
        header, warnings, block = await accepted(source(raw + power.tobytes()))
        assert raw[4096 - across :].startswith(word("HEADER_END"))
        assert (header.data_offset_bytes, warnings) == (len(raw), ())
        assert np.array_equal(block, power)


@pytest.mark.parametrize("length", [4097, 65_536 - 150, 65_536 + 100, 500_000])
async def test_header_longer_than_4_kb(source, power, length):
    texts = [keyword("rawdatafile", "r" * 10_000)] * (length // 10_020)
    rest = length - sum(map(len, texts))
    raw = header_bytes(extra=b"".join([*texts, keyword("rawdatafile", "r" * rest)]))
    header, warnings, block = await accepted(source(raw + power.tobytes()))
    assert (header.data_offset_bytes, warnings) == (len(raw), ())
    assert np.array_equal(block, power)


async def test_the_number_of_warnings_is_limited(source, power):
    extra = b"".join(keyword(f"mystery_{number}", 1) for number in range(300))
    _, warnings, _ = await accepted(source(header_bytes(extra=extra) + power.tobytes()))
    assert warnings[20:] == ("The header causes 280 more warnings.",)


async def test_unknown_keyword_whose_value_has_no_clear_end(refused):
    message = await refused(header_bytes(extra=word("my_vector") + bytes(24)) + bytes(1000))
    assert "'my_vector'" in message
    assert "Remove it" in message


@pytest.mark.parametrize(
    "value", [struct.pack("<i", 7), struct.pack("<d", -1.5), bytes(4), bytes(8), word("text, with more"), b"\x01"]
)
async def test_unknown_keyword_whose_value_has_one_possible_end(source, power, value):
    raw = header_bytes(extra=word("my_keyword") + value + keyword("refdm", 0.0))
    header, warnings, block = await accepted(source(raw + power.tobytes()))
    assert warnings == ("The header's keyword 'my_keyword' is unknown; it was skipped.",)
    assert header.data_offset_bytes == len(raw)
    assert np.array_equal(block, power)


async def test_a_table_of_frequencies(refused):
    raw = header_bytes(extra=word("FREQUENCY_START") + (word("fchannel") + struct.pack("<d", 1.0)) * 8)
    assert "evenly spaced" in await refused(raw)


@pytest.mark.parametrize("length", [0, 81, 2**31, 2**32 - 1])
async def test_absurd_keyword_length(refused, length):
    message = await refused(header_bytes(extra=struct.pack("<I", length) + b"x" * 100))
    assert f"keyword of {length} characters" in message
    assert "after 'tstart'" in message


async def test_absurd_text_length(refused):
    message = await refused(header_bytes(extra=word("rawdatafile") + struct.pack("<I", 2**31 - 1)))
    assert "rawdatafile in its header claims 2147483647 characters" in message


async def test_absurd_nchans(refused, power):
    message = await refused(header_bytes(nchans=2**31 - 1) + power.tobytes())
    assert "no whole spectrum: with nchans = 2147483647" in message


@pytest.mark.parametrize("nchans", [0, -8])
async def test_nchans_0_or_negative(refused, power, nchans):
    assert f"nchans is {nchans}" in await refused(header_bytes(nchans=nchans) + power.tobytes())


@pytest.mark.parametrize("nbits", [0, -8, 3, 12, 64, 2**31 - 1])
async def test_nbits_not_allowed(refused, power, nbits):
    message = await refused(header_bytes(nbits=nbits) + power.tobytes())
    assert f"nbits in its header is {nbits}; it must be one of 1, 2, 4, 8, 16, 32" in message


async def test_spectra_of_a_fractional_number_of_bytes(refused):
    assert "not a whole number of bytes" in await refused(header_bytes(nchans=5, nbits=4) + bytes(100))


@pytest.mark.parametrize("name", ["fch1", "foff", "tsamp", "nchans", "nbits"])
async def test_required_field_missing(refused, power, name):
    message = await refused(header_bytes(**{name: None}) + power.tobytes())
    assert f"its header has no {name}" in message
    assert "add it" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["fch1", "foff", "tsamp"])
async def test_nan_or_inf_in_the_header(refused, power, name, value):
    message = await refused(header_bytes(**{name: value}) + power.tobytes())
    assert f"{name} in its header is {value!r}" in message
    assert "finite number" in message


@pytest.mark.parametrize("foff", [0.0, -0.0, 1e-300, 1e300])
async def test_foff_0_or_absurd(refused, power, foff):
    assert f"foff in its header is {foff} MHz" in await refused(header_bytes(foff=foff) + power.tobytes())


@pytest.mark.parametrize("tsamp", [0.0, -18.25, 1e-300, 1e300])
async def test_tsamp_0_negative_or_absurd(refused, power, tsamp):
    assert f"tsamp in its header is {tsamp} s" in await refused(header_bytes(tsamp=tsamp) + power.tobytes())


@pytest.mark.parametrize("fch1", [0.0, -1420.0, 1e12])
async def test_invalid_frequencies(refused, power, fch1):
    assert f"fch1 = {fch1} MHz" in await refused(header_bytes(fch1=fch1) + power.tobytes())


async def test_t_of_1(refused, power):
    assert "1 spectrum; a drift search needs at least 2" in await refused(header_bytes() + power[:1].tobytes())


async def test_no_spectrum_at_all(refused):
    assert "no whole spectrum" in await refused(header_bytes())


async def test_partial_last_spectrum(source, power):
    header, warnings, block = await accepted(source(header_bytes() + power.tobytes()[:-5]))
    (warning,) = warnings
    assert "part of a spectrum (27 of 32 bytes)" in warning
    assert header.n_spectra == 4
    assert np.array_equal(block, power[:4])


@pytest.mark.parametrize("nsamples", [3, 5000, -1])
async def test_nsamples_that_disagrees_with_the_size(source, power, nsamples):
    header, warnings, block = await accepted(source(header_bytes(nsamples=nsamples) + power.tobytes()))
    assert warnings == (f"nsamples in the header is {nsamples}; the file's size says 5 spectra, which was used.",)
    assert header.n_spectra == 5
    assert np.array_equal(block, power)


@pytest.mark.parametrize("nsamples", [0, 5])
async def test_nsamples_that_agrees_or_is_not_stated(source, power, nsamples):
    _, warnings = await read_header(source(header_bytes(nsamples=nsamples) + power.tobytes()))
    assert warnings == ()


@pytest.mark.parametrize("nifs", [2, 4])
async def test_nifs_2_or_4(source, nifs):
    power = np.random.default_rng(5).gamma(51.0, size=(3, nifs, 8)).astype("<f4")
    observation = source(header_bytes(nifs=nifs) + power.tobytes())
    header, _, block = await accepted(observation)
    assert np.array_equal(await read_block(observation, header, 2, 7, nifs - 1), power[:, nifs - 1, 2:7])
    assert (header.n_spectra, header.n_ifs) == (3, nifs)
    assert np.array_equal(block, power[:, 0])


@pytest.mark.parametrize("nifs", [0, -1])
async def test_nifs_0_or_negative(refused, power, nifs):
    assert f"nifs in its header is {nifs}" in await refused(header_bytes(nifs=nifs) + power.tobytes())


async def test_nan_inf_and_zero_rows_in_the_data(source, power):
    power[1] = 0
    power[2, :3] = np.nan, np.inf, -np.inf
    _, warnings, block = await accepted(source(header_bytes() + power.tobytes()))
    assert warnings == ()
    assert np.array_equal(block, power, equal_nan=True)


async def test_few_fields(source, power):
    raw = header_bytes(source_name=None, telescope_id=None, nifs=None, tstart=None)
    header, warnings, block = await accepted(source(raw + power.tobytes()))
    assert warnings == ("The header has no usable tstart; the start time was taken as MJD 0.",)
    assert (header.source_name, header.telescope_id, header.n_ifs, header.tstart_mjd) == ("", 0, 1, 0.0)
    assert np.array_equal(block, power)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (b"Sgr B2 off", "Sgr B2 off"),
        (b"../../etc/J0332+54", "../../etc/J0332+54"),
        ("Größe 观测".encode(), "Größe 观测"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"a\tb\nc", "a b c"),
        (b"padded   \x00\x00\x93", "padded"),
        (b"", ""),
    ],
)
async def test_source_name_with_spaces_slashes_or_other_text(source, power, stored, read):
    header, warnings = await read_header(source(header_bytes(source_name=stored) + power.tobytes()))
    assert (header.source_name, warnings) == (read, ())


async def test_very_long_source_name(source, power):
    header, warnings = await read_header(source(header_bytes(source_name="n" * 9000) + power.tobytes()))
    assert header.source_name == "n" * 256
    assert warnings == ("source_name in the header has 9000 characters; it was cut to 256.",)


@pytest.mark.parametrize(
    ("ra", "dec", "hours", "degrees"),
    [
        (171003.984, 121058.8, 17.1677733333, 12.183),
        (0.0, -3000.0, 0.0, -0.5),
        (235959.9, -895959.0, 23.9999722222, -89.9997222222),
        (172999.99999999997, -30.0, 17.5, -30 / 3600),
    ],
)
async def test_packed_angles(source, power, ra, dec, hours, degrees):
    header, warnings = await read_header(source(header_bytes(src_raj=ra, src_dej=dec) + power.tobytes()))
    assert header.ra_hours == pytest.approx(hours, abs=1e-9)
    assert header.dec_deg == pytest.approx(degrees, abs=1e-9)
    assert warnings == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, 996100.0, 7000.0])
async def test_invalid_angles_are_left_out(source, power, value):
    header, warnings = await read_header(source(header_bytes(src_raj=value, src_dej=value) + power.tobytes()))
    assert (header.ra_hours, header.dec_deg) == (None, None)
    assert len(warnings) == 2
    assert all("not a position on the sky" in warning for warning in warnings)


async def test_a_name_that_ends_in_h5_with_sigproc_inside(source, power):
    _, warnings, block = await accepted(source(header_bytes() + power.tobytes(), "observation.H5"))
    assert warnings == ("The file is named .h5 but holds SIGPROC filterbank data; it was read as SIGPROC.",)
    assert np.array_equal(block, power)


async def test_a_file_that_was_truncated_after_its_header_was_read(source, power):
    raw = header_bytes() + power.tobytes()
    header, _ = await read_header(source(raw))
    with pytest.raises(BadObservationError, match="before its last data"):
        await read_block(source(raw[:-1]), header, 0, 8)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (4, 3), (0, 9)])
async def test_channels_outside_the_band_are_an_error_of_the_caller(source, power, start, stop):
    observation = source(header_bytes() + power.tobytes())
    header, _ = await read_header(observation)
    with pytest.raises(ValueError, match="no channels"):
        await read_block(observation, header, start, stop)
