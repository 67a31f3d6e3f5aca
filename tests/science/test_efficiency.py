"""The share of a tone's best statistic that the search finds, before and after refinement."""

import pytest

from science.measure.efficiency import efficiencies
from services.dedoppler.search.coarse_search import COARSE_EFFICIENCY

# Allows for the difference between float32 and float64 sums.
ROUNDING = 1e-5


def test_efficiency_of_sixteen_spectra():
    """Check 400 tones evenly over 0 to 4 Hz/s: mean at least 0.95, least at least 0.88, before and after refinement."""
    _, before, after = efficiencies(16, 400, seed=1).T
    assert before.mean() >= 0.95
    assert before.min() >= 0.88
    # No power is counted twice: the best share is 1, to rounding.
    assert after.max() <= 1 + ROUNDING
    assert (after >= before - ROUNDING).all()
    # Without noise, refinement ends at the best box or at an equal one.
    assert after.min() >= 0.999


def test_efficiency_of_slow_drifts():
    """Check 100 tones up to 0.3 Hz/s, two channels per spectrum, where most trials overlap."""
    _, before, after = efficiencies(16, 100, seed=4, max_drift=0.3).T
    assert before.mean() >= 0.95
    assert before.min() >= 0.88
    assert after.min() >= 0.999


@pytest.mark.parametrize("n_spectra", [2, 3, 4, 8, 15, 17, 60])
def test_efficiency_whatever_the_number_of_spectra(n_spectra):
    """Check that no tone falls below the margin for seeds, so none at the threshold is lost before refinement."""
    _, before, after = efficiencies(n_spectra, 60, seed=2).T
    assert before.mean() >= 0.92
    assert before.min() >= COARSE_EFFICIENCY + 0.04
    assert after.min() >= 0.999


def test_efficiency_up_to_fifty():
    _, before, after = efficiencies(16, 60, seed=3, max_drift=50.0).T
    assert before.mean() >= 0.93
    assert before.min() >= 0.86
    assert after.min() >= 0.999
