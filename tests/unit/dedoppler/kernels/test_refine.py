"""The way from a seed to the best box, and the blanking of tracks."""

import numpy as np
import pytest

from services.dedoppler.kernels.refine import Limits, Place, box_statistic, refine
from tests.unit.dedoppler import reference

# Float64 sums of the same float32 samples, in another order.
FLOAT64_TOLERANCE = 1e-9


def noise(n_spectra, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(n_spectra, columns)).astype(np.float32)


def add_tone(x, column, steps, width, snr):
    """Add an even box of total statistic `snr` along a path."""
    n_spectra = len(x)
    per_sample = np.float32(snr / np.sqrt(n_spectra * width))
    for t in range(n_spectra):
        start = column + reference.path_offset(steps, t, n_spectra)
        x[t, start : start + width] += per_sample


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 16, 17, 60])
def test_box_statistic_is_the_plain_sum(n_spectra):
    x = noise(n_spectra, 300)
    for column, steps, width in [(150, 0, 1), (150, 37, 1), (150, -37, 3), (100, 100, 24), (200, -100, 7)]:
        expected = reference.box_statistic(x, column, steps, width)
        assert box_statistic(x, column, steps, width) == pytest.approx(expected, abs=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("n_spectra", [3, 16, 17])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("steps", [-40, -3, 0, 11, 40])
def test_reaches_the_best_box_of_its_footprint(n_spectra, width, steps):
    """From seeds off by a third of the width in steps and half of it in place, as seeds of the coarse search are."""
    x = noise(n_spectra, 400, seed=width + steps + 100)
    add_tone(x, 200, steps, width, 40.0)
    footprint = range(200 - 2 * width - 6, 200 + 2 * width + 7)
    all_steps = range(steps - 2 * width - 6, steps + 2 * width + 7)
    best = reference.best_box(x, footprint, all_steps, range(1, 2 * width + 8))
    for place, off in [(0, 0), (width // 2, width // 3), (-(width // 2), -(width // 3)), (width // 2, -(width // 3))]:
        found = refine(x, Place(200 + place, steps + off, width), width + 1, Limits(100, 300, 60, 64))
        assert found[0] == pytest.approx(best[0], abs=FLOAT64_TOLERANCE)
        assert found[1:] == best[1:]


def test_the_value_is_that_of_the_box():
    x = noise(16, 500, seed=3)
    add_tone(x, 240, 50, 20, 60.0)
    value, column, steps, width = refine(x, Place(244, 44, 24), 25, Limits(100, 400, 100, 256))
    assert value == pytest.approx(reference.box_statistic(x, column, steps, width), abs=FLOAT64_TOLERANCE)
    assert value >= reference.box_statistic(x, 240, 50, 20)


@pytest.mark.parametrize("width", [20, 48, 100])
def test_wide_boxes_come_as_near_as_noise_allows(width):
    """Of a box of even brightness the edges are known to about (sqrt(T w) / SNR)^2 channels, here below 1."""
    x = noise(16, 1500, seed=width)
    add_tone(x, 700, 90, width, 200.0)
    value, column, steps, found_width = refine(
        x, Place(700 + width // 4, 90 - width // 3, width), width, Limits(400, 1100, 300, 256)
    )
    assert value >= box_statistic(x, 700, 90, width)
    assert abs(column - 700) <= 2
    assert abs(steps - 90) <= 2
    assert abs(found_width - width) <= 2


def test_a_narrow_seed_grows_to_a_broad_emission():
    x = noise(16, 1500, seed=9)
    add_tone(x, 700, 0, 60, 300.0)
    _, column, _, width = refine(x, Place(720, 0, 2), 3, Limits(400, 1100, 100, 256))
    assert abs(column - 700) <= 2
    assert abs(width - 60) <= 3


@pytest.mark.parametrize("seed", range(40))
def test_never_leaves_its_bounds(seed):
    """Bright boxes everywhere, on and beyond the bounds, drawn from the seed; widths from 1 to 40."""
    rng = np.random.default_rng(seed)
    x = noise(7, 700, seed=seed + 500)
    for _ in range(6):
        add_tone(x, int(rng.integers(150, 500)), int(rng.integers(-60, 61)), int(rng.integers(1, 40)), 80.0)
    first, stop, max_steps, widest = 200, 260, 20, 24
    for _ in range(5):
        column, steps = int(rng.integers(first, stop)), int(rng.integers(-max_steps, max_steps + 1))
        width = int(rng.integers(1, widest + 1))
        seeded = box_statistic(x, column, steps, width)
        value, c, n, w = refine(x, Place(column, steps, width), width + 1, Limits(first, stop, max_steps, widest))
        assert c < stop
        assert c + w > first
        assert abs(n) <= max_steps
        assert 1 <= w <= widest
        assert value >= seeded - FLOAT64_TOLERANCE


@pytest.mark.parametrize("steps", [-30, 30])
def test_tracks_that_enter_from_beyond_the_band_start_at_its_edge(steps):
    """Only zeros lie beyond the band in the first spectrum; the box still starts with a column of the band."""
    x = noise(16, 600, seed=4)
    first, stop = 200, 400
    add_tone(x, 195 if steps > 0 else 404, steps, 1, 100.0)
    x[:, :first] = 0.0
    x[:, stop:] = 0.0
    _, column, _, width = refine(x, Place(200 if steps > 0 else 395, steps // 2, 16), 17, Limits(first, stop, 60, 64))
    assert column < stop
    assert column + width > first
