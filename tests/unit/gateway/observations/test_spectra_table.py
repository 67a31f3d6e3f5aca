"""The table of samples holds each of them, at its frequency and time."""

import io

import numpy as np
import pandas as pd
import pytest

from services.gateway.observations.selection import Selection
from services.gateway.observations.spectra_table import COLUMNS, spectra_table
from tests.unit.gateway.observations.example_observations import KINDS, header_of, observation, packed_bits


@pytest.mark.parametrize("foff", [2.7939677238464355e-06, -2.7939677238464355e-06])
@pytest.mark.parametrize(("bits", "signed", "ifs"), KINDS)
async def test_every_sample_stands_at_its_place(bits, signed, ifs, foff):
    power, raw = observation(bits, signed, ifs, foff=foff)
    header = await header_of(raw)
    selection = Selection.around(header, 13, 50)
    stored = packed_bits(power[:, :, selection.start : selection.stop], bits)
    text = spectra_table(selection, stored, range(13, 50))
    assert text.splitlines()[0] == COLUMNS
    table = pd.read_csv(io.StringIO(text))
    t, i, c = np.meshgrid(range(5), range(ifs), range(13, 50), indexing="ij")
    np.testing.assert_array_equal(table["power"].to_numpy().astype(power.dtype), power[:, :, 13:50].ravel())
    np.testing.assert_array_equal(table["spectrum"], t.ravel())
    np.testing.assert_array_equal(table["if"], i.ravel())
    np.testing.assert_array_equal(table["time_s"], t.ravel() * header.tsamp_s)
    np.testing.assert_array_equal(table["frequency_hz"], [header.frequency_hz(channel) for channel in c.ravel()])


async def test_floats_that_are_no_numbers_stand_as_such():
    power, raw = observation(spectra=2, channels=4)
    power[0, 0] = [np.nan, np.inf, -np.inf, 1e-38]
    selection = Selection.around(await header_of(raw), 0, 4)
    rows = spectra_table(selection, power.tobytes(), range(4)).splitlines()
    assert [row.rpartition(",")[2] for row in rows[1:4]] == ["nan", "inf", "-inf"]
    assert np.float32(rows[4].rpartition(",")[2]) == power[0, 0, 3]
