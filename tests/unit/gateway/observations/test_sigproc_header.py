"""A selection written as a SIGPROC file is one, for our reader and for blimpy."""

import math

import blimpy
import numpy as np
import pytest

from services.gateway.observations.selection import Selection
from services.gateway.observations.sigproc_header import packed, sigproc_header
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.header.angles import from_packed
from tests.unit.gateway.observations.example_observations import KINDS, header_of, observation, packed_bits

FOFF = 2.7939677238464355e-06
PLACE = {"src_raj": 171003.984, "src_dej": -1210.58}


def written(folder, header, power, start, stop):
    """Write channels [start, stop) of an observation; return the file and the selection."""
    selection = Selection.around(header, start, stop)
    path = folder / "selection.fil"
    part = power[:, :, selection.start : selection.stop]
    path.write_bytes(sigproc_header(selection) + packed_bits(part, header.n_bits))
    return path, selection


@pytest.mark.parametrize("foff", [FOFF, -FOFF])
@pytest.mark.parametrize(("bits", "signed", "ifs"), KINDS)
async def test_our_reader_finds_the_channels_at_their_frequencies(tmp_path, bits, signed, ifs, foff):
    power, raw = observation(bits, signed, ifs, foff=foff, **PLACE)
    whole = await header_of(raw)
    path, selection = written(tmp_path, whole, power, 13, 50)
    header, warnings = await read_header(LocalSource(path))
    assert warnings == ()
    changed = {"n_channels": selection.n_channels, "fch1_mhz": header.fch1_mhz, "data_offset_bytes": 0}
    assert header.model_copy(update={"data_offset_bytes": 0}) == whole.model_copy(update=changed)
    assert header.frequency_hz(5) == pytest.approx(whole.frequency_hz(selection.start + 5), abs=1e-4)
    for if_index in range(ifs):
        block = await read_block(LocalSource(path), header, 0, header.n_channels, if_index)
        np.testing.assert_array_equal(block, power[:, if_index, selection.start : selection.stop].astype(np.float32))


@pytest.mark.parametrize("foff", [FOFF, -FOFF])
@pytest.mark.parametrize("ifs", [1, 2])
@pytest.mark.parametrize("bits", [8, 16, 32])
async def test_blimpy_opens_it(tmp_path, bits, ifs, foff):
    power, raw = observation(bits, ifs=ifs, foff=foff, **PLACE)
    whole = await header_of(raw)
    path, _ = written(tmp_path, whole, power, 13, 50)
    opened = blimpy.Waterfall(str(path))
    assert opened.header["nchans"] == 37
    assert opened.header["tstart"] == whole.tstart_mjd
    assert opened.header["source_name"] == whole.source_name
    assert opened.header["src_raj"].to_value("hourangle") == pytest.approx(whole.ra_hours, abs=1e-9)
    assert opened.header["src_dej"].to_value("deg") == pytest.approx(whole.dec_deg, abs=1e-8)
    frequencies = opened.get_freqs()
    assert frequencies[0] * 1e6 == pytest.approx(whole.frequency_hz(13), abs=1e-4)
    assert frequencies[-1] * 1e6 == pytest.approx(whole.frequency_hz(49), abs=1e-4)
    np.testing.assert_array_equal(opened.data, power[:, :, 13:50])


async def test_what_is_not_known_is_left_out(tmp_path):
    power, raw = observation(telescope_id=None, source_name=None)
    whole = await header_of(raw)
    # Not every reader of files takes numbers as large.
    path, _ = written(tmp_path, whole.model_copy(update={"telescope_id": 2**40, "source_name": "né"}), power, 0, 64)
    header, _ = await read_header(LocalSource(path))
    assert (header.telescope_id, header.source_name, header.ra_hours, header.dec_deg) == (0, "n?", None, None)


@pytest.mark.parametrize(
    "angle", [0.0, 17.167773333, 23.999999999999, 59 / 60, -0.5, -12.183, 89 + 59.999999 / 60, 24.0]
)
def test_packed_angles_are_read_back(angle):
    # A millionth of a second.
    assert math.isclose(from_packed(packed(angle)), angle, abs_tol=3e-10)
