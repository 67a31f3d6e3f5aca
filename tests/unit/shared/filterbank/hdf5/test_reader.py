"""HDF5 (FBH5) files, good and bad, made with h5py alone."""

import asyncio
import io
from math import prod

import h5py
import hdf5plugin
import numpy as np
import pytest

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header

ATTRIBUTES = {
    "source_name": "Voyager1",
    "telescope_id": 6,
    "nchans": 64,
    "nbits": 32,
    "nifs": 1,
    "fch1": 8421.386717353016,
    "foff": -2.7939677238464355e-06,
    "tsamp": 18.253611008,
    "tstart": 57650.78209490741,
    "src_raj": 17.167773333,
    "src_dej": 12.183,
}
BITSHUFFLE = {**hdf5plugin.Bitshuffle(nelems=0, cname="lz4")}


@pytest.fixture
def power():
    """Return float32 samples of shape (6, 1, 64)."""
    return np.random.default_rng(3).gamma(51.0, size=(6, 1, 64)).astype("<f4")


@pytest.fixture
def source(tmp_path):
    """Return a function that makes a source from samples, attributes (None leaves one out) and h5py's options."""

    def make(data, name="observation.h5", file_class="FILTERBANK", options=None, **changes):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            if file_class is not None:
                file.attrs["CLASS"] = file_class
            if data is not None:
                dataset = file.create_dataset("data", data=data, **(options or {}))
                for key, value in (ATTRIBUTES | changes).items():
                    if value is not None:
                        dataset.attrs[key] = value
        return LocalSource(path)

    return make


async def accepted(source):
    """Return header, warnings and all channels of a file that must be read."""
    header, warnings = await read_header(source)
    return header, warnings, await read_block(source, header, 0, header.n_channels)


async def refused(source):
    """Return the message with which a file is refused, without hanging, when its header or its samples are read."""
    async with asyncio.timeout(20):
        with pytest.raises(BadObservationError) as caught:
            await accepted(source)
    assert f"'{source.name}'" in caught.value.message
    return caught.value.message


def damage(source, at, raw):
    """Overwrite some bytes of the file."""
    with source.path.open("r+b") as file:
        file.seek(at)
        file.write(raw)


def chunk_of(source, spectrum):
    """Return (start, length) of the stored chunk that holds a spectrum's first channel."""
    with h5py.File(source.path) as file:
        info = file["data"].id.get_chunk_info_by_coord((spectrum, 0, 0))
    return info.byte_offset, info.size


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 1, 64), **BITSHUFFLE},
        {"chunks": (4, 1, 10), **BITSHUFFLE},
        {"chunks": (2, 1, 64), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (1, 1, 48), "compression": "lzf"},
        {"chunks": (6, 1, 64)},
    ],
    ids=["contiguous", "bitshuffle", "odd chunks", "gzip", "lzf", "one chunk"],
)
async def test_a_valid_file(source, power, options):
    observation = source(power, options=options)
    header, warnings, block = await accepted(observation)
    assert warnings == ()
    assert block.dtype == np.float32
    assert block.flags.c_contiguous
    assert np.array_equal(block, power[:, 0])
    assert np.array_equal(await read_block(observation, header, 7, 51), power[:, 0, 7:51])
    assert (header.file_format, header.n_spectra, header.n_channels, header.n_ifs) == ("h5", 6, 64, 1)
    assert (header.n_bits, header.signed, header.data_offset_bytes) == (32, False, 0)
    assert (header.fch1_mhz, header.foff_mhz) == (ATTRIBUTES["fch1"], ATTRIBUTES["foff"])
    assert (header.tsamp_s, header.tstart_mjd) == (ATTRIBUTES["tsamp"], ATTRIBUTES["tstart"])
    assert (header.source_name, header.telescope_id) == ("Voyager1", 6)
    assert (header.ra_hours, header.dec_deg) == (17.167773333, 12.183)


async def test_not_hdf5(tmp_path):
    path = tmp_path / "observation.h5"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    assert "neither a SIGPROC filterbank nor an HDF5 file" in await refused(LocalSource(path))


@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
async def test_half_written(source, power, kept):
    observation = source(power, options={"chunks": (1, 1, 64), **BITSHUFFLE})
    raw = observation.path.read_bytes()
    observation.path.write_bytes(raw[: int(kept * len(raw))])
    assert "HDF5 content is damaged or incomplete" in await refused(observation)


async def test_only_the_signature(tmp_path):
    path = tmp_path / "observation.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "HDF5 content is damaged or incomplete" in await refused(LocalSource(path))


async def test_without_data(source):
    assert "no data set 'data' (its root holds: nothing)" in await refused(source(None))


async def test_data_that_is_a_group(source):
    observation = source(None)
    with h5py.File(observation.path, "a") as file:
        file.create_group("data")
    assert "'data' is a group" in await refused(observation)


@pytest.mark.parametrize("file_class", [None, "SOMETHING"])
async def test_without_class(source, power, file_class):
    _, warnings, block = await accepted(source(power, file_class=file_class))
    (warning,) = warnings
    assert "not marked as FILTERBANK" in warning
    assert np.array_equal(block, power[:, 0])


async def test_class_in_bytes(source, power):
    _, warnings, _ = await accepted(source(power, file_class=np.bytes_("FILTERBANK")))
    assert warnings == ()


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 64), **BITSHUFFLE}])
async def test_2_d_data_of_a_clear_shape(source, power, options):
    header, warnings, block = await accepted(source(power[:, 0], options=options))
    assert warnings == ("The data set has two dimensions instead of three; it was read as (time, channel).",)
    assert header.n_ifs == 1
    assert np.array_equal(block, power[:, 0])


@pytest.mark.parametrize("shape", [(6 * 64,), (6, 1, 1, 64), (6, 64, 1, 1), ()])
async def test_data_of_an_unclear_shape(source, power, shape):
    data = power.reshape(shape) if prod(shape) == power.size else np.float32(1)
    assert f"has the shape {shape}" in await refused(source(data))


async def test_nchans_attribute_that_is_not_the_shape(source, power):
    header, warnings, block = await accepted(source(power, nchans=100))
    assert warnings == ("nchans in the header is 100; the data set has 64, which was used.",)
    assert header.n_channels == 64
    assert np.array_equal(block, power[:, 0])


async def test_nchans_and_nbits_that_are_missing_follow_from_the_data_set(source, power):
    header, warnings, _ = await accepted(source(power, nchans=None, nbits=None, nifs=None))
    assert (header.n_channels, header.n_bits, header.n_ifs, warnings) == (64, 32, 1, ())


@pytest.mark.parametrize("raw", [b"\xff" * 200, bytes(200), b"\x00\x00\x00\x00\x00\x00\x01\x00" + bytes(4)])
async def test_corrupt_chunk(source, power, raw):
    observation = source(np.repeat(power, 50, axis=2), nchans=3200, options={"chunks": (1, 1, 3200), **BITSHUFFLE})
    start, length = chunk_of(observation, 2)
    assert length > 200
    damage(observation, start, raw)
    assert "its data are damaged" in await refused(observation)


async def test_corrupt_chunk_with_valid_lengths(source, power):
    observation = source(np.repeat(power, 50, axis=2), nchans=3200, options={"chunks": (1, 1, 3200), **BITSHUFFLE})
    start, length = chunk_of(observation, 2)
    damage(observation, start + 16, b"\xff" * (length - 16))
    assert "damaged" in await refused(observation)


async def test_corrupt_gzip_chunk(source, power):
    observation = source(power, options={"chunks": (1, 1, 64), "compression": "gzip"})
    damage(observation, chunk_of(observation, 5)[0] + 3, bytes(20))
    assert "its data are damaged" in await refused(observation)


async def test_chunk_that_unpacks_to_far_more_than_its_size(source, power):
    observation = source(power, options={"chunks": (1, 1, 64), "compression": "gzip"})
    with h5py.File(observation.path, "a") as file:
        small = h5py.File(io.BytesIO(), "w")
        huge = small.create_dataset("x", data=np.zeros(2**22, "f4"), chunks=(2**22,), compression="gzip")
        file["data"].id.write_direct_chunk((3, 0, 0), huge.id.read_direct_chunk((0,))[1][:4000])
    assert "damaged" in await refused(observation)


async def test_two_hundred_thousand_chunks_of_one_sample(source):
    observation = source(np.ones((16, 1, 12501), "f4"), options={"chunks": (1, 1, 1)})
    assert "200016 chunks" in await refused(observation)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", ">f4", "<f2", "<i2", ">i2", "u1", "i1", "<u4", "<i8"])
@pytest.mark.parametrize("options", [{}, {"chunks": (1, 1, 64), **BITSHUFFLE}], ids=["contiguous", "chunked"])
async def test_float64_int16_or_big_endian_data(source, power, dtype, options):
    data = power.astype(dtype)
    bits = 8 * data.dtype.itemsize
    header, warnings, block = await accepted(source(data, nbits=bits, options=options))
    assert (header.n_bits, header.signed, warnings) == (bits, data.dtype.kind == "i", ())
    assert np.array_equal(block, data[:, 0].astype("f4"))


@pytest.mark.parametrize("data", [np.ones((6, 1, 64), "c8"), np.ones((6, 1, 64), "S4"), np.ones((6, 1, 64), bool)])
async def test_data_that_are_not_numbers(source, data):
    assert "of an unsupported type" in await refused(source(data))


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 1, 64), **BITSHUFFLE}], ids=["contiguous", "chunked"])
async def test_nan_inf_and_zero_rows_in_the_data(source, power, options):
    power[1] = 0
    power[2, 0, :3] = np.nan, np.inf, -np.inf
    _, _, block = await accepted(source(power, options=options))
    assert np.array_equal(block, power[:, 0], equal_nan=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 1, 64), **BITSHUFFLE},
        {"chunks": (2, 2, 10)},
        {"chunks": (4, 2, 64), **BITSHUFFLE},
        {"chunks": (2, 2, 40), "compression": "gzip"},
        {"chunks": (3, 2, 40), "compression": "lzf", "shuffle": True},
        {"chunks": (3, 1, 40), "compression": "lzf"},
    ],
)
@pytest.mark.parametrize("nifs", [2, 3])
async def test_each_of_several_ifs(source, options, nifs):
    """Check IFs that lie in one chunk, in chunks of their own, and in a chunk that is not full."""
    data = np.random.default_rng(1).gamma(51.0, size=(6, nifs, 64)).astype("f4")
    observation = source(data, nifs=nifs, options=options)
    header, warnings, block = await accepted(observation)
    assert (header.n_ifs, warnings) == (nifs, ())
    assert np.array_equal(block, data[:, 0])
    for if_index in range(nifs):
        assert np.array_equal(await read_block(observation, header, 5, 61, if_index), data[:, if_index, 5:61])


async def test_t_of_1(source, power):
    assert "needs at least 2" in await refused(source(power[:1]))


@pytest.mark.parametrize(
    "changes",
    [
        {
            "source_name": np.bytes_("Größe".encode()),
            "fch1": np.array([8000.5]),
            "tsamp": "18.25",
            "telescope_id": b"6",
        },
        {"source_name": np.array(["Größe"], dtype=object), "fch1": np.float32(8000.5), "tsamp": [[18.25]]},
        {"source_name": np.array([b"Gr\xf6\xdfe"]), "fch1": b"8000.5", "tsamp": np.array([18.25], ">f8")},
    ],
)
async def test_attributes_as_bytes_text_or_arrays_of_one(source, power, changes):
    header, warnings, _ = await accepted(source(power, **changes))
    assert (header.source_name, header.fch1_mhz, header.tsamp_s) == ("Größe", 8000.5, 18.25)
    assert (header.telescope_id, warnings) == (6, ())


@pytest.mark.parametrize(
    ("ra", "dec", "hours", "degrees"),
    [
        ("17h10m03.984s", "12d10m58.8s", 17.16777333, 12.183),
        ("00:00:30", b"-00:30:00", 30 / 3600, -0.5),
        ("17.5", "-0.25", 17.5, -0.25),
    ],
)
async def test_angles_in_text(source, power, ra, dec, hours, degrees):
    header, warnings, _ = await accepted(source(power, src_raj=ra, src_dej=dec))
    assert header.ra_hours == pytest.approx(hours)
    assert header.dec_deg == pytest.approx(degrees)
    assert warnings == ()


@pytest.mark.parametrize("value", ["somewhere", "", 400.0, np.nan, np.array([1.0, 2.0]), np.ones(1, "c8")])
async def test_invalid_angles_are_left_out(source, power, value):
    header, warnings, _ = await accepted(source(power, src_raj=value, src_dej=value))
    assert (header.ra_hours, header.dec_deg, len(warnings)) == (None, None, 2)


@pytest.mark.parametrize("name", ["fch1", "foff", "tsamp"])
async def test_required_attribute_missing(source, power, name):
    assert f"its header has no {name}" in await refused(source(power, **{name: None}))


@pytest.mark.parametrize("value", [np.nan, "no number", np.array([1.0, 2.0]), 0.0])
async def test_foff_0_or_not_a_number(source, power, value):
    assert "foff in its header is" in await refused(source(power, foff=value))


async def test_a_name_that_ends_in_fil_with_hdf5_inside(source, power):
    _, warnings, block = await accepted(source(power, name="observation.fil"))
    assert warnings == ("The file is named .fil but holds HDF5; it was read as HDF5.",)
    assert np.array_equal(block, power[:, 0])


async def test_a_shape_that_the_file_can_not_hold(source):
    observation = source(None)
    with h5py.File(observation.path, "a") as file:
        dataset = file.create_dataset("data", (2**40, 1, 2**20), "f4", chunks=(1, 1, 2**20))
        dataset.attrs.update(ATTRIBUTES)
    assert "far more than" in await refused(observation)


async def test_chunks_that_were_never_written(source, power):
    observation = source(None)
    with h5py.File(observation.path, "a") as file:
        dataset = file.create_dataset("data", power.shape, "f4", chunks=(1, 1, 64))
        dataset.attrs.update(ATTRIBUTES)
    assert "never written" in await refused(observation)
    with h5py.File(observation.path, "a") as file:
        file["data"][:4] = power[:4]
    _, warnings, block = await accepted(observation)
    assert warnings == ("2 of the file's 6 data chunks were never written; their samples count as 0.",)
    assert np.array_equal(block[:4], power[:4, 0])
    assert not block[4:].any()


async def test_samples_in_another_file_are_not_followed(source, power, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(power.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("data", data=power).attrs.update(ATTRIBUTES)
    layout = h5py.VirtualLayout(power.shape, "f4")
    layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", power.shape)
    for number in range(3):
        observation = source(None, name=f"{number}.h5")
        with h5py.File(observation.path, "a") as file:
            if number == 0:
                file["data"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data")
            elif number == 1:
                file.create_virtual_dataset("data", layout).attrs.update(ATTRIBUTES)
            else:
                external = [(str(secret), 0, power.nbytes)]
                file.create_dataset("data", power.shape, "f4", external=external).attrs.update(ATTRIBUTES)
        assert "in the file itself" in await refused(observation)
