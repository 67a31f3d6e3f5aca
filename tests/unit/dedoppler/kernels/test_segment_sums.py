"""Sums along paths of lines, beside sums sample by sample in float64."""

import numpy as np
import pytest

from services.dedoppler.kernels.segment_sums import TILE_STARTS, Boxes, best_per_start, local_maxima, path_statistics
from services.dedoppler.kernels.width_trial import Starts
from services.dedoppler.search.segment_paths import bands
from services.dedoppler.search.width_trials import WidthTrial
from tests.unit.dedoppler.search.test_segment_paths import columns_of

N_SPECTRA = 300
TRIALS = [
    WidthTrial(1, 1, np.arange(-9, 10)),
    WidthTrial(2, 1, np.arange(-300, -280)),
    WidthTrial(6, 1, np.arange(100, 130, 3)),
    WidthTrial(12, 2, np.arange(-60, 61, 6)),
]


def plain(x, first, count, band, per_box, stride):
    """Return the statistics in float64, (paths, starts)."""
    columns = columns_of(band, len(x))
    spectra = np.arange(len(x))
    out = np.empty((len(band.steps), count))
    for d in range(len(band.steps)):
        for i in range(count):
            out[d, i] = sum(x[spectra, first + i + columns[d] + j].astype(float).sum() for j in range(per_box))
    return out / np.sqrt(len(x) * per_box * stride)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: str(trial.width))
@pytest.mark.parametrize("count", [1, 40])
def test_statistics_equal_the_plain_sums(trial, count):
    """300 additions in float32: 1e-5."""
    x = np.random.default_rng(1).standard_normal((N_SPECTRA, 1200), dtype=np.float32)
    of = Boxes(trial.width // trial.stride, trial.stride)
    for band in bands(trial, N_SPECTRA):
        found = path_statistics(Starts(x, 500, count), band, of)
        np.testing.assert_allclose(found, plain(x, 500, count, band, *of), atol=1e-5)


def test_the_best_drift_of_each_start_is_kept_across_tiles():
    x = np.random.default_rng(2).standard_normal((N_SPECTRA, 2 * TILE_STARTS + 700), dtype=np.float32)
    trial = TRIALS[0]
    starts, per_box = Starts(x, 100, 2 * TILE_STARTS + 300), np.array([1, 2])
    (band,) = bands(trial, N_SPECTRA)
    best = np.full((2, starts.number), -1e9, np.float32)
    steps = np.zeros(best.shape, np.int64)
    best_per_start(starts, band, per_box, best, steps)
    for k, width in enumerate(per_box):
        expected = path_statistics(starts, band, Boxes(width, 1))
        np.testing.assert_allclose(best[k] / np.sqrt(N_SPECTRA * width), expected.max(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(steps[k], trial.steps[expected.argmax(axis=0)])
    again, unchanged = best + 1, steps + 7
    best_per_start(starts, band, per_box, again, unchanged)
    np.testing.assert_array_equal(unchanged, steps + 7)


def test_local_maxima_equal_the_plain_rule():
    """One maximum within a box's width on either side; of equal values the first counts."""
    rng = np.random.default_rng(3)
    best = rng.integers(0, 12, 500).astype(np.float32)
    steps = rng.integers(-9, 9, 500)
    above = np.zeros(1000, np.uint8)
    found = local_maxima(best, steps, np.float32(8), Boxes(3, 2), above)
    expected = []
    for i in np.flatnonzero(best > 8):
        near = best[max(0, i - 3) : i + 4]
        if best[i] == near.max() and i == max(0, i - 3) + near.argmax():
            expected.append(i)
    assert found.starts.tolist() == expected
    np.testing.assert_array_equal(found.steps, steps[expected])
    np.testing.assert_array_equal(found.values, best[expected])
    np.testing.assert_array_equal(above, np.repeat(best > 8, 2))
