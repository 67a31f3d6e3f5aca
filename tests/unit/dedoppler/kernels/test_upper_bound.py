"""The upper bound misses nothing above the threshold, and rules out nearly everything below it."""

import math

import numpy as np
import pytest

from science.measure.trial_statistics import stride_sums, trial_statistics
from services.dedoppler.kernels.upper_bound import Bound, QuantisedStarts, drift_groups, may_exceed, quantised
from services.dedoppler.search.coarse_search import BOUND_STARTS
from services.dedoppler.search.upper_bound import plan_bound, quantisation
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials
from tests.unit.dedoppler import reference

SHAPES = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 2), (6, 1, 3), (8, 1, 4), (12, 2, 6), (16, 2, 8), (24, 4, 12)]
MANY_SPECTRA = [2, 3, 7, 8, 9, 12, 16, 17, 60]


def trial_of(width, stride, step, most=40):
    drifts = np.arange(0, most + 1, step)
    return WidthTrial(width, stride, np.unique(np.concatenate([-drifts, drifts])).astype(np.int64))


def noise(n_spectra, columns, seed):
    """Gamma noise, as of power that is the mean of 8 samples: its tail is longer than the normal one's."""
    return ((np.random.default_rng(seed).gamma(8.0, 1.0, (n_spectra, columns)) - 8) / math.sqrt(8)).astype(np.float32)


def flags(x, first, n_starts, trial, threshold, span):
    """Flags of the upper bound; start `i` at channel first + i * stride."""
    quanta = quantisation([trial], len(x))
    sums, at = stride_sums(x, first, trial.stride)
    rounded = quantised(
        sums, 0, sums.shape[1] + span, np.float32(quanta.quanta_per_sigma), quanta.lowest, quanta.highest
    )
    sigma = quanta.quanta_per_sigma * math.sqrt(len(x) * trial.width)
    limit = math.floor(threshold * sigma - len(x) * trial.width / trial.stride / 2) - 1
    groups = drift_groups(trial.steps, len(x), trial.stride, span)
    bound = Bound(trial.width // trial.stride, *groups, quanta.largest_box, limit)
    return may_exceed(QuantisedStarts(rounded, at, n_starts), BOUND_STARTS, bound)


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "stride", "step"), SHAPES)
@pytest.mark.parametrize("brightest", [0.0, 6.0, 3000.0])
def test_nothing_above_the_threshold_is_missed(n_spectra, width, stride, step, brightest):
    """At thresholds that some noise exceeds, and beside samples so bright that the quanta are clipped."""
    trial = trial_of(width, stride, step)
    x = noise(n_spectra, 700, seed=n_spectra * 100 + width)
    rng = np.random.default_rng(n_spectra)
    x[rng.integers(0, n_spectra, 5), rng.integers(100, 500, 5)] += np.float32(brightest)
    first, n_starts = 100, 400 // stride
    statistics = trial_statistics(x, first, n_starts, trial)
    for span in (0, step, 7 * step):
        # At the very largest statistics too, where any loss in the rounding would show.
        for threshold in (1.0, float(np.sort(statistics.ravel())[-50]), np.nextafter(float(statistics.max()), 0.0)):
            found = flags(x, first, n_starts, trial, threshold, span)
            assert found.shape == (1, len(trial.steps))
            missed = (statistics > threshold).any(axis=1) & (found[0] == 0)
            assert not missed.any(), trial.steps[missed]


@pytest.mark.parametrize(("width", "stride", "step"), SHAPES)
def test_groups_of_one_drift_are_bounded_by_their_own_sums(width, stride, step):
    """A threshold above a drift's largest statistic by what rounding may cost clears this drift, and no other."""
    trial, n_spectra = trial_of(width, stride, step), 16
    x = noise(n_spectra, 700, seed=width)
    first, n_starts = 100, 400 // stride
    largest = trial_statistics(x, first, n_starts, trial).max(axis=1)
    quanta = quantisation([trial], n_spectra)
    sigma = quanta.quanta_per_sigma * math.sqrt(n_spectra * width)
    rounding = (n_spectra * width / stride + 2) / sigma
    for d in (0, len(trial.steps) // 2, len(trial.steps) - 1):
        above = flags(x, first, n_starts, trial, largest[d] + rounding, 0)[0]
        assert above[d] == 0
        np.testing.assert_array_equal(above[largest > largest[d] + rounding], 1)


def test_most_noise_is_ruled_out_and_a_tone_is_not():
    n_spectra, threshold = 16, 8.0
    x = noise(n_spectra, 30_000, seed=5)
    n_starts = 28_000
    for trial in plan_width_trials(n_spectra, 60):
        plan = plan_bound(trial, quantisation([trial], n_spectra), n_spectra, threshold)
        assert plan is not None
        found = flags(x, 1000, n_starts // trial.stride, trial, threshold, plan.span)
        assert found.mean() < 0.1
    trial = plan_width_trials(n_spectra, 60)[0]
    for t in range(n_spectra):
        x[t, 20_000 + reference.path_offset(9, t, n_spectra)] += np.float32(4.0)
    with_tone = flags(x, 1000, n_starts, trial, threshold, 2)
    its_tile = 19_000 // BOUND_STARTS
    assert with_tone[its_tile, trial.steps == 9] == 1
    assert not np.delete(with_tone, its_tile, axis=0).any()


@pytest.mark.parametrize("n_spectra", [2, 5, 16, 60])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("span", [0, 3, 10, 500])
def test_windows_hold_the_paths_of_their_group(n_spectra, stride, span):
    drifts = np.concatenate([np.arange(-90, -39, 3), np.arange(40, 91, 3)])
    groups, offsets, windows = drift_groups(drifts, n_spectra, stride, span)
    assert groups[0, 0] == 0
    assert groups[-1, 1] == len(drifts)
    np.testing.assert_array_equal(groups[1:, 0], groups[:-1, 1])
    width_needed = np.ones(n_spectra, int)
    for (begin, stop), begins_at in zip(groups, offsets, strict=True):
        assert drifts[stop - 1] - drifts[begin] <= span
        for t in range(n_spectra):
            places = [reference.path_offset(int(steps), t, n_spectra, stride) for steps in drifts[begin:stop]]
            assert begins_at[t] == min(places)
            width_needed[t] = max(width_needed[t], max(places) - min(places) + 1)
    np.testing.assert_array_equal(windows, width_needed)


@pytest.mark.parametrize("seed", [1, 2])
def test_quantised_is_rounded_and_held_between_its_ends(seed):
    x = np.random.default_rng(seed).normal(0, 40, (3, 500)).astype(np.float32)
    found = quantised(x, 20, 500, np.float32(3.7), np.float32(-200), np.float32(300))
    assert found.dtype == np.int16
    expected = np.clip(np.floor(x[:, 20:] * np.float32(3.7) + np.float32(0.5)), -200, 300)
    np.testing.assert_array_equal(found[:, :480], expected)
    assert not found[:, 480:].any()
