"""The number of false hits expected in a search."""

import numpy as np
import pytest

from science.measure.false_alarms import most_false_hits, seen_steps
from science.simulator import make_header
from services.dedoppler.false_alarms import (
    MOST_AVERAGED,
    SHARES,
    averaged_samples,
    drifts_found,
    expected_at,
)
from services.dedoppler.search.width_trials import plan_width_trials
from shared.hits import ChunkNoise

NOISE = ChunkNoise(level=51.0, sigma=51.0**0.5)
SNRS = np.array([5.0, 6.0, 7.0, 8.0, 10.0])


@pytest.mark.parametrize(("n_spectra", "max_drift"), [(2, 4.0), (4, 4.0), (16, 0.0), (16, 0.3), (16, 50.0), (60, 4.0)])
def test_drifts_at_which_a_box_is_found(n_spectra, max_drift):
    """Check against a table of every width and drift, filled trial by trial."""
    max_steps = make_header(2**14, n_spectra).max_drift_steps(max_drift)
    every = seen_steps(n_spectra, max_steps).sum(axis=1)[1:]
    np.testing.assert_array_equal(drifts_found(plan_width_trials(n_spectra, max_steps)), every)


@pytest.mark.parametrize("max_drift", [0.3, 4.0, 50.0])
def test_number_is_a_share_of_the_estimate_from_above(max_drift):
    header = make_header(2**20)
    most = np.array([most_false_hits(snr, 2**20, 16, header.max_drift_steps(max_drift)) for snr in SNRS])
    ratio = expected_at(SNRS, header, max_drift, NOISE) / most
    assert np.all((min(SHARES) < ratio) & (ratio < max(SHARES) * 1.001))


def test_number_grows_with_the_file_the_drifts_and_falls_with_the_snr():
    header = make_header(2**18)
    expected = expected_at(SNRS, header, 4.0, NOISE)
    assert np.all(np.diff(expected) < 0)
    np.testing.assert_allclose(expected_at(SNRS, make_header(2**20), 4.0, NOISE), 4 * expected, rtol=1e-12)
    assert np.all(expected_at(SNRS, header, 50.0, NOISE) > expected)


def test_power_of_fewer_averages_makes_more_false_hits():
    header = make_header(2**18)
    few = expected_at(SNRS, header, 4.0, ChunkNoise(level=2.0, sigma=2.0**0.5))
    assert np.all(few > 3 * expected_at(SNRS, header, 4.0, NOISE))


@pytest.mark.parametrize(
    ("level", "sigma", "averaged"),
    [(51.0, 51.0**0.5, 51.0), (1.0, 1.0, 1.0), (1.0, 4.0, 1.0), (1e9, 1.0, MOST_AVERAGED)],
)
def test_averaged_samples(level, sigma, averaged):
    assert averaged_samples(ChunkNoise(level=level, sigma=sigma)) == pytest.approx(averaged)


@pytest.mark.parametrize("noise", [ChunkNoise(), ChunkNoise(level=-0.1, sigma=1.0), ChunkNoise(level=0.0, sigma=1.0)])
def test_noise_whose_mean_was_subtracted_counts_as_normal(noise):
    assert averaged_samples(noise) == MOST_AVERAGED
