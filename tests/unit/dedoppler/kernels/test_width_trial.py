"""A width trial against plain sums."""

import math

import numpy as np
import pytest

from science.measure.trial_statistics import planned, stride_sums, trial_statistics
from services.dedoppler.kernels.width_trial import TILE_STARTS, Starts, search_width_trial
from services.dedoppler.search.coarse_search import BOUND_STARTS
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials
from tests.unit.dedoppler import reference

MANY_SPECTRA = [2, 3, 4, 15, 16, 17, 60]
# Possible widths and strides: the stride is a power of two and divides the width.
TRIALS = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (8, 1), (9, 1), (12, 2), (14, 2), (16, 2), (16, 4), (24, 4)]
# Sums of at most 60 x 24 float32 of sigma 1, each rounded to 2^-24 of a partial sum of some tens.
FLOAT32_TOLERANCE = 1e-5


def noise(n_spectra, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(n_spectra, columns)).astype(np.float32)


def statistics_of(x, first, count, width, stride, drifts):
    return trial_statistics(x, first, count, WidthTrial(width, stride, drifts))


def search(x, first, n_starts, width, stride, drifts, threshold, above_threshold):
    """Channels, steps and values of the maxima; `above_threshold` has a flag for each channel of `x`."""
    sums, at = stride_sums(x, first, stride)
    trial = planned(WidthTrial(width, stride, drifts), len(x))
    flags = np.ones((-(-n_starts // BOUND_STARTS), len(drifts)), np.uint8)
    peaks = search_width_trial(
        Starts(sums, at, n_starts), trial, threshold, flags, BOUND_STARTS, above_threshold[first:]
    )
    return first + peaks.starts * stride, peaks.steps, peaks.values


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "stride"), TRIALS)
def test_statistics_are_the_plain_sums_over_their_boxes(n_spectra, width, stride):
    drifts = np.array([-60, -31, -2, -1, 0, 1, 3, 7, 45, 60])
    x = noise(n_spectra, 320, seed=n_spectra * 100 + width)
    first, count = 90, 48 // stride
    found = statistics_of(x, first, count, width, stride, drifts)
    expected = reference.trial_statistics(x, first, count, width, stride, drifts)
    assert found.dtype == np.float32
    assert found.shape == (len(drifts), count)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "stride"), TRIALS)
def test_closed_form_of_a_plane(n_spectra, width, stride):
    """Input 1 + t + c gives T (1 + c) + T (T - 1) / 2 + sum(offsets) per channel of the box."""
    margin, count = 80, 40 // stride
    t, c = np.mgrid[0:n_spectra, -margin : 40 + margin + 2 * width]
    x = (1 + t + c).astype(np.float32)
    drifts = np.array([-50, -7, 0, 7, 50])
    found = statistics_of(x, margin, count, width, stride, drifts)
    for row, steps in zip(found, drifts, strict=True):
        offsets = stride * sum(reference.path_offset(int(steps), t, n_spectra, stride) for t in range(n_spectra))
        start = stride * np.arange(count)
        one_channel = n_spectra * (1 + start) + n_spectra * (n_spectra - 1) / 2 + offsets
        expected = width * one_channel + n_spectra * width * (width - 1) / 2
        # Whole numbers below 2^24 are exact in float32; only the division by sqrt(T w) rounds.
        np.testing.assert_allclose(row, expected / math.sqrt(n_spectra * width), rtol=1e-6, atol=1e-6)


def test_every_trial_of_a_plan_equals_the_reference():
    trials = plan_width_trials(5, 180)
    assert max(trial.width for trial in trials) == 48
    x = noise(5, 700)
    for trial in trials:
        drifts = trial.steps[:: max(1, len(trial.steps) // 8)]
        found = statistics_of(x, 300, 8, trial.width, trial.stride, drifts)
        expected = reference.trial_statistics(x, 300, 8, trial.width, trial.stride, drifts)
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


def search_reference(x, first, n_starts, width, stride, drifts, threshold):
    """Best statistic of each start over all drifts."""
    statistics = statistics_of(x, first, n_starts, width, stride, drifts)
    assert np.min(np.abs(statistics - threshold)) > FLOAT32_TOLERANCE / 10
    return statistics, statistics.max(axis=0)


@pytest.mark.parametrize("n_spectra", [2, 5, 16])
@pytest.mark.parametrize(("width", "stride"), [(1, 1), (4, 1), (8, 1), (12, 2), (24, 4)])
def test_search_returns_the_maxima_and_flags_what_is_above(n_spectra, width, stride):
    threshold, first = 4.0, 100
    drifts = np.arange(-32, 33, max(1, width // 3))
    x = with_tones(n_spectra, 800, seed=width)
    n_starts = min(TILE_STARTS, 500 // stride)
    above_threshold = np.zeros(x.shape[1], np.uint8)
    columns, steps, values = search(x, first, n_starts, width, stride, drifts, threshold, above_threshold)
    statistics, best = search_reference(x, first, n_starts, width, stride, drifts, threshold)

    assert len(columns) > 0
    starts, reach = (columns - first) // stride, width // stride
    np.testing.assert_array_equal(columns, first + starts * stride)
    for i, n, value in zip(starts, steps, values, strict=True):
        assert value > threshold
        assert value == pytest.approx(statistics[list(drifts).index(n), i], abs=FLOAT32_TOLERANCE)
        near = best[max(0, i - reach) : i + reach + 1]
        assert value == pytest.approx(near.max(), abs=FLOAT32_TOLERANCE)
    above = np.flatnonzero(best > threshold)
    for i in above:
        better = best[max(0, i - reach) : i + reach + 1].max() > best[i]
        assert better or i in starts
    expected_above = np.zeros(x.shape[1], np.uint8)
    for i in above:
        expected_above[first + i * stride : first + (i + 1) * stride] = 1
    np.testing.assert_array_equal(above_threshold, expected_above)


@pytest.mark.parametrize(("width", "stride"), [(1, 1), (3, 1), (8, 2), (12, 2)])
def test_search_over_many_tiles_loses_nothing(width, stride):
    """Above every start over the threshold there is a returned one, or a better one within reach, tile by tile."""
    threshold, first = 4.0, 60
    drifts = np.arange(-32, 33, max(1, width // 3))
    x = with_tones(16, 3400, seed=width + 50)
    n_starts = 3200 // stride
    above_threshold = np.zeros(x.shape[1], np.uint8)
    columns, steps, values = search(x, first, n_starts, width, stride, drifts, threshold, above_threshold)
    statistics, best = search_reference(x, first, n_starts, width, stride, drifts, threshold)
    starts, reach = (columns - first) // stride, width // stride
    assert len(set(starts.tolist())) == len(starts)
    np.testing.assert_allclose(values, best[starts], rtol=0, atol=FLOAT32_TOLERANCE)
    place = {int(n): d for d, n in enumerate(drifts)}
    np.testing.assert_array_equal(statistics[[place[int(n)] for n in steps], starts], best[starts])
    for i in np.flatnonzero(best > threshold):
        tile = slice(max(0, i - reach, i // TILE_STARTS * TILE_STARTS), min(i + reach, i | (TILE_STARTS - 1)) + 1)
        assert best[tile].max() > best[i] or i in starts
    np.testing.assert_array_equal(
        np.unique((np.flatnonzero(above_threshold) - first) // stride), np.flatnonzero(best > threshold)
    )


def test_more_maxima_than_the_first_capacity():
    x = np.zeros((4, 9000), np.float32)
    x[:, 100:8900:3] = 10.0
    above_threshold = np.zeros(9000, np.uint8)
    columns, steps, values = search(x, 50, 8900, 1, 1, np.array([0]), 10.0, above_threshold)
    np.testing.assert_array_equal(columns, np.arange(100, 8900, 3))
    assert not steps.any()
    np.testing.assert_allclose(values, 20.0, rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(above_threshold), columns)


def test_nothing_above_the_threshold():
    above_threshold = np.zeros(600, np.uint8)
    columns, steps, values = search(noise(16, 600), 100, 400, 1, 1, np.arange(-5, 6), 20.0, above_threshold)
    assert (len(columns), len(steps), len(values)) == (0, 0, 0)
    assert not above_threshold.any()


def test_of_equal_neighbours_the_first_is_returned():
    x = np.zeros((4, 200), np.float32)
    x[:, 80:82] = 10.0
    columns, _, _ = search(x, 50, 100, 1, 1, np.array([0]), 5.0, np.zeros(200, np.uint8))
    assert columns.tolist() == [80]
