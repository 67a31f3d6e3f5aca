"""The raw power of a chunk: all spectra, or averages made while the file is read."""

from datetime import UTC, datetime

import h5py
import hdf5plugin
import numpy as np
import pytest

from science.simulator import make_header, write_fil, write_h5
from services.dedoppler import averaging
from services.dedoppler.averaging import averages
from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.noise.scratch import Scratch
from shared.averaging import spectra_per_average
from shared.events import Chunk, ChunkReady, SearchParameters, Upload
from shared.filterbank import LocalSource, read_header

CHANNELS = slice(3, 61)


def ready(header):
    chunk = Chunk(index=0, count=1, start_channel=10, stop_channel=50, read_start_channel=3, read_stop_channel=61)
    upload = Upload(file_key="k", file_name="f", file_size=1, source_name="s", submitted_at=datetime.now(UTC))
    return ChunkReady.make(
        job_id="job", producer="test", upload=upload, parameters=SearchParameters(), header=header, chunk=chunk
    )


def observation(n_spectra, n_bits):
    header = make_header(64, n_spectra, n_bits=n_bits)
    power = np.random.default_rng(2).normal(120.0, 20.0, (n_spectra, 64)).clip(1, 255).round().astype(np.float32)
    return header, power


async def test_few_spectra_are_read_as_they_are(tmp_path, pool):
    header, power = observation(60, 8)
    write_fil(tmp_path / "few.fil", header, power)
    source = LocalSource(tmp_path / "few.fil")
    header, _ = await read_header(source)
    np.testing.assert_array_equal(await chunk_power(source, ready(header), pool, Scratch()), power[:, CHANNELS])


@pytest.mark.parametrize("n_bits", [8, 32])
@pytest.mark.parametrize("kind", ["fil", "h5"])
async def test_many_spectra_are_averaged_as_in_memory(tmp_path, pool, monkeypatch, kind, n_bits):
    monkeypatch.setattr(averaging, "PIECE_SAMPLES", 64 * 100)
    header, power = observation(3001, n_bits)
    path = tmp_path / f"many.{kind}"
    (write_fil if kind == "fil" else write_h5)(path, header, power)
    source = LocalSource(path)
    header, _ = await read_header(source)
    spectra = spectra_per_average(header, 4.0)
    assert spectra > 1
    found = await chunk_power(source, ready(header), pool, Scratch())
    expected = averages(power[:, CHANNELS].copy(), header, spectra, pool)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rows", [3, 7, 100, 170, 3001])
async def test_storage_chunks_of_any_length(tmp_path, pool, monkeypatch, rows):
    """Pieces are whole storage chunks; the averages are the same."""
    monkeypatch.setattr(averaging, "PIECE_SAMPLES", 64 * 100)
    header, power = observation(3001, 32)
    path = tmp_path / "many.h5"
    write_h5(path, header, power)
    with h5py.File(path, "r+") as file:
        attributes = dict(file["data"].attrs)
        del file["data"]
        stored = file.create_dataset("data", data=power[:, None], chunks=(rows, 1, 40), **hdf5plugin.Bitshuffle())
        stored.attrs.update(attributes)
    source = LocalSource(path)
    header, _ = await read_header(source)
    found = await chunk_power(source, ready(header), pool, Scratch())
    expected = averages(power[:, CHANNELS].copy(), header, spectra_per_average(header, 4.0), pool)
    np.testing.assert_array_equal(found, expected)
