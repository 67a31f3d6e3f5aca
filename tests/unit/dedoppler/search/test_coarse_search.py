"""The coarse search finds the same seeds with and without its upper bound."""

import math

import numpy as np
import pytest

from services.dedoppler.search import coarse_search
from services.dedoppler.search.coarse_search import COARSE_EFFICIENCY, CoarseSearch, seed_threshold
from services.dedoppler.search.upper_bound import plan_bound, quantisation
from services.dedoppler.search.width_trials import plan_width_trials
from tests.unit.dedoppler import reference


def test_seeds_lie_below_the_threshold():
    assert seed_threshold(10.0) == pytest.approx(10 * COARSE_EFFICIENCY)


def noise(n_spectra, columns, seed):
    """Gamma noise, as of power that is the mean of 8 samples: its tail is longer than the normal one's."""
    return ((np.random.default_rng(seed).gamma(8.0, 1.0, (n_spectra, columns)) - 8) / math.sqrt(8)).astype(np.float32)


def everything(x, trials, threshold, low, high, pool):
    """All that the coarse search finds in columns [low, high): seeds, and flags above the threshold."""
    above_threshold = np.zeros(x.shape[1], np.uint8)
    return CoarseSearch(trials, len(x), threshold).seeds(x, [(low, high)], above_threshold, pool), above_threshold


@pytest.mark.parametrize("n_spectra", [2, 16, 33])
@pytest.mark.parametrize("threshold", [5.0, 8.0])
def test_the_seeds_are_the_same_with_and_without_the_upper_bound(pool, monkeypatch, n_spectra, threshold):
    trials, pad = plan_width_trials(n_spectra, 150), 900
    x = np.zeros((n_spectra, 9000 + 2 * pad), np.float32)
    x[:, pad:-pad] = noise(n_spectra, 9000, seed=n_spectra)
    rng = np.random.default_rng(n_spectra)
    for _ in range(30):
        steps, at, width = int(rng.integers(-150, 151)), int(rng.integers(200, 8600)), int(rng.integers(1, 12))
        level = rng.choice([0.5, 1.0, 3.0, 500.0]) * threshold / math.sqrt(n_spectra * width)
        for t in range(n_spectra):
            start = pad + at + reference.path_offset(steps, t, n_spectra)
            x[t, start : start + width] += np.float32(level)

    with_bound, above_threshold = everything(x, trials, threshold, pad, pad + 9000, pool)
    asked = []

    def no_bound(*arguments):
        asked.append(arguments)

    monkeypatch.setattr(coarse_search, "plan_bound", no_bound)
    without, above_without = everything(x, trials, threshold, pad, pad + 9000, pool)
    assert len(asked) == len(trials)
    assert len(with_bound) > 10
    assert with_bound == without
    np.testing.assert_array_equal(above_threshold, above_without)


@pytest.mark.parametrize(("n_spectra", "max_steps"), [(2, 2), (16, 15), (16, 50), (60, 400)])
def test_a_bright_sample_among_columns_clipped_below_is_not_missed(pool, monkeypatch, n_spectra, max_steps):
    """Rounded and clipped, every box of the stride's widest trial that holds it has just `largest_box` quanta."""
    trials, pad = plan_width_trials(n_spectra, max_steps), max_steps + 600
    of_stride = [trial for trial in trials if trial.stride == 1]
    quanta, widest = quantisation(of_stride, n_spectra), of_stride[-1].width
    assert quanta.highest + (widest - 1) * quanta.lowest == quanta.largest_box
    x = np.zeros((n_spectra, 2000 + 2 * pad), np.float32)
    bright = pad + 1000
    x[n_spectra // 2, bright - widest + 1 : bright + widest] = 1.01 * quanta.lowest / quanta.quanta_per_sigma
    x[n_spectra // 2, bright] = 1e4
    with_bound, above_threshold = everything(x, trials, 8.0, pad, pad + 2000, pool)
    assert {seed.width for seed in with_bound} >= {trial.width for trial in of_stride}
    monkeypatch.setattr(coarse_search, "plan_bound", lambda *_: None)
    without, above_without = everything(x, trials, 8.0, pad, pad + 2000, pool)
    assert with_bound == without
    np.testing.assert_array_equal(above_threshold, above_without)


def put_at_the_threshold(x, trial, quanta, threshold, begin, steps):
    """A path just above the threshold, all of whose columns are just below half a quantum more than they round to."""
    n_spectra, per_box = len(x), trial.width // trial.stride
    samples, lost = n_spectra * per_box, 0.499
    needed = threshold * quanta.quanta_per_sigma * math.sqrt(n_spectra * trial.width)
    total = math.ceil(needed - samples * lost)
    whole = np.full(samples, total // samples)
    whole[: total % samples] += 1
    columns = (whole.reshape(n_spectra, per_box) + lost) / (quanta.quanta_per_sigma * trial.stride)
    for t in range(n_spectra):
        start = begin + trial.stride * reference.path_offset(steps, t, n_spectra, trial.stride)
        x[t, start : start + trial.width] = np.repeat(columns[t], trial.stride)


@pytest.mark.parametrize("n_spectra", [2, 16, 60])
@pytest.mark.parametrize("threshold", [6.4, 8.0, 100.0])
def test_the_worst_rounding_costs_nothing(pool, monkeypatch, n_spectra, threshold):
    """One path of each trial, at the limit of its upper bound; elsewhere no power at all."""
    trials, low, high = plan_width_trials(n_spectra, 200), 1000, 4000
    searches = [CoarseSearch(trials, n_spectra, threshold)]
    monkeypatch.setattr(coarse_search, "plan_bound", lambda *_: None)
    searches.append(CoarseSearch(trials, n_spectra, threshold))
    for trial in trials:
        quanta = quantisation([one for one in trials if one.stride == trial.stride], n_spectra)
        if plan_bound(trial, quanta, n_spectra, threshold) is None:
            continue
        for steps in trial.steps[[0, len(trial.steps) // 2, -1]]:
            x = np.zeros((n_spectra, high + low), np.float32)
            put_at_the_threshold(x, trial, quanta, threshold, low + 50 * trial.stride, int(steps))
            found = [one.seeds(x, [(low, high)], np.zeros(x.shape[1], np.uint8), pool) for one in searches]
            assert any(seed.width == trial.width for seed in found[1])
            assert found[0] == found[1]
