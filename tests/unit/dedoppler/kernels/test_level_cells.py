"""Levels of cells beside slow, obvious references, and how little lines change them."""

import math

import numpy as np
import pytest

from services.dedoppler.kernels import level_cells as kernels
from services.dedoppler.kernels.level_cells import CELL_CHANNELS


@pytest.fixture
def x():
    return np.random.default_rng(3).normal(1.0, 1.0, (16, 2048)).astype(np.float32)


@pytest.fixture
def holed(x):
    """Return noise with lost spectra, channels, patches and single samples, and lines at rest and drifting."""
    x[:, 5::64] += 50.0
    for t in range(16):
        x[t, 100 + 60 * t : 120 + 60 * t] += 12.0
    x[4] = 0.0
    x[:, 300:320] = 0.0
    x[2:9, 600:900] = 0.0
    x[np.random.default_rng(5).random(x.shape) < 0.2] = 0.0
    return x


def samples_of(x, first, offsets, i):
    """Return what is left in cell i, spectrum by spectrum."""
    cells = []
    for t, row in enumerate(x):
        columns = range(first + i * CELL_CHANNELS + int(offsets[t]), first + (i + 1) * CELL_CHANNELS + int(offsets[t]))
        cells.append([float(row[c]) for c in columns if 0 <= c < len(row) and row[c] != 0])
    return cells


def limit_of(values):
    """Return four robust sigmas."""
    return 4.0 * 1.4826 * np.median(np.abs(np.asarray(values) - np.median(values)))


def cell_level(x, first, offsets, i):
    """Clip whole spectra of the cell about the median of their means, then samples about theirs, then once more."""
    spectra = [one for one in samples_of(x, first, offsets, i) if one]
    if sum(map(len, spectra)) <= 0.25 * len(x) * CELL_CHANNELS:
        return math.nan
    means = [np.mean(one) for one in spectra]
    near = [one for one, mean in zip(spectra, means, strict=True) if abs(mean - np.median(means)) <= limit_of(means)]
    values = np.concatenate(near)
    limit = limit_of(values)
    centre = np.mean(values[np.abs(values - np.median(values)) <= limit])
    return np.mean(values[np.abs(values - centre) <= limit])


@pytest.mark.parametrize("per_spectrum", [0, 3, -7])
def test_levels_beside_the_reference(holed, per_spectrum):
    """Cells that lack three quarters of their samples, or leave the array, have none."""
    offsets, level = per_spectrum * np.arange(16, dtype=np.int64), np.empty(126)
    kernels.cell_levels(holed, 20, offsets, level)
    expected = [cell_level(holed, 20, offsets, i) for i in range(126)]
    np.testing.assert_allclose(level, expected, rtol=1e-6, atol=1e-9)
    # Cell 18 covers channels 308 to 323, of which 12 are lost.
    assert np.isnan(level[18]) == (per_spectrum == 0)


def test_means_of_what_is_left_in_each_spectrum(holed):
    rows, at_rest = np.empty((16, 128)), np.zeros(16, np.int64)
    kernels.row_levels(holed, 0, rows)
    cells = [samples_of(holed, 0, at_rest, i) for i in range(128)]
    expected = [[np.mean(one[t]) if len(one[t]) > 4 else math.nan for one in cells] for t in range(16)]
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)
    assert np.isnan(rows[4]).all()


@pytest.mark.parametrize("per_spectrum", [0, 2, -5])
def test_changes_of_what_is_left_in_both_spectra(holed, per_spectrum):
    offsets, rows = per_spectrum * np.arange(16, dtype=np.int64), np.empty((15, 126))
    kernels.row_changes(holed, 20, offsets, rows)
    for t in range(15):
        for i in range(126):
            places = [(20 + 16 * i + j + offsets[t], 20 + 16 * i + j + offsets[t + 1]) for j in range(16)]
            inside = [(a, b) for a, b in places if 0 <= a < 2048 and 0 <= b < 2048]
            pairs = [(float(holed[t, a]), float(holed[t + 1, b])) for a, b in inside]
            changes = np.array([after - before for before, after in pairs if before != 0 and after != 0])
            expected = math.nan
            if len(changes) > 4:
                common = changes.mean()
                is_noise = np.mean(abs(changes - common)) <= 1.5
                pulse = (common - np.clip(common, -1.0, 1.0)) if is_noise else 0.0
                expected = np.mean(abs(changes - pulse))
            np.testing.assert_allclose(rows[t, i], expected, rtol=1e-6)


def test_pulses_that_fill_a_cell_are_no_noise():
    x = np.random.default_rng(4).normal(size=(16, 1600)).astype(np.float32)
    quiet, pulsed = np.empty((15, 100)), np.empty((15, 100))
    kernels.row_changes(x, 0, np.zeros(16, np.int64), quiet)
    x[::3] += np.float32(20)
    kernels.row_changes(x, 0, np.zeros(16, np.int64), pulsed)
    # Running medians are taken of these, so a few cells in which noise looks like a line do no harm.
    assert np.median(pulsed) < 1.25 * np.median(quiet)
    assert quiet.mean() == pytest.approx(2 / math.sqrt(math.pi), rel=0.015)


def median_below_lines(values):
    """Leave out what lies four times as far above the median as the 16th percentile below it, one by one."""
    rising = sorted(values)
    middle = np.median(rising)
    limit = middle + 4.0 * (middle - rising[int(0.159 * len(rising))])
    while len(rising) > 1 and rising[-1] > limit:
        rising.pop()
    return np.median(rising)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("stride", [1, 5])
def test_running_medians_of_each_spectrum_beside_the_reference(holed, stride, even):
    rows, half = np.empty((16, 128)), 8
    kernels.row_levels(holed, 0, rows)
    found = np.empty(-(-128 // stride))
    # In two parts, as two threads do.
    kernels.mean_of_medians(rows, half, stride, even, 0, found[:7])
    kernels.mean_of_medians(rows, half, stride, even, 7, found[7:])
    expected = []
    for at in range(0, 128, stride):
        reach = min(half, at, 127 - at) if even else half
        window = range(max(0, at - reach), min(127, at + reach) + 1)
        medians = []
        for row in rows:
            there = [row[i] for i in window if np.isfinite(row[i])]
            if 2 * len(there) > len(window):
                medians.append(median_below_lines(there))
        expected.append(np.mean(medians) if medians else math.nan)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("sets", [1, 3, 16])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 65])
def test_sets_are_sorted_together(length, sets):
    values = np.random.default_rng(length).integers(0, 20, length * sets).astype(float)
    values[values == 19] = math.inf
    expected = np.sort(values.reshape(length, sets), axis=0)
    kernels._sort_sets(values, length, sets)
    np.testing.assert_array_equal(values.reshape(length, sets), expected)


def test_group_and_row_means(x):
    means, rows = np.zeros(8), np.empty((16, 128))
    kernels.group_means(x, 0, 256, means)
    kernels.row_levels(x, 0, rows)
    np.testing.assert_allclose(means, x.reshape(16, 8, 256).mean(axis=(0, 2), dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(rows, x.reshape(16, 128, CELL_CHANNELS).mean(axis=2), rtol=1e-4)


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
    smooth = np.empty(128)
    kernels.mean_of_medians(rows, 16, 1, True, 0, smooth)
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
    # Noise has no exact zeros otherwise.
    assert np.count_nonzero(x) == x.size - 10
    level, gain = np.full(200, 0.5, np.float32), np.full(200, 0.8, np.float32)
    kernels.correct(x, 10, offsets, level, gain)
    assert not x[3, 40:50].any()
    assert x[2, 60] == pytest.approx((before[2, 60] - 0.5) * 0.8)
    kernels.correct(x, 10, offsets, -level * gain, 1 / gain)
    np.testing.assert_allclose(x, before, atol=1e-5)
