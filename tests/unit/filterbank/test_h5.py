"""HDF5 files: good ones, odd ones, bad ones."""

import asyncio

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadObservationError, TransientError
from shared.filterbank import LocalSource, read_block, read_header
from shared.simulator import make_header, write_h5

VALUES = (1000 * np.arange(6)[:, None] + np.arange(512)).astype(np.float32)
ATTRIBUTES = {
    "fch1": 8421.386717353016,
    "foff": -2.7939677238464355e-06,
    "tsamp": 18.253611008,
    "tstart": 57650.78209490741,
    "nchans": 512,
    "nbits": 32,
    "nifs": 1,
    "telescope_id": 6,
    "source_name": "Voyager1",
    "src_raj": 17.167773333,
    "src_dej": 12.183,
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.h5"


def write(path, data=VALUES[:, None, :], *, name="data", marked=True, without=(), changes=(), **options):
    """A file of ATTRIBUTES with `changes`."""
    with h5py.File(path, "w") as file:
        if marked:
            file.attrs["CLASS"], file.attrs["VERSION"] = "FILTERBANK", "1.0"
        dataset = file.create_dataset(name, data=data, **options)
        for key, value in (ATTRIBUTES | dict(changes)).items():
            if key not in without:
                dataset.attrs[key] = value
    return LocalSource(path)


async def whole(source):
    found, warnings = await read_header(source)
    return found, warnings, await read_block(source, found, 0, found.n_channels)


STORED = {
    "contiguous": {},
    "chunked": {"chunks": (1, 1, 128)},
    "chunks of several spectra": {"chunks": (4, 1, 512)},
    "gzip": {"chunks": (1, 1, 512), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (2, 1, 256), "compression": "gzip", "shuffle": True},
    "bitshuffle and LZ4": {"chunks": (1, 1, 512), **hdf5plugin.Bitshuffle(nelems=0, cname="lz4")},
}


@pytest.mark.parametrize("options", STORED.values(), ids=STORED.keys())
async def test_a_good_file_however_it_is_stored(path, options):
    source = write(path, **options)
    found, warnings, block = await whole(source)
    assert warnings == ()
    assert (found.file_format, found.n_spectra, found.n_channels, found.n_ifs) == ("h5", 6, 512, 1)
    assert (found.fch1_mhz, found.foff_mhz, found.tsamp_s) == (8421.386717353016, -2.7939677238464355e-06, 18.253611008)
    assert (found.source_name, found.telescope_id) == ("Voyager1", 6)
    assert (found.ra_hours, found.dec_deg) == (17.167773333, 12.183)
    np.testing.assert_array_equal(block, VALUES)
    assert block.dtype == np.float32
    assert block.flags.c_contiguous
    np.testing.assert_array_equal(await read_block(source, found, 100, 300), VALUES[:, 100:300])


@pytest.mark.parametrize("bitshuffle", [False, True])
async def test_what_the_simulator_writes(path, bitshuffle):
    made = make_header(3000, 5, file_format="h5", coarse_channel_width=1000, has_dc_spike=True)
    data = np.random.default_rng(1).random((5, 3000), dtype=np.float32)
    write_h5(path, made, data, bitshuffle=bitshuffle)
    found, warnings, block = await whole(LocalSource(path))
    assert warnings == ()
    assert found == made
    np.testing.assert_array_equal(block, data)


@pytest.mark.parametrize("kind", ["f8", "i2", "u1", ">f4", ">i2", "f2", "i4"])
async def test_other_sample_types_become_float32(path, kind):
    values = (VALUES % 100).astype(kind)
    _, _, block = await whole(write(path, values[:, None, :], without=("nbits",)))
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block, VALUES % 100)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_name": b"Voyager1"},
        {"source_name": np.array(["Voyager1"], dtype=h5py.string_dtype())},
        {"source_name": np.bytes_(b"Voyager1\0\0")},
        {"fch1": np.array([8421.386717353016]), "nchans": np.array([512])},
        {"src_raj": "17:10:03.984", "src_dej": "+12:10:58.8"},
        {"src_raj": b"17h10m03.984s", "src_dej": b"12d10m58.8s"},
        {"DIMENSION_LABELS": ["frequency", "feed_id", "time"]},
    ],
)
async def test_attributes_as_the_wild_has_them(path, changes):
    found, warnings, block = await whole(write(path, changes=changes))
    assert warnings == ()
    assert (found.source_name, found.fch1_mhz) == ("Voyager1", 8421.386717353016)
    assert found.ra_hours == pytest.approx(17.167773333, abs=1e-5)
    assert found.dec_deg == pytest.approx(12.183, abs=1e-4)
    np.testing.assert_array_equal(block, VALUES)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"marked": False}, ("FILTERBANK", "all the same")),
        ({"changes": {"nchans": 99}}, ("nchans", "512")),
        ({"without": ("tstart",)}, ("tstart", "MJD 0")),
        ({"data": VALUES}, ("two dimensions",)),
        ({"changes": {"src_dej": "up there"}}, ("src_dej",)),
    ],
    ids=["no CLASS", "nchans", "tstart", "two dimensions", "src_dej"],
)
async def test_what_can_be_mended_is_a_warning_and_a_right_result(path, how, words):
    _, (warning,), block = await whole(write(path, **how))
    for wanted in words:
        assert wanted in warning
    np.testing.assert_array_equal(block, VALUES)


async def test_the_first_of_several_ifs(path):
    both = np.stack([VALUES, -VALUES], axis=1)
    _, (warning,), block = await whole(write(path, both, changes={"nifs": 2}))
    assert "2 IFs" in warning
    np.testing.assert_array_equal(block, VALUES)


async def test_hdf5_under_the_name_of_fil(tmp_path):
    _, (warning,), block = await whole(write(tmp_path / "x.fil"))
    assert "named .fil but holds HDF5" in warning
    np.testing.assert_array_equal(block, VALUES)


def not_hdf5(path):
    path.write_bytes(b"\x89HDF but no more" * 20)


def half_written(path):
    write(path, chunks=(1, 1, 512), compression="gzip")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def only_the_signature(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n")


def never_written(path):
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", (6, 1, 512), np.float32, chunks=(1, 1, 512))
        dataset.attrs.update({key: value for key, value in ATTRIBUTES.items() if key != "source_name"})


def a_link_to_another_file(path):
    write(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink(str(path.with_name("other.h5")), "data")


BAD = {
    "not HDF5": (not_hdf5, ("neither",)),
    "half written": (half_written, ("damaged or incomplete",)),
    "only the signature": (only_the_signature, ("damaged or incomplete",)),
    "never written": (never_written, ("never written",)),
    "a link": (a_link_to_another_file, ("link",)),
    "without data": (lambda path: write(path, name="spectra"), ("no data set 'data'", "'spectra'")),
    "one dimension": (lambda path: write(path, np.zeros(512, np.float32)), ("shape (512,)",)),
    "four dimensions": (lambda path: write(path, np.zeros((2, 1, 4, 4), np.float32)), ("shape (2, 1, 4, 4)",)),
    "two dimensions without nchans": (lambda path: write(path, VALUES, without=("nchans",)), ("(time, IF, channel)",)),
    "complex samples": (lambda path: write(path, np.zeros((4, 1, 512), np.complex64)), ("type",)),
    "empty data": (lambda path: write(path, np.zeros((0, 1, 512), np.float32)), ("empty",)),
    "one spectrum": (lambda path: write(path, VALUES[:1, None, :]), ("1 spectrum",)),
    "no foff": (lambda path: write(path, without=("foff",)), ("foff",)),
    "foff 0": (lambda path: write(path, changes={"foff": 0.0}), ("foff",)),
    "tsamp negative": (lambda path: write(path, changes={"tsamp": -1.0}), ("tsamp",)),
    "fch1 NaN": (lambda path: write(path, changes={"fch1": float("nan")}), ("fch1",)),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD.keys())
async def test_bad_files_are_refused_in_a_sentence(path, make, words):
    make(path)
    with pytest.raises(BadObservationError) as caught:
        await whole(LocalSource(path))
    assert caught.value.message.startswith("The file 'x.h5' can't be searched: ")
    for wanted in words:
        assert wanted in caught.value.message


def test_a_filter_that_is_not_known_is_named(path):
    write(path, chunks=(1, 1, 512), **hdf5plugin.Bitshuffle(nelems=0, cname="lz4"))
    content = path.read_bytes()
    # The filter's number stands in the pipeline message: 32008 becomes one that nobody has.
    assert content.count((32008).to_bytes(2, "little")) == 1
    path.write_bytes(content.replace((32008).to_bytes(2, "little"), (31999).to_bytes(2, "little")))
    with pytest.raises(BadObservationError, match="filter 31999"):
        asyncio.run(whole(LocalSource(path)))


async def test_a_corrupt_chunk_is_refused(path):
    source = write(path, chunks=(1, 1, 512), compression="gzip")
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 10 : chunk.byte_offset + 60] = bytes(50)
    path.write_bytes(content)
    found, _ = await read_header(source)
    with pytest.raises(BadObservationError, match="damaged"):
        await read_block(source, found, 0, 512)


async def test_storage_that_is_away_is_no_fault_of_the_file(path):
    write(path)

    class Away:
        name = "x.h5"

        async def size(self):
            return path.stat().st_size

        async def read(self, start, length):
            if start > 0 or length < 1000:
                raise TransientError("Storage is out of reach.")
            return path.read_bytes()[start : start + length]

    source = Away()
    with pytest.raises(TransientError, match="out of reach"):
        await whole(source)


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_files_never_do_anything_but_refuse_or_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "x.h5"
    write(path, chunks=(2, 1, 512), compression="gzip")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])

    async def read():
        async with asyncio.timeout(20):
            return await whole(LocalSource(path))

    try:
        found, _, block = asyncio.run(read())
    except BadObservationError as error:
        message = error.message
    else:
        assert block.shape == (found.n_spectra, found.n_channels)
        return
    assert "x.h5" in message
