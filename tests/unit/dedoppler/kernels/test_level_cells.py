"""Levels of cells beside slow, obvious references, and how little lines change them."""

import numpy as np
import pytest

from services.dedoppler.kernels import level_cells as kernels
from services.dedoppler.kernels.level_cells import CELL_CHANNELS


@pytest.fixture
def x():
    return np.random.default_rng(3).normal(1.0, 1.0, (16, 2048)).astype(np.float32)


def test_group_and_row_means(x):
    means, rows = np.zeros(8), np.empty((16, 128))
    kernels.group_means(x, 0, 256, means)
    kernels.row_levels(x, 0, rows)
    np.testing.assert_allclose(means, x.reshape(16, 8, 256).mean(axis=(0, 2), dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(rows, x.reshape(16, 128, CELL_CHANNELS).mean(axis=2), rtol=1e-4)


def test_changes_along_a_drift(x):
    offsets, rows = np.arange(16, dtype=np.int64), np.empty((15, 100))
    kernels.row_changes(x, 0, offsets, rows)
    i = 7
    here, there = x[5, i * 16 + 5 : i * 16 + 21], x[6, i * 16 + 6 : i * 16 + 22]
    assert rows[5, i] == pytest.approx(np.abs(there - here).mean(), rel=1e-5)


def test_lines_do_not_shift_levels(x):
    """Lines at rest in 3 of 16 channels, and across all cells: within two standard errors of 1/16."""
    x[:, 5::64] += 50.0
    x[:, 6::64] += 9.0
    for t in range(16):
        x[t, 100 + 60 * t : 120 + 60 * t] += 12.0
    level = np.empty(128)
    kernels.cell_levels(x, 0, np.zeros(16, np.int64), level)
    assert np.median(level) == pytest.approx(1.0, abs=0.03)
    assert np.abs(level - 1.0).max() < 0.4
    rows = np.empty((16, 128))
    kernels.row_levels(x, 0, rows)
    smooth = kernels.mean_of_medians(rows, 16, 1, True)
    # At the ends a window is narrower than a line.
    assert np.abs(smooth[16:-16] - 1.0).max() < 0.2


def test_a_running_median_follows_slopes_and_steps_and_drops_narrow_rises():
    rise = np.concatenate([np.zeros(50), np.linspace(0, 7, 12), np.full(50, 7.0)])
    np.testing.assert_array_equal(kernels.running_median(rise, 16), rise)
    bump = np.zeros(100)
    bump[40:55] = 3.0
    assert not kernels.running_median(bump, 16).any()


def test_correcting_and_restoring_leaves_lost_samples_alone(x):
    x[3, 40:50] = 0.0
    before, offsets = x.copy(), np.arange(16, dtype=np.int64)
    level, gain = np.full(200, 0.5, np.float32), np.full(200, 0.8, np.float32)
    kernels.correct(x, 10, offsets, level, gain)
    assert not x[3, 40:50].any()
    assert x[2, 60] == pytest.approx((before[2, 60] - 0.5) * 0.8)
    kernels.correct(x, 10, offsets, -level * gain, 1 / gain)
    np.testing.assert_allclose(x, before, atol=1e-5)
