"""Emissions wider than a box: where they rise, and how they drift."""

import numpy as np
import pytest

from services.dedoppler.noise.emissions import drift_steps, find_bumps, movement, profile_of

CELLS, HALF, ERROR = 600, 16, 0.0137


def profile(middle, width):
    """A box in cells; its edges fill part of a cell."""
    return np.clip(width / 2 - np.abs(np.arange(CELLS) - middle) + 0.5, 0.0, 1.0)


def rows(steps, seed=1, n_spectra=16):
    """A box of 200 cells, 3 sigma high, in noise of cells of 16 channels."""
    u = np.arange(n_spectra) / (n_spectra - 1)
    noise = np.random.default_rng(seed).normal(0, 0.25, (n_spectra, CELLS))
    return 3 * np.stack([profile(300 + steps * place / 16, 200) for place in u]) + noise


def test_a_rise_that_falls_again_is_found_with_its_sides():
    level = 2 * profile(300, 200)
    (bump,) = find_bumps(level, 100 + 14 * level, np.full(CELLS, 14.0), (HALF, CELLS), ERROR)
    assert (bump.low, bump.high) == pytest.approx((200, 400), abs=2)
    assert (bump.left, bump.right) == pytest.approx((200, 400), abs=3)


def test_steps_slopes_of_the_band_and_narrow_rises_are_not():
    sigma, at = np.full(CELLS, 14.0), np.arange(CELLS)
    level = 2 * profile(300, 200)
    assert find_bumps(np.where(at > 300, 1.0, 0.0), 100 + 14.0 * (at > 300), sigma, (HALF, CELLS), ERROR) == []
    assert find_bumps(level, 200 - 0.2 * at, sigma, (HALF, CELLS), ERROR) == []
    assert find_bumps(2 * profile(300, 10), 100 + 28 * profile(300, 10), sigma, (HALF, CELLS), ERROR) == []


@pytest.mark.parametrize("steps", [0, 37, -300, 390])
def test_the_drift_of_a_box_is_found_within_its_error(steps):
    """Over 12 seeds: no bias, and actual errors 0.5 to 1.6 times the stated ones."""
    pulls = []
    for seed in range(12):
        levels = rows(steps, seed)
        found = movement(levels, drift_steps(levels, 391, 200), 391, HALF)
        pulls.append((found.steps - steps) / np.hypot(found.steps_error, 0.3))
    assert abs(np.mean(pulls)) < 1.0
    assert np.sqrt(np.mean(np.square(pulls))) < 1.6


def test_edges_at_half_maximum():
    shape = profile_of(2 * profile(300, 200))
    assert (shape.low, shape.high) == pytest.approx((200, 400), abs=1)
    assert shape.top == pytest.approx(2, rel=0.01)
    assert shape.flank <= 1.5
