"""Chances of noise and of signals are those of scipy's distributions and of many draws."""

import numpy as np
import pytest
from scipy.stats import norm

from services.classify.cadence.presence import (
    LEAST_PART,
    MOST_PART,
    normal_below,
    presence_probability,
    shown_together,
    threshold,
    weighted_mean,
)


def test_the_normal_distribution_is_scipys():
    z = np.linspace(-8, 8, 401)
    np.testing.assert_allclose(normal_below(z), norm.cdf(z), rtol=0, atol=8e-8)


@pytest.mark.parametrize("snr", [3.0, 3.5, 4.0, 6.0, 20.0])
def test_the_strongest_of_many_paths_needs_more(snr):
    trials = np.array([1.0, 3.0, 30.0, 1e3, 1e6])
    wanted = norm.isf(norm.sf(snr) / trials)
    np.testing.assert_allclose(threshold(snr, trials), wanted, rtol=0.01)


def test_one_path_or_an_unknown_number_needs_the_snr_itself():
    assert threshold(3.5, np.array([1.0, 0.0, np.nan])).tolist() == [3.5, 3.5, 3.5]


@pytest.mark.parametrize("trials", [1, 20])
@pytest.mark.parametrize("full", [15.0, 60.0])
def test_a_stated_probability_is_how_often_the_signal_is_there(trials, full):
    # Parts are drawn as the rule holds them possible, so of scans with a stated probability that share holds them.
    rng = np.random.default_rng(5)
    n = 20_000
    part = rng.uniform(0, MOST_PART, n)
    snr = part * full + rng.normal(size=n)
    if trials > 1:
        snr = np.maximum(snr, rng.normal(size=(n, trials - 1)).max(axis=1))
    stated = presence_probability(snr, np.full(n, full), np.full(n, float(trials)))
    there = part >= LEAST_PART
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95)):
        inside = (stated >= low) & (stated < high)
        if inside.sum() > 100:
            assert there[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.06)
    assert there.mean() == pytest.approx(stated.mean(), abs=0.01)


def test_a_probability_rises_with_the_snr_and_is_sure_at_the_ends():
    snr = np.array([-2.0, 0.0, 3.0, 6.0, 100.0])
    found = presence_probability(snr, np.full(5, 100.0), np.ones(5))
    assert np.all(np.diff(found) >= 0)
    assert found[0] < 1e-3
    assert found[-1] > 1 - 1e-9


def test_nothing_known_is_nan():
    found = presence_probability(np.array([np.nan, 3.0, 3.0]), np.array([10.0, np.nan, 0.0]), np.ones(3))
    assert np.all(np.isnan(found))


def test_a_mean_weighs_by_its_errors():
    values, errors = np.array([[1.0, 3.0, 9.0], [np.nan, 2.0, 5.0]]), np.array([[1.0, 1.0, 1.0], [1.0, 0.5, 1.0]])
    mean, error = weighted_mean(values, errors, np.array([[True, True, False], [True, False, False]]))
    assert mean[0] == 2.0
    assert error[0] == pytest.approx(1 / np.sqrt(2))
    assert np.isnan(mean[1])
    assert np.isnan(error[1])


def test_scans_together_are_as_rare_in_noise_as_stated():
    """The best of 1, 3 and 10 paths in three scans, 400,000 times: of SNR 2 together as often as of one."""
    rng = np.random.default_rng(5)
    trials = np.array([1, 3, 10])
    snr = np.stack([rng.normal(size=(400_000, n)).max(axis=1) for n in trials], axis=1)
    found = shown_together(snr, np.broadcast_to(trials, snr.shape).astype(float), np.ones(snr.shape, np.bool_), 2.0)
    assert found.mean() == pytest.approx(0.02275, abs=4 * np.sqrt(0.02275 / 400_000))


def test_one_scan_alone_and_no_scan_are_not_judged_together():
    snr, trials = np.array([[9.0, np.nan], [9.0, 9.0]]), np.ones((2, 2))
    assert not shown_together(snr, trials, np.array([[True, True], [False, False]]), 3.5).any()
