"""A rung of the ladder against plain sums."""

import math

import numpy as np
import pytest

from services.dedoppler.kernels.width_trial import TILE_STARTS
from services.dedoppler.search.width_trials import plan_rungs
from tests.unit.dedoppler import reference
from tests.unit.dedoppler.channels import rung_statistics, search_rung

MANY_SPECTRA = [2, 3, 4, 15, 16, 17, 60]
# Width and hop as the ladder has them or could: the hop is a power of two and divides the width.
RUNGS = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (8, 1), (9, 1), (12, 2), (14, 2), (16, 2), (16, 4), (24, 4)]
# Sums of at most 60 x 24 float32 of sigma 1, each rounded to 2^-24 of a partial sum of some tens.
FLOAT32_TOLERANCE = 1e-5


def noise(n_spectra, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(n_spectra, columns)).astype(np.float32)


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "hop"), RUNGS)
def test_statistics_are_the_plain_sums_over_their_boxes(n_spectra, width, hop):
    drifts = np.array([-60, -31, -2, -1, 0, 1, 3, 7, 45, 60])
    x = noise(n_spectra, 320, seed=n_spectra * 100 + width)
    first, count = 90, 48 // hop
    found = rung_statistics(x, first, count, width, hop, drifts)
    expected = reference.rung_statistics(x, first, count, width, hop, drifts)
    assert found.dtype == np.float32
    assert found.shape == (len(drifts), count)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "hop"), RUNGS)
def test_closed_form_of_a_plane(n_spectra, width, hop):
    """Input 1 + t + c gives T (1 + c) + T (T - 1) / 2 + sum(offsets) per channel of the box."""
    margin, count = 80, 40 // hop
    t, c = np.mgrid[0:n_spectra, -margin : 40 + margin + 2 * width]
    x = (1 + t + c).astype(np.float32)
    drifts = np.array([-50, -7, 0, 7, 50])
    found = rung_statistics(x, margin, count, width, hop, drifts)
    for row, steps in zip(found, drifts, strict=True):
        offsets = hop * sum(reference.path_offset(int(steps), t, n_spectra, hop) for t in range(n_spectra))
        start = hop * np.arange(count)
        one_channel = n_spectra * (1 + start) + n_spectra * (n_spectra - 1) / 2 + offsets
        expected = width * one_channel + n_spectra * width * (width - 1) / 2
        # Whole numbers below 2^24 are exact in float32; only the division by sqrt(T w) rounds.
        np.testing.assert_allclose(row, expected / math.sqrt(n_spectra * width), rtol=1e-6, atol=1e-6)


def test_every_rung_of_a_plan_equals_the_reference():
    rungs = plan_rungs(5, 180)
    assert max(rung.width for rung in rungs) == 48
    x = noise(5, 700)
    for rung in rungs:
        drifts = rung.steps[:: max(1, len(rung.steps) // 8)]
        found = rung_statistics(x, 300, 8, rung.width, rung.hop, drifts)
        expected = reference.rung_statistics(x, 300, 8, rung.width, rung.hop, drifts)
        np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT32_TOLERANCE)


def with_tones(n_spectra, columns, seed):
    """Noise with a few tones of a channel or more, so that many starts are above a threshold of 4."""
    x = noise(n_spectra, columns, seed)
    rng = np.random.default_rng(seed + 1000)
    for _ in range(columns // 60):
        steps, at, width = int(rng.integers(-30, 31)), int(rng.integers(80, columns - 120)), int(rng.integers(1, 9))
        for t in range(n_spectra):
            start = at + reference.path_offset(steps, t, n_spectra)
            x[t, start : start + width] += np.float32(rng.uniform(1, 4))
    return x


def search_reference(x, first, n_starts, width, hop, drifts, threshold):
    """Best statistic of each start over all drifts."""
    statistics = rung_statistics(x, first, n_starts, width, hop, drifts)
    assert np.min(np.abs(statistics - threshold)) > FLOAT32_TOLERANCE / 10
    return statistics, statistics.max(axis=0)


@pytest.mark.parametrize("n_spectra", [2, 5, 16])
@pytest.mark.parametrize(("width", "hop"), [(1, 1), (4, 1), (8, 1), (12, 2), (24, 4)])
def test_search_returns_the_maxima_and_marks_what_is_hot(n_spectra, width, hop):
    threshold, first = 4.0, 100
    drifts = np.arange(-32, 33, max(1, width // 3))
    x = with_tones(n_spectra, 800, seed=width)
    n_starts = min(TILE_STARTS, 500 // hop)
    hot = np.zeros(x.shape[1], np.uint8)
    columns, steps, values = search_rung(x, first, n_starts, width, hop, drifts, threshold, hot)
    statistics, best = search_reference(x, first, n_starts, width, hop, drifts, threshold)

    assert len(columns) > 0
    starts, reach = (columns - first) // hop, width // hop
    np.testing.assert_array_equal(columns, first + starts * hop)
    for i, n, value in zip(starts, steps, values, strict=True):
        assert value > threshold
        assert value == pytest.approx(statistics[list(drifts).index(n), i], abs=FLOAT32_TOLERANCE)
        near = best[max(0, i - reach) : i + reach + 1]
        assert value == pytest.approx(near.max(), abs=FLOAT32_TOLERANCE)
    above = np.flatnonzero(best > threshold)
    for i in above:
        better = best[max(0, i - reach) : i + reach + 1].max() > best[i]
        assert better or i in starts
    expected_hot = np.zeros(x.shape[1], np.uint8)
    for i in above:
        expected_hot[first + i * hop : first + (i + 1) * hop] = 1
    np.testing.assert_array_equal(hot, expected_hot)


@pytest.mark.parametrize(("width", "hop"), [(1, 1), (3, 1), (8, 2), (12, 2)])
def test_search_over_many_tiles_loses_nothing(width, hop):
    """Above every start over the threshold there is a returned one, or a better one within reach, tile by tile."""
    threshold, first = 4.0, 60
    drifts = np.arange(-32, 33, max(1, width // 3))
    x = with_tones(16, 3400, seed=width + 50)
    n_starts = 3200 // hop
    hot = np.zeros(x.shape[1], np.uint8)
    columns, steps, values = search_rung(x, first, n_starts, width, hop, drifts, threshold, hot)
    statistics, best = search_reference(x, first, n_starts, width, hop, drifts, threshold)
    starts, reach = (columns - first) // hop, width // hop
    assert len(set(starts.tolist())) == len(starts)
    np.testing.assert_allclose(values, best[starts], rtol=0, atol=FLOAT32_TOLERANCE)
    place = {int(n): d for d, n in enumerate(drifts)}
    np.testing.assert_array_equal(statistics[[place[int(n)] for n in steps], starts], best[starts])
    for i in np.flatnonzero(best > threshold):
        tile = slice(max(0, i - reach, i // TILE_STARTS * TILE_STARTS), min(i + reach, i | (TILE_STARTS - 1)) + 1)
        assert best[tile].max() > best[i] or i in starts
    np.testing.assert_array_equal(np.unique((np.flatnonzero(hot) - first) // hop), np.flatnonzero(best > threshold))


def test_more_maxima_than_the_first_capacity():
    x = np.zeros((4, 9000), np.float32)
    x[:, 100:8900:3] = 10.0
    hot = np.zeros(9000, np.uint8)
    columns, steps, values = search_rung(x, 50, 8900, 1, 1, np.array([0]), 10.0, hot)
    np.testing.assert_array_equal(columns, np.arange(100, 8900, 3))
    assert not steps.any()
    np.testing.assert_allclose(values, 20.0, rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(hot), columns)


def test_nothing_above_the_threshold():
    hot = np.zeros(600, np.uint8)
    columns, steps, values = search_rung(noise(16, 600), 100, 400, 1, 1, np.arange(-5, 6), 20.0, hot)
    assert (len(columns), len(steps), len(values)) == (0, 0, 0)
    assert not hot.any()


def test_of_equal_neighbours_the_first_is_returned():
    x = np.zeros((4, 200), np.float32)
    x[:, 80:82] = 10.0
    columns, _, _ = search_rung(x, 50, 100, 1, 1, np.array([0]), 5.0, np.zeros(200, np.uint8))
    assert columns.tolist() == [80]
