"""Rows of the table of hits beside the grid and the formulas they come from."""

import math

import numpy as np
import pytest

from science.simulator import make_header
from services.dedoppler.hit_values import box_values, own_hits, wide_values
from services.dedoppler.kernels.curves import Track
from services.dedoppler.noise.emissions import WideEmission
from services.dedoppler.search.boxes import Box
from services.dedoppler.uncertainties import errors_of
from shared.events import Chunk
from shared.hits import HIT_DTYPE

N_CHANNELS, N_SPECTRA = 4096, 16


def row(values):
    return np.array([values], HIT_DTYPE)[0]


def emission(**changes):
    values = {
        "column": 900,
        "width": 700,
        "steps": -37,
        "snr": 300.0,
        "column_error": 3.0,
        "steps_error": 0.75,
        "width_error": 2.5,
        "snr_error": 4.0,
        "first": 800,
        "offsets": np.zeros(N_SPECTRA, np.int64),
        "level": np.zeros(900, np.float32),
        "gain": np.ones(900, np.float32),
    }
    return WideEmission(**values | changes)


@pytest.mark.parametrize("foff_sign", [-1, 1])
def test_a_box_in_hertz_and_seconds(foff_sign):
    """Against the definitions: the box's middle in the first spectrum, and drift by the time from first to last."""
    header = make_header(N_CHANNELS, N_SPECTRA, foff_sign=foff_sign)
    hit = row(box_values(Box(2000, 45, 5, 30.0), 1234, header))
    width_hz, seconds = header.foff_hz, (N_SPECTRA - 1) * header.tsamp_s
    assert (hit["channel"], hit["steps"], hit["width"], hit["snr"]) == (1234, 45, 5, 30.0)
    assert hit["frequency_hz"] == pytest.approx(header.frequency_hz(0) + 1236 * width_hz, rel=1e-12)
    assert hit["drift_rate_hz_s"] == pytest.approx(45 * width_hz / seconds, rel=1e-12)
    assert hit["bandwidth_hz"] == pytest.approx((5 - 45 / 15) * abs(width_hz), rel=1e-12)
    errors = errors_of(30.0, 5, 2.0)
    assert hit["snr_error"] == errors.snr
    assert hit["frequency_error_hz"] == pytest.approx(errors.channel * abs(width_hz), rel=1e-12)
    assert hit["drift_rate_error_hz_s"] == pytest.approx(errors.steps * abs(width_hz) / seconds, rel=1e-12)
    assert hit["bandwidth_error_hz"] == pytest.approx(errors.width * abs(width_hz), rel=1e-12)
    assert np.isnan([hit["snr_turboseti"], hit["false_alarms"]]).all()


def test_a_straight_box_has_no_curvature_but_its_error():
    header = make_header(N_CHANNELS, N_SPECTRA)
    hit = row(box_values(Box(0, 0, 1, 30.0), 5, header))
    assert (hit["curvature_hz_s2"], hit["curved_snr"]) == (0.0, 30.0)
    assert math.copysign(1, hit["curvature_hz_s2"]) == 1
    assert 0 < hit["curvature_error_hz_s2"] < math.inf
    few = row(box_values(Box(0, 0, 1, 30.0), 5, make_header(N_CHANNELS, 7)))
    assert few["curvature_error_hz_s2"] == math.inf


@pytest.mark.parametrize("foff_sign", [-1, 1])
def test_a_curve_has_the_second_derivative_of_its_frequency(foff_sign):
    """The parabola's middle lies bend / 2 channels beyond its chord's."""
    header = make_header(N_CHANNELS, N_SPECTRA, foff_sign=foff_sign)
    box = Box(100, 30, 4, 50.0, Track(100, 32, 3, 12), 80.0)
    hit = row(box_values(box, 100, header))
    seconds = (N_SPECTRA - 1) * header.tsamp_s
    at = np.array([0, seconds / 2, seconds])
    frequency = header.foff_hz * (100 + np.array([0, 16 + 6, 32]))
    assert hit["curvature_hz_s2"] == pytest.approx(2 * np.polyfit(at, frequency, 2)[0], rel=1e-9)
    assert (hit["snr"], hit["curved_snr"], hit["steps"]) == (50.0, 80.0, 30)


def test_a_box_that_begins_below_the_file_keeps_its_middle_and_leaves_out_what_is_outside():
    header = make_header(N_CHANNELS, N_SPECTRA)
    hit = row(box_values(Box(0, 0, 9, 30.0), -3, header))
    assert (hit["channel"], hit["width"]) == (0, 6)
    assert hit["frequency_hz"] == pytest.approx(header.frequency_hz(1), rel=1e-12)
    assert hit["bandwidth_hz"] == pytest.approx(9 * abs(header.foff_hz), rel=1e-12)


def test_a_track_that_leaves_the_band_has_a_larger_error_of_drift():
    """It is inside for 4 of 16 spectra: 15 / 3 times the error."""
    header = make_header(N_CHANNELS, N_SPECTRA)
    inside = row(box_values(Box(0, 150, 11, 50.0), 2000, header))
    leaving = row(box_values(Box(0, 150, 11, 50.0), N_CHANNELS - 5 - 35, header))
    ratio = leaving["drift_rate_error_hz_s"] / inside["drift_rate_error_hz_s"]
    assert ratio == pytest.approx(15 / 3, rel=1e-12)


@pytest.mark.parametrize("foff_sign", [-1, 1])
def test_a_wide_emission_in_hertz_and_seconds(foff_sign):
    header = make_header(N_CHANNELS, N_SPECTRA, foff_sign=foff_sign)
    hit = row(wide_values(emission(), 1000, header))
    width_hz, seconds = header.foff_hz, (N_SPECTRA - 1) * header.tsamp_s
    assert (hit["channel"], hit["steps"], hit["width"], hit["snr"], hit["snr_error"]) == (1000, -37, 700, 300.0, 4.0)
    assert hit["frequency_hz"] == pytest.approx(header.frequency_hz(0) + 1349.5 * width_hz, rel=1e-12)
    assert hit["drift_rate_hz_s"] == pytest.approx(-37 * width_hz / seconds, rel=1e-12)
    assert hit["drift_rate_error_hz_s"] == pytest.approx(0.75 * abs(width_hz) / seconds, rel=1e-12)
    assert hit["bandwidth_hz"] == pytest.approx((700 - 37 / 15) * abs(width_hz), rel=1e-12)
    assert hit["frequency_error_hz"] == pytest.approx(3.0 * abs(width_hz), rel=1e-12)
    assert hit["bandwidth_error_hz"] == pytest.approx(2.5 * abs(width_hz), rel=1e-12)
    # A wide emission is not tried for curvature.
    assert (hit["curvature_hz_s2"], hit["curvature_error_hz_s2"], hit["curved_snr"]) == (0.0, math.inf, 300.0)


def test_only_hits_that_begin_in_the_chunks_own_channels_are_its_own():
    header = make_header(N_CHANNELS, N_SPECTRA)
    chunk = Chunk(
        index=1, count=3, start_channel=1000, stop_channel=2000, read_start_channel=600, read_stop_channel=2400
    )
    channels = [2000, 1999, 999, 1500, 1000]
    hits = own_hits([box_values(Box(0, 0, 1, 30.0), channel, header) for channel in channels], chunk)
    assert list(hits["channel"]) == [1999, 1500, 1000]
    empty = own_hits([], chunk)
    assert (len(empty), empty.dtype) == (0, HIT_DTYPE)
