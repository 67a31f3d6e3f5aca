"""The tail of the noise and the clumps of chance boxes, against SciPy and the plain formulas."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc, ndtr

from science.measure import false_alarms as reference
from services.dedoppler.kernels.false_alarms import gamma_tail, hits_per_channel, last_of_its_clump

SNRS = (1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0)


@pytest.mark.parametrize("snr", SNRS)
@pytest.mark.parametrize("shape", [1.0, 2.0, 4.0, 16.0, 102.0, 816.0, 1e5])
def test_the_tail_is_that_of_scipy(shape, snr):
    """Check within 4 % for single exponential samples, and 0.2 % from a shape of 16 on."""
    expected = gammaincc(shape, shape + snr * math.sqrt(shape))
    assert gamma_tail(shape, snr) == pytest.approx(expected, rel=0.002 if shape >= 16 else 0.04, abs=1e-290)


def test_the_tail_of_many_samples_is_normal():
    for snr in SNRS:
        assert gamma_tail(1e12, snr) == pytest.approx(ndtr(-snr), rel=2e-4)


def test_a_tail_below_the_smallest_float_is_zero():
    assert gamma_tail(816.0, 1e4) == 0.0


def test_clumps_are_those_of_the_plain_formula():
    for level in (0.05, 0.5, 2.0, 6.0, 12.0):
        assert last_of_its_clump(level) == pytest.approx(reference.last_of_its_clump(level), rel=1e-9)


def test_hits_are_summed_over_widths():
    """Check against the sum of SciPy's tails for two widths."""
    drifts, snr, samples = np.array([5.0, 3.0]), np.array([4.0, 7.5]), 51.0 * 16
    expected = sum(
        number * reference.last_of_its_clump(snr / math.sqrt(width)) ** 3 * reference.exceedance(snr, width, 16, 51.0)
        for width, number in ((1, 5.0), (2, 3.0))
    )
    np.testing.assert_allclose(hits_per_channel(snr, drifts, samples), expected, rtol=0.002)
