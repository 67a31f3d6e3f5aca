"""Noise alone: the number of false hits compared with the predictions."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from science.measure.false_alarms import counted, exceedance, last_of_its_clump, most_false_hits, threshold_for
from science.measure.importance import Grid, Place, boxes_above, noise_with_a_box, sampled_false_hits
from science.measure.search import search
from science.simulator import Scene, make_header, simulate
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.classify.selection import candidates
from services.dedoppler.false_alarms import expected_at
from services.dedoppler.kernels.refine import box_statistic
from shared.events import SearchParameters

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N_CHANNELS = 2**20
DEFAULT_THRESHOLD = SearchParameters().snr_threshold


@pytest.mark.parametrize(("snr", "n_spectra", "observations"), [(6.0, 16, 10), (5.5, 16, 4), (5.5, 2, 12)])
def test_counts_agree_with_the_prediction(pool, snr, n_spectra, observations):
    """Check within three errors: Poisson's and that of the sampling. 36, 170 and 205 are predicted."""
    header = make_header(N_CHANNELS, n_spectra)
    seeds = range(2000, 2000 + observations)
    count = sum(int(np.sum(snrs > snr)) for snrs in counted(header, seeds, snr, pool))
    mean, error = sampled_false_hits(snr, observations * N_CHANNELS, 800, seed=1, pool=pool, grid=Grid(n_spectra))
    assert error < 0.2 * mean
    assert abs(count - mean) <= 3 * math.hypot(math.sqrt(mean), error)
    # The closed form is the larger one, but not by much more than a factor of two.
    most = most_false_hits(snr, observations * N_CHANNELS, n_spectra, header.max_drift_steps(4.0))
    assert mean - 2 * error < most < 2.5 * (mean + 2 * error)


@pytest.mark.parametrize(("snr", "n_channels", "max_drift"), [(5.0, 2**18, 50.0), (5.5, 2**20, 4.0), (5.5, 2**20, 0.3)])
def test_hits_of_noise_say_so_and_are_no_candidates(pool, snr, n_channels, max_drift):
    """Check that hits state as many false hits as there are, within three errors (Poisson's and 30 %)."""
    header = make_header(n_channels)
    found = search(simulate(Scene(header, seed=7)), header, pool, max_drift=max_drift, snr_threshold=snr)
    at_threshold = float(expected_at(np.array([snr]), header, max_drift, found.noise)[0])
    assert at_threshold > 8
    assert abs(len(found.hits) - at_threshold) < 3 * math.hypot(math.sqrt(at_threshold), 0.3 * at_threshold)
    order = np.argsort(-found.hits["snr"])
    # The strongest are as rare as they say: of n hits, k are stated to be expected at the SNR of the k-th.
    stated, rank = found.hits["false_alarms"][order], np.arange(1, len(order) + 1)
    assert np.all(np.abs(stated - rank) < 3 * np.hypot(np.sqrt(rank) + 1, 0.3 * stated))
    parameters = SearchParameters(snr_threshold=snr, max_drift_rate_hz_s=max_drift)
    hits = classify_observation(header, parameters, [found], load_model())
    assert len(hits) == len(found.hits)
    assert candidates(hits) == []


def test_none_at_the_default_threshold(pool):
    assert most_false_hits(DEFAULT_THRESHOLD, 10 * N_CHANNELS) < 1e-9
    found = counted(make_header(N_CHANNELS), range(2000, 2003), DEFAULT_THRESHOLD, pool)
    assert [len(snrs) for snrs in found] == [0, 0, 0]


def test_noise_that_holds_a_box():
    """Check that the statistic exceeds the level by a Gaussian tail, and that samples around it are plain noise."""
    rng, header, box = np.random.default_rng(2), make_header(2048, 8), (1000, 40, 5)
    statistics, outside = [], []
    for _ in range(400):
        x = (noise_with_a_box(rng, header, 4.0, box, 1e4) - 1e4) / 100
        statistics.append(box_statistic(x, *box))
        outside.append(x[:, :900])
    assert min(statistics) > 4.0 - 1e-3
    expected = math.exp(-8) / math.sqrt(2 * math.pi) / ndtr(-4.0)
    assert np.mean(statistics) == pytest.approx(expected, abs=4 * 0.22 / math.sqrt(400))
    assert np.mean(outside) == pytest.approx(0.0, abs=0.003)
    assert np.var(outside) == pytest.approx(1.0, abs=0.005)


def test_boxes_above_a_level():
    """Check that the count equals the number found by summing each box."""
    x = np.random.default_rng(3).normal(size=(6, 80))
    place = Place.around(36, 0, 1, max_steps=4)
    assert place == Place((13, 59), (-4, 4), (1, 12))
    plain = [
        box_statistic(x, start, steps, width)
        for start in range(13, 60)
        for steps in range(-4, 5)
        for width in range(1, 13)
    ]
    above = boxes_above(x, 1.5, place.starts, place.steps, place.widths)
    assert above == np.sum(np.array(plain) >= 1.5) > 50


@pytest.mark.parametrize("n_spectra", [2, 4, 15, 16, 17, 32, 60])
def test_the_default_threshold_is_above_the_one_that_noise_requires(n_spectra):
    """Check that fewer than 0.01 false hits occur per 2^20 channels. The rest is a reserve for less regular noise."""
    assert threshold_for(0.01, N_CHANNELS, n_spectra=n_spectra) < 7.5 < DEFAULT_THRESHOLD


def test_none_over_a_wide_drift_range(pool):
    header = make_header(2**18)
    assert len(search(simulate(Scene(header, seed=100)), header, pool, max_drift=50.0, snr_threshold=8.0).hits) == 0


@pytest.mark.parametrize("n_spectra", [2, 3, 60])
def test_none_with_other_numbers_of_spectra(pool, n_spectra):
    """Include two spectra of 51 averages, which have the heaviest tail."""
    header = make_header(2**17, n_spectra)
    assert len(search(simulate(Scene(header, seed=n_spectra)), header, pool).hits) == 0


def test_the_tail_of_a_box():
    """Compare with 2 million sums of 4 gamma variables, and with a Gaussian for very many averaged spectra."""
    sums = np.random.default_rng(1).gamma(51.0, 1.0, (2_000_000, 4)).sum(axis=1)
    statistic = (sums - 4 * 51) / math.sqrt(4 * 51)
    for snr in (1.0, 3.0, 4.0):
        expected = 2e6 * exceedance(snr, 1, 4, 51.0)
        assert abs(np.sum(statistic > snr) - expected) <= 4 * math.sqrt(expected)
    assert exceedance(4.0, 1, 16, 1e7) == pytest.approx(ndtr(-4.0), rel=0.02)


def test_clumps_of_independent_boxes_and_of_nearly_equal_ones():
    """Check that independent boxes form no clumps, and that nearly equal ones go as x^2 / 2 times exp(-0.583 x)."""
    assert last_of_its_clump(8.0) == pytest.approx(1.0, abs=0.01)
    for x in (0.05, 0.2):
        assert last_of_its_clump(x) == pytest.approx(x**2 / 2 * math.exp(-0.583 * x), rel=0.01)
