"""Noise alone: how often the search sees what is not there, beside the prediction of `false_alarms`."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from shared.events import SearchParameters
from tests.science.false_alarms import counted, exceedance, expected_false_hits, last_of_its_clump, threshold_for
from tests.unit.dedoppler.scenes import Scene, make_header, search, simulate

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N_CHANNELS = 2**20
# None of them is among those that the prediction was fitted to.
SEEDS = range(2000, 2003)
DEFAULT_THRESHOLD = SearchParameters().snr_threshold


def test_counts_at_six_agree_with_the_prediction(pool):
    """Three observations of 16 x 2^20: within three of its Poisson errors; the long form has ten."""
    counts = [int(np.sum(snrs > 6.0)) for snrs in counted(make_header(N_CHANNELS), SEEDS, 6.0, pool)]
    expected = len(SEEDS) * expected_false_hits(6.0, N_CHANNELS)
    assert expected == pytest.approx(15, abs=1)
    assert abs(sum(counts) - expected) <= 3 * math.sqrt(expected)


def test_none_at_the_default_threshold(pool):
    assert expected_false_hits(DEFAULT_THRESHOLD, 10 * N_CHANNELS) < 1e-9
    assert [len(snrs) for snrs in counted(make_header(N_CHANNELS), SEEDS, DEFAULT_THRESHOLD, pool)] == [0, 0, 0]


@pytest.mark.parametrize("n_spectra", [2, 4, 15, 16, 17, 32, 60])
def test_the_default_threshold_is_above_what_noise_alone_asks_for(n_spectra):
    """Fewer than 0.01 false hits per 2^20 channels; the rest is room for noise that is not as well behaved."""
    assert threshold_for(0.01, N_CHANNELS, n_spectra=n_spectra) < 7.5 < DEFAULT_THRESHOLD


def test_none_over_a_wide_drift_range(pool):
    header = make_header(2**18)
    assert len(search(simulate(Scene(header, seed=100)), header, pool, max_drift=50.0, snr_threshold=8.0).hits) == 0


@pytest.mark.parametrize("n_spectra", [2, 3, 60])
def test_none_with_other_numbers_of_spectra(pool, n_spectra):
    """Two spectra of 51 averages have the heaviest tail."""
    header = make_header(2**17, n_spectra)
    assert len(search(simulate(Scene(header, seed=n_spectra)), header, pool).hits) == 0


def test_the_tail_of_a_box():
    """As counted in 2 million sums of 4 gamma variables, and close to a Gaussian's for very many averaged spectra."""
    sums = np.random.default_rng(1).gamma(51.0, 1.0, (2_000_000, 4)).sum(axis=1)
    statistic = (sums - 4 * 51) / math.sqrt(4 * 51)
    for snr in (1.0, 3.0, 4.0):
        expected = 2e6 * exceedance(snr, 1, 4, 51.0)
        assert abs(np.sum(statistic > snr) - expected) <= 4 * math.sqrt(expected)
    assert exceedance(4.0, 1, 16, 1e7) == pytest.approx(ndtr(-4.0), rel=0.02)


def test_clumps_of_independent_boxes_and_of_nearly_equal_ones():
    """A row of independent boxes has no clumps; one of nearly equal ones goes as x^2 / 2, less by exp(-0.583 x)."""
    assert last_of_its_clump(8.0) == pytest.approx(1.0, abs=0.01)
    for x in (0.05, 0.2):
        assert last_of_its_clump(x) == pytest.approx(x**2 / 2 * math.exp(-0.583 * x), rel=0.01)
