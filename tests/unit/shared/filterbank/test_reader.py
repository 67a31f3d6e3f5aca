"""Every bad input that the reader must handle, by name.

A file is either refused with one sentence that names the file, the field, its value and what to do, or it is read
correctly with a warning that names what was repaired. Neither takes more memory than a few megabytes. The tests of the
two formats (`sigproc/test_reader.py`, `hdf5/test_reader.py`) check the same things in more detail.
"""

import asyncio
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from services.classify.noise_warnings import noise_warnings
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from shared.errors import BadObservationError
from shared.events import Chunk, SearchParameters
from shared.filterbank import LocalSource, read_block, read_header
from tests.unit.shared.filterbank.files import (
    BITSHUFFLE,
    POWER,
    fil,
    h5,
    header_of,
    keyword,
    with_chunk,
    with_filter,
    word,
)

ITEMS = (
    *("empty file", "wrong magic", "truncated header", "no HEADER_END", "HEADER_END across a 4096-byte boundary"),
    *("unknown keyword", "absurd keyword length", "absurd nchans", "header longer than 4 kB", "partial last spectrum"),
    *("nsamples that disagrees with the size", "foff 0", "tsamp <= 0", "nchans 0", "nbits not allowed", "T = 1"),
    *("nifs 2 or 4", ".h5 that is not HDF5", ".h5 half written", ".h5 without data", ".h5 without CLASS"),
    *(
        ".h5 with 2-D data",
        ".h5 whose nchans is not the shape",
        ".h5 with a corrupt chunk",
        ".h5 with an unknown filter",
    ),
    *("float64, int16 or big-endian data", "NaN, Inf, zero rows", "source name with spaces, slashes, other text"),
    *(".fil with HDF5 inside", ".h5 with SIGPROC inside"),
)
# Every refusal says what to do.
ADVICE = re.compile(r"\b(Upload|upload|Correct|correct|Write|write|Rewrite|Convert|Record|Remove|Unpack|Store)\b")
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Refused:
    """A file and what the message must contain: the field, if there is one, and the value or the fault."""

    item: str
    raw: bytes
    tells: tuple[str, ...]
    name: str = "observation.fil"


@dataclass(frozen=True)
class Read:
    """A file, its samples, and what its warnings must contain; nothing if nothing needs repair."""

    item: str
    raw: bytes
    samples: np.ndarray
    warns: tuple[str, ...] = ()
    name: str = "observation.fil"
    source_name: str = "Voyager1"


def across(boundary):
    """Return a file whose HEADER_END begins just before a byte position and ends after it."""
    room = boundary - 8 - len(header_of(end=False)) - len(keyword("rawdatafile", ""))
    raw = fil(extra=keyword("rawdatafile", "x" * room))
    assert raw.index(b"HEADER_END") < boundary < raw.index(b"HEADER_END") + 10
    return raw


def compressed(**options):
    return h5(options={"chunks": (1, 1, 64), **options})


H5 = "observation.h5"
TWO_IFS = np.stack([POWER, POWER + 1], axis=1)
FOUR_IFS = np.stack([POWER, POWER + 1, POWER + 2, POWER + 3], axis=1)
LOST = POWER.copy()
LOST[1] = np.nan
LOST[2] = 0.0
LOST[3, 5:9] = (np.inf, -np.inf, np.nan, 0.0)

REFUSED = [
    Refused("empty file", b"", ("empty", "0 bytes")),
    Refused("empty file", b"", ("empty", "0 bytes"), H5),
    Refused("wrong magic", b"\x0c\x00\x00\x00HEADER_STOP " + bytes(500), ("begins with", "HEADER_STOP")),
    Refused("truncated header", fil()[:100], ("ends inside its header",)),
    Refused("truncated header", fil()[:9], ("ends inside its header", "9 bytes")),
    Refused("no HEADER_END", fil(end=False), ("HEADER_END",)),
    Refused("no HEADER_END", header_of(keyword("nifs", 1) * 5000, end=False), ("HEADER_END", "1000")),
    Refused("unknown keyword", fil(extra=word("strange") + b"\xff" * 40), ("'strange'",)),
    Refused("absurd keyword length", fil(extra=b"\xff\xff\xff\x7f"), ("keyword", "2147483647")),
    Refused(
        "absurd keyword length", fil(extra=word("source_name") + b"\xff\xff\xff\x7f"), ("source_name", "2147483647")
    ),
    Refused("absurd nchans", fil(nchans=2**31 - 1), ("nchans", "2147483647")),
    Refused("absurd nchans", fil(nchans=-5), ("nchans", "-5")),
    Refused("foff 0", fil(foff=0.0), ("foff", "0.0")),
    Refused("foff 0", h5(foff=0.0), ("foff", "0.0"), H5),
    Refused("foff 0", fil(foff=float("nan")), ("foff", "nan")),
    Refused("tsamp <= 0", fil(tsamp=0.0), ("tsamp", "0.0")),
    Refused("tsamp <= 0", fil(tsamp=-1.5), ("tsamp", "-1.5")),
    Refused("tsamp <= 0", h5(tsamp=-1.5), ("tsamp", "-1.5"), H5),
    Refused("nchans 0", fil(nchans=0), ("nchans", "is 0")),
    Refused("nchans 0", h5(POWER[:, np.newaxis, :0]), ("empty", r"\(6, 1, 0\)"), H5),
    Refused("nbits not allowed", fil(nbits=7), ("nbits", "is 7", "1, 2, 4, 8, 16, 32")),
    Refused("nbits not allowed", fil(nbits=64), ("nbits", "is 64")),
    Refused("T = 1", fil(POWER[:1]), ("1 spectrum",)),
    Refused("T = 1", h5(POWER[:1, np.newaxis]), ("1 spectrum",), H5),
    Refused(".h5 that is not HDF5", b"not HDF5 at all" * 20, ("begins with", "not HDF5"), H5),
    Refused(".h5 half written", compressed(**BITSHUFFLE)[:3000], ("HDF5 content is damaged or incomplete",), H5),
    Refused(".h5 half written", h5()[:-200], ("ends before its last data|damaged or incomplete",), H5),
    Refused(".h5 without data", h5(None), ("'data'", "nothing"), H5),
    Refused(".h5 with 2-D data", h5(POWER, nchans=None), ("shape", r"\(6, 64\)"), H5),
    Refused(
        ".h5 with a corrupt chunk", with_chunk(compressed(**BITSHUFFLE), (3, 0, 0), b"\xff" * 99), ("damaged",), H5
    ),
    Refused(
        ".h5 with a corrupt chunk",
        with_chunk(compressed(compression="gzip"), (3, 0, 0), b"\xff" * 99),
        ("damaged",),
        H5,
    ),
    Refused(
        ".h5 with an unknown filter",
        with_filter(compressed(scaleoffset=2), "scaleoffset", 299),
        ("HDF5 filter 299",),
        H5,
    ),
]
READ = [
    Read("HEADER_END across a 4096-byte boundary", across(4096), POWER),
    Read("HEADER_END across a 4096-byte boundary", across(3 * 4096), POWER),
    Read("header longer than 4 kB", fil(extra=keyword("rawdatafile", "x" * 9000)), POWER),
    Read("unknown keyword", fil(extra=word("strange") + b"\x07\x00\x00\x00"), POWER, ("'strange' is unknown",)),
    Read("partial last spectrum", fil()[:-100], POWER[:5], ("part of a spectrum", "156 of 256 bytes")),
    Read("nsamples that disagrees with the size", fil(nsamples=99), POWER, ("nsamples", "99", "6 spectra")),
    Read("nifs 2 or 4", fil(TWO_IFS, nifs=2), POWER),
    Read("nifs 2 or 4", fil(FOUR_IFS, nifs=4), POWER),
    Read("nifs 2 or 4", h5(TWO_IFS, nifs=2), POWER, (), H5),
    Read("nifs 2 or 4", h5(FOUR_IFS, nifs=4, options={"chunks": (2, 4, 30), **BITSHUFFLE}), POWER, (), H5),
    Read(".h5 without CLASS", h5(file_class=None), POWER, ("CLASS", "FILTERBANK"), H5),
    Read(".h5 with 2-D data", h5(POWER), POWER, ("two dimensions",), H5),
    Read(".h5 whose nchans is not the shape", h5(nchans=63), POWER, ("nchans", "63", "64"), H5),
    *(
        Read(
            "float64, int16 or big-endian data",
            h5(POWER[:, np.newaxis].astype(kind), nbits=None),
            POWER.astype(kind),
            (),
            H5,
        )
        for kind in ("<f8", ">f8", ">f4", "<i2", ">i2", "u1")
    ),
    Read("NaN, Inf, zero rows", fil(LOST), LOST),
    Read("NaN, Inf, zero rows", h5(LOST[:, np.newaxis], options={"chunks": (1, 1, 64), **BITSHUFFLE}), LOST, (), H5),
    *(
        Read("source name with spaces, slashes, other text", fil(source_name=name), POWER, source_name=name)
        for name in ("GJ 1002 b", "../../etc/passwd", "Sgr A*/ΔT ☉")
    ),
    Read("source name with spaces, slashes, other text", h5(source_name="a/b ü"), POWER, (), H5, source_name="a/b ü"),
    Read(".fil with HDF5 inside", h5(), POWER, ("named .fil", "holds HDF5")),
    Read(".h5 with SIGPROC inside", fil(), POWER, ("named .h5", "SIGPROC"), H5),
]


def test_no_item_is_missing():
    assert {case.item for case in (*REFUSED, *READ)} == set(ITEMS)


@pytest.fixture
def source(tmp_path):
    def make(case):
        path = tmp_path / case.name
        path.write_bytes(case.raw)
        return LocalSource(path)

    return make


async def read_whole(source):
    header, warnings = await read_header(source)
    return header, warnings, await read_block(source, header, 0, header.n_channels)


@pytest.fixture
def bounded():
    """Fail a test in which Python and numpy take more than `MOST_BYTES`."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_BYTES


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.item)
async def test_a_bad_file_is_refused_with_file_field_value_and_advice(source, case):
    observation = source(case)
    async with asyncio.timeout(20):
        with pytest.raises(BadObservationError) as caught:
            await read_whole(observation)
    sentence = caught.value.message
    assert sentence.startswith(f"The file '{case.name}' can't be searched: ")
    assert all(re.search(tells, sentence) for tells in case.tells), sentence
    assert ADVICE.search(sentence), sentence


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", READ, ids=lambda case: case.item)
async def test_a_repairable_file_is_read_correctly_and_warnings_name_the_repairs(source, case):
    observation = source(case)
    async with asyncio.timeout(20):
        header, warnings, block = await read_whole(observation)
    assert np.array_equal(block, case.samples.astype("f4"), equal_nan=True)
    assert header.source_name == case.source_name
    assert len(warnings) == bool(case.warns)
    assert all(re.search(re.escape(tells), " ".join(warnings)) for tells in case.warns), warnings


@pytest.mark.parametrize("format_of", [fil, lambda data, **more: h5(data[:, np.newaxis], **more)], ids=["fil", "h5"])
async def test_the_search_warns_about_nan_inf_and_zero_rows(tmp_path, format_of):
    power = np.random.default_rng(4).gamma(51.0, size=(16, 4096)).astype("<f4")
    power[3], power[7], power[9, 100:200] = np.nan, 0.0, np.inf
    path = tmp_path / "lost"
    path.write_bytes(format_of(power, nchans=4096))
    header, warnings, block = await read_whole(LocalSource(path))
    whole = Chunk(index=0, count=1, start_channel=0, stop_channel=4096, read_start_channel=0, read_stop_channel=4096)
    with ThreadPoolExecutor(1) as pool:
        found = search_chunk(block, header, whole, SearchParameters(max_drift_rate_hz_s=1.0), pool, Scratch())
    assert warnings == ()
    assert noise_warnings(header, [found.noise]) == [
        "12.7 % of the samples are lost (NaN, zero or constant) and were left out.",
        "Spectra 3 and 7 hold no signal and were not used.",
        "Channels 100 to 199 (8421.386160 to 8421.386439 MHz) are lost in spectrum 9.",
    ]
    assert found.noise.lost_fraction == pytest.approx((2 * 4096 + 100) / power.size)
    assert len(found.hits) == 0
