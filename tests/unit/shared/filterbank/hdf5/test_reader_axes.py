"""HDF5 data whose axes are in another order than (time, IF, channel)."""

import h5py
import numpy as np
import pytest

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header, read_pieces
from tests.unit.shared.filterbank.files import FIELDS, h5


@pytest.fixture
def power():
    """Return float32 samples of shape (6, 1, 64)."""
    return np.random.default_rng(3).gamma(51.0, size=(6, 1, 64)).astype("<f4")


@pytest.fixture
def source(tmp_path):
    """Return a function that makes a source from samples, attributes (None leaves one out) and h5py's options."""

    def make(data, **changes):
        path = tmp_path / "observation.h5"
        path.write_bytes(h5(data, **changes))
        return LocalSource(path)

    return make


async def accepted(source):
    """Return header, warnings and all channels of a file that must be read."""
    header, warnings = await read_header(source)
    return header, warnings, await read_block(source, header, 0, header.n_channels)


async def refused(source):
    """Return the message with which a file is refused."""
    with pytest.raises(BadObservationError) as caught:
        await accepted(source)
    return caught.value.message


@pytest.mark.parametrize(
    ("order", "nifs", "told"),
    [
        ((2, 0, 1), 1, "(channel, time, IF)"),
        ((2, 0, 1), None, "(channel, time, IF)"),
        ((2, 1, 0), 1, "(channel, IF, time)"),
        ((1, 2, 0), 1, "(IF, channel, time)"),
        ((0, 2, 1), 1, "(time, channel, IF)"),
        ((1, 0, 2), 1, "(IF, time, channel)"),
    ],
)
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "<f8"])
async def test_transposed_data_are_read_by_nchans_with_a_warning(source, power, order, nifs, told, dtype):
    data = np.ascontiguousarray(power.astype(dtype).transpose(order))
    bits = 8 * data.dtype.itemsize
    observation = source(data, nifs=nifs, nbits=bits)
    header, warnings, block = await accepted(observation)
    (warning,) = warnings
    assert f"the shape {data.shape} instead of (time, IF, channel)" in warning
    assert f"read as {told}" in warning
    assert (header.n_spectra, header.n_ifs, header.n_channels) == (6, 1, 64)
    assert np.array_equal(block, power[:, 0].astype(dtype).astype("f4"))
    assert np.array_equal(await read_block(observation, header, 7, 50), block[:, 7:50])


async def test_transposed_data_of_two_ifs(source):
    data = np.random.default_rng(1).gamma(51.0, size=(2, 6, 64)).astype("f4")
    header, _, block = await accepted(source(data, nifs=2))
    assert (header.n_spectra, header.n_ifs, header.n_channels) == (6, 2, 64)
    assert np.array_equal(block, data[0])
    assert np.array_equal(await read_block(source(data, nifs=2), header, 5, 61, 1), data[1, :, 5:61])
    assert "lie between each other" in await refused(source(np.ascontiguousarray(data.transpose(1, 2, 0)), nifs=2))


async def test_transposed_data_of_two_dimensions(source, power):
    header, warnings, block = await accepted(source(np.ascontiguousarray(power[:, 0].T)))
    assert "read as (channel, time)" in warnings[0]
    assert (header.n_spectra, header.n_channels) == (6, 64)
    assert np.array_equal(block, power[:, 0])


async def test_transposed_data_larger_than_a_read(source, monkeypatch):
    monkeypatch.setattr("shared.filterbank.rows.READ_BYTES", 100)
    data = np.random.default_rng(1).gamma(51.0, size=(64, 6, 1)).astype("f4")
    _, _, block = await accepted(source(data))
    assert np.array_equal(block, data[:, :, 0].T)


async def test_small_transposed_data_among_the_metadata(tmp_path, power):
    path = tmp_path / "compact.h5"
    with h5py.File(path, "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((64, 6, 1))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, plan)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(power.transpose(2, 0, 1)))
        for key, value in FIELDS.items():
            file["data"].attrs[key] = value
    _, _, block = await accepted(LocalSource(path))
    assert np.array_equal(block, power[:, 0])


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((64, 6, 3), {"nifs": 1}),
        ((64, 6, 64), {"nifs": 1, "nchans": 6}),
        ((64, 6, 1), {"nchans": 100}),
        ((64, 64, 6), {}),
    ],
)
async def test_data_whose_header_fits_no_axis_or_several_are_refused(source, shape, changes):
    message = await refused(source(np.ones(shape, "f4"), **changes))
    assert f"data set 'data' has the shape {shape}" in message
    assert f"nchans {(FIELDS | changes)['nchans']}" in message


async def test_transposed_data_in_storage_chunks_are_refused(source, power):
    data = np.ascontiguousarray(power.transpose(2, 0, 1))
    message = await refused(source(data, options={"chunks": (8, 6, 1), "compression": "gzip"}))
    assert "has the shape (64, 6, 1), by nchans in its header (channel, time, IF)" in message


async def test_transposed_data_in_pieces(source):
    data = np.random.default_rng(1).gamma(51.0, size=(64, 6, 1)).astype("f4")
    observation = source(data)
    header, _ = await read_header(observation)
    pieces = [piece async for piece in read_pieces(observation, header, 3, 60, 4)]
    assert [len(piece) for piece in pieces] == [4, 2]
    assert np.array_equal(np.concatenate(pieces), data[3:60, :, 0].T)
