"""Where a track is in a scan, in channels."""

import numpy as np
import pytest

from science.simulator import make_header
from services.dedoppler.tracks.prediction import ScanGrid, predict
from shared.tracks import SECONDS_PER_DAY
from tests.unit.dedoppler.tracks.simulated import EPOCH_MJD, track_through


@pytest.mark.parametrize("foff_sign", [-1, 1])
@pytest.mark.parametrize("per_average", [1, 3])
def test_a_path_is_the_tracks_frequency_at_each_spectrum(foff_sign, per_average):
    header = make_header(4096, 30, foff_mhz=foff_sign * 2.7e-6)
    (track,) = track_through(header, [(2000.3, -37.0)], bend=2.5)
    grid = ScanGrid.of(header, per_average, EPOCH_MJD)
    prediction = predict(track, grid)
    start = (header.tstart_mjd - EPOCH_MJD) * SECONDS_PER_DAY
    for t in range(grid.header.n_spectra):
        s = start + (t + 0.5) * grid.header.tsamp_s
        expected = track["frequency_hz"] + track["drift_rate_hz_s"] * s + track["drift_change_hz_s2"] * s**2 / 2
        u = t / (grid.header.n_spectra - 1) - 0.5
        assert grid.header.frequency_hz(prediction.channel(u)) == pytest.approx(expected, abs=1e-3)
    assert header.frequency_hz(prediction.channel(grid.first_u)) == pytest.approx(header.frequency_hz(2000.3), abs=1e-3)


def test_errors_are_those_of_the_frequency_along_the_scan():
    header = make_header(4096)
    (track,) = track_through(header, [(2000.3, -37.0)], channel_error=0.7, steps_error=3.0)
    prediction = predict(track, ScanGrid.of(header, 1, EPOCH_MJD))
    assert prediction.error(0.0) == pytest.approx(0.7, rel=1e-3)
    for u in (-0.5, 0.5):
        assert prediction.error(u) == pytest.approx(np.hypot(0.7, 1.5), rel=1e-3)
    low, high = prediction.extent(1000)
    assert (low, high) == (pytest.approx(1963.3 - 4.97, abs=0.1), pytest.approx(2000.3 + 4.97, abs=0.1))
    assert prediction.extent(2.0) == (pytest.approx(1961.3, abs=0.01), pytest.approx(2002.3, abs=0.01))
    assert prediction.reaches_beyond(2.0)
    assert not prediction.reaches_beyond(2.2)
    assert prediction.smear(16) == pytest.approx(37 / 15)


def test_a_path_that_hardly_bends_is_the_line_of_the_same_mean():
    header = make_header(4096, 200)
    grid = ScanGrid.of(header, 1, EPOCH_MJD)
    u = np.arange(200) / 199 - 0.5
    for bend, least in [(0.45, 0.0), (-0.45, 0.0), (0.6, 0.6)]:
        (track,) = track_through(header, [(2000.0, 30.0)], bend=bend)
        prediction = predict(track, grid)
        assert prediction.path.bend == pytest.approx(least, abs=1e-3)
        expected = 2015 - bend + 30 * u + 4 * bend * u**2
        assert np.mean([prediction.channel(one) for one in u]) == pytest.approx(expected.mean(), abs=0.01)
