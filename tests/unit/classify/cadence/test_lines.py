"""Hits as lines: sorted, known best in their middle, with floors under their errors."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.cadence.lines import lines_of, strength_hz
from tests.unit.classify.cadence.example_scans import CHANNEL_HZ, N_SPECTRA, TSAMP_S, Emitter, scan

ONE = Emitter(8420.5e6, -1.0, 0.0, (20.0,))
OTHER = Emitter(8420.1e6, 2.0, 0.0, (9.0,))


def test_lines_are_in_order_of_frequency_and_know_their_hits():
    made = scan(0, "on", [ONE, OTHER])
    lines = lines_of([made], 10.0)
    assert lines.place.tolist() == [1, 0]
    assert lines.starts.tolist() == [0, 1]
    middle = TSAMP_S * N_SPECTRA / 2
    np.testing.assert_allclose(lines.kernel.middle_hz, [8420.1e6 + 2 * middle, 8420.5e6 - middle], rtol=0, atol=1e-5)
    assert lines.kernel.time_s[0] == pytest.approx(middle)


def test_errors_have_floors():
    made = scan(0, "on", [ONE])
    sure = replace(made.hits, frequency_error_hz=np.zeros(1), drift_rate_error_hz_s=np.zeros(1))
    lines = lines_of([replace(made, hits=sure)], 10.0).kernel
    assert lines.middle_variance[0] == pytest.approx((CHANNEL_HZ / 3) ** 2)
    assert lines.drift_variance[0] == pytest.approx(made.drift_step_hz_s**2 / 12)


def test_the_error_in_the_middle_does_not_hold_that_of_the_drift():
    made = scan(0, "on", [ONE])
    stated = np.array([10.0])
    drift = np.array([0.05])
    hits = replace(made.hits, frequency_error_hz=stated, drift_rate_error_hz_s=drift)
    half = made.drift_span_s / 2
    wanted = max(10.0**2 - (0.05 * half) ** 2, (CHANNEL_HZ / 3) ** 2)
    assert lines_of([replace(made, hits=hits)], 10.0).kernel.middle_variance[0] == pytest.approx(wanted)


def test_strength_does_not_depend_on_length_and_resolution():
    made = scan(0, "on", [ONE])
    longer = replace(made, duration_s=4 * made.duration_s)
    one = strength_hz(made, np.array([10.0]), np.array([CHANNEL_HZ]))
    # The same power reaches twice the SNR in four times the time.
    assert strength_hz(longer, np.array([20.0]), np.array([CHANNEL_HZ])) == pytest.approx(one)
