"""The screen never passes over what exceeds the threshold, and passes over nearly all of what does not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedoppler.kernels.upper_bound import drift_groups, quantised, suspects
from services.dedoppler.search import coarse_search as climb
from services.dedoppler.search.coarse_search import SCREEN_STARTS, Climb
from services.dedoppler.search.upper_bound import plan_screen, quantisation
from services.dedoppler.search.width_trials import Rung, plan_rungs
from tests.unit.dedoppler import reference
from tests.unit.dedoppler.channels import hop_sums, rung_statistics

INT16_MAX = 2**15 - 1
SHAPES = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 2), (6, 1, 3), (8, 1, 4), (12, 2, 6), (16, 2, 8), (24, 4, 12)]
MANY_SPECTRA = [2, 3, 7, 8, 9, 12, 16, 17, 60]


def rung_of(width, hop, step, most=40):
    drifts = np.arange(0, most + 1, step)
    return Rung(width, hop, np.unique(np.concatenate([-drifts, drifts])).astype(np.int64))


def noise(n_spectra, columns, seed):
    """Gamma noise, as of power that is the mean of 8 samples: its tail is longer than the normal one's."""
    return ((np.random.default_rng(seed).gamma(8.0, 1.0, (n_spectra, columns)) - 8) / math.sqrt(8)).astype(np.float32)


def screened(x, first, n_starts, rung, threshold, span):
    """Flags of the screen; start `i` at channel first + i * hop."""
    quanta = quantisation([rung], len(x))
    sums, at = hop_sums(x, first, rung.hop)
    rounded = quantised(
        sums, 0, sums.shape[1] + span, np.float32(quanta.quanta_per_sigma), quanta.lowest, quanta.highest
    )
    sigma = quanta.quanta_per_sigma * math.sqrt(len(x) * rung.width)
    limit = math.floor(threshold * sigma - len(x) * rung.width / rung.hop / 2) - 1
    groups = drift_groups(rung.steps, len(x), rung.hop, span)
    return suspects(rounded, at, n_starts, SCREEN_STARTS, rung.width // rung.hop, *groups, quanta.largest_box, limit)


def everything(x, rungs, threshold, low, high):
    """All that the ladder sees in columns [low, high): seeds and hot flags."""
    hot = np.zeros(x.shape[1], np.uint8)
    return Climb(rungs, len(x), threshold).seeds(x, low, high, hot[low:]), hot


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize(("width", "hop", "step"), SHAPES)
@pytest.mark.parametrize("brightest", [0.0, 6.0, 3000.0])
def test_nothing_above_the_threshold_is_passed_over(n_spectra, width, hop, step, brightest):
    """At thresholds that some noise exceeds, and beside samples so bright that the quanta are cut off."""
    rung = rung_of(width, hop, step)
    x = noise(n_spectra, 700, seed=n_spectra * 100 + width)
    rng = np.random.default_rng(n_spectra)
    x[rng.integers(0, n_spectra, 5), rng.integers(100, 500, 5)] += np.float32(brightest)
    first, n_starts = 100, 400 // hop
    statistics = rung_statistics(x, first, n_starts, width, hop, rung.steps)
    for span in (0, step, 7 * step):
        # At the very largest statistics too, where any loss in the rounding would show.
        for threshold in (1.0, float(np.sort(statistics.ravel())[-50]), np.nextafter(float(statistics.max()), 0.0)):
            found = screened(x, first, n_starts, rung, threshold, span)
            assert found.shape == (1, len(rung.steps))
            missed = (statistics > threshold).any(axis=1) & (found[0] == 0)
            assert not missed.any(), rung.steps[missed]


@pytest.mark.parametrize(("width", "hop", "step"), SHAPES)
def test_groups_of_one_drift_are_bounded_by_their_own_sums(width, hop, step):
    """A threshold above a drift's largest statistic by what rounding may cost clears this drift, and no other."""
    rung, n_spectra = rung_of(width, hop, step), 16
    x = noise(n_spectra, 700, seed=width)
    first, n_starts = 100, 400 // hop
    largest = rung_statistics(x, first, n_starts, width, hop, rung.steps).max(axis=1)
    quanta = quantisation([rung], n_spectra)
    sigma = quanta.quanta_per_sigma * math.sqrt(n_spectra * width)
    rounding = (n_spectra * width / hop + 2) / sigma
    for d in (0, len(rung.steps) // 2, len(rung.steps) - 1):
        above = screened(x, first, n_starts, rung, largest[d] + rounding, 0)[0]
        assert above[d] == 0
        np.testing.assert_array_equal(above[largest > largest[d] + rounding], 1)


def test_most_noise_is_passed_over_and_a_tone_is_not():
    n_spectra, threshold = 16, 8.0
    x = noise(n_spectra, 30_000, seed=5)
    n_starts = 28_000
    for rung in plan_rungs(n_spectra, 60):
        screen = plan_screen(rung, quantisation([rung], n_spectra), n_spectra, threshold)
        assert screen is not None
        found = screened(x, 1000, n_starts // rung.hop, rung, threshold, screen.span)
        assert found.mean() < 0.1
    rung = plan_rungs(n_spectra, 60)[0]
    for t in range(n_spectra):
        x[t, 20_000 + reference.path_offset(9, t, n_spectra)] += np.float32(4.0)
    with_tone = screened(x, 1000, n_starts, rung, threshold, 2)
    its_tile = 19_000 // SCREEN_STARTS
    assert with_tone[its_tile, rung.steps == 9] == 1
    assert not np.delete(with_tone, its_tile, axis=0).any()


@pytest.mark.parametrize("n_spectra", [2, 5, 16, 60])
@pytest.mark.parametrize("hop", [1, 2, 4])
@pytest.mark.parametrize("span", [0, 3, 10, 500])
def test_windows_hold_the_paths_of_their_group(n_spectra, hop, span):
    drifts = np.concatenate([np.arange(-90, -39, 3), np.arange(40, 91, 3)])
    groups, offsets, windows = drift_groups(drifts, n_spectra, hop, span)
    assert groups[0, 0] == 0
    assert groups[-1, 1] == len(drifts)
    np.testing.assert_array_equal(groups[1:, 0], groups[:-1, 1])
    width_needed = np.ones(n_spectra, int)
    for (begin, stop), begins_at in zip(groups, offsets, strict=True):
        assert drifts[stop - 1] - drifts[begin] <= span
        for t in range(n_spectra):
            places = [reference.path_offset(int(steps), t, n_spectra, hop) for steps in drifts[begin:stop]]
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


@settings(deadline=None)
@given(
    n_spectra=st.integers(2, 100_000),
    widths=st.sets(st.sampled_from([1, 2, 3, 4, 6, 8]), min_size=1),
    bits=st.integers(0, 2**32 - 1),
)
def test_whatever_holds_a_column_that_was_cut_off_is_no_smaller_than_the_largest_box(n_spectra, widths, bits):
    rungs = [Rung(width, 1, np.array([0])) for width in widths]
    quanta = quantisation(rungs, n_spectra)
    assert n_spectra * quanta.largest_box <= INT16_MAX
    assert -INT16_MAX <= quanta.lowest <= 0
    for width in widths:
        assert width * quanta.highest <= INT16_MAX
        others = np.random.default_rng(bits).integers(quanta.lowest, quanta.highest + 1, width - 1)
        assert quanta.highest + others.sum() >= quanta.largest_box
        assert quanta.highest + (width - 1) * quanta.lowest >= quanta.largest_box


@pytest.mark.parametrize("n_spectra", [16, 60])
def test_groups_are_wider_the_higher_the_threshold(n_spectra):
    for rung in plan_rungs(n_spectra, 400):
        quanta = quantisation([rung], n_spectra)
        spans = [plan_screen(rung, quanta, n_spectra, threshold) for threshold in (2.0, 4.0, 8.0, 20.0, 40.0)]
        assert spans[0] is None
        assert spans[-1] is not None
        known = [screen.span for screen in spans if screen]
        assert known == sorted(known)
        assert known[-1] > known[0] or len(known) == 1


def test_nothing_is_screened_where_quanta_are_too_coarse():
    rung = plan_rungs(4096, 100)[0]
    assert plan_screen(rung, quantisation([rung], 4096), 4096, 8.0) is None
    assert plan_screen(rung, quantisation([rung], 10**6), 10**6, 8.0) is None


@pytest.mark.parametrize("n_spectra", [2, 16, 33])
@pytest.mark.parametrize("threshold", [5.0, 8.0])
def test_the_ladder_sees_the_same_with_and_without_the_screen(monkeypatch, n_spectra, threshold):
    rungs, pad = plan_rungs(n_spectra, 150), 900
    x = np.zeros((n_spectra, 9000 + 2 * pad), np.float32)
    x[:, pad:-pad] = noise(n_spectra, 9000, seed=n_spectra)
    rng = np.random.default_rng(n_spectra)
    for _ in range(30):
        steps, at, width = int(rng.integers(-150, 151)), int(rng.integers(200, 8600)), int(rng.integers(1, 12))
        level = rng.choice([0.5, 1.0, 3.0, 500.0]) * threshold / math.sqrt(n_spectra * width)
        for t in range(n_spectra):
            start = pad + at + reference.path_offset(steps, t, n_spectra)
            x[t, start : start + width] += np.float32(level)

    with_screen, hot = everything(x, rungs, threshold, pad, pad + 9000)
    looked_at = []

    def no_screen(*plan):
        looked_at.append(plan)

    monkeypatch.setattr(climb, "plan_screen", no_screen)
    without, hot_without = everything(x, rungs, threshold, pad, pad + 9000)
    assert len(looked_at) == len(rungs)
    assert len(with_screen) > 10
    assert with_screen == without
    np.testing.assert_array_equal(hot, hot_without)


@pytest.mark.parametrize(("n_spectra", "max_steps"), [(2, 2), (16, 15), (16, 50), (60, 400)])
def test_a_bright_sample_among_columns_cut_off_below_is_not_passed_over(monkeypatch, n_spectra, max_steps):
    """Rounded and cut off, every box of the hop's widest rung that holds it has `largest_box` quanta and no more."""
    rungs, pad = plan_rungs(n_spectra, max_steps), max_steps + 600
    of_hop = [rung for rung in rungs if rung.hop == 1]
    quanta, widest = quantisation(of_hop, n_spectra), of_hop[-1].width
    assert quanta.highest + (widest - 1) * quanta.lowest == quanta.largest_box
    x = np.zeros((n_spectra, 2000 + 2 * pad), np.float32)
    bright = pad + 1000
    x[n_spectra // 2, bright - widest + 1 : bright + widest] = 1.01 * quanta.lowest / quanta.quanta_per_sigma
    x[n_spectra // 2, bright] = 1e4
    with_screen, hot = everything(x, rungs, 8.0, pad, pad + 2000)
    assert {seed.width for seed in with_screen} >= {rung.width for rung in of_hop}
    monkeypatch.setattr(climb, "plan_screen", lambda *_: None)
    without, hot_without = everything(x, rungs, 8.0, pad, pad + 2000)
    assert with_screen == without
    np.testing.assert_array_equal(hot, hot_without)


def put_at_the_threshold(x, rung, quanta, threshold, begin, steps):
    """A path just above the threshold, all of whose columns are just below half a quantum more than they round to."""
    n_spectra, per_box = len(x), rung.width // rung.hop
    samples, lost = n_spectra * per_box, 0.499
    needed = threshold * quanta.quanta_per_sigma * math.sqrt(n_spectra * rung.width)
    total = math.ceil(needed - samples * lost)
    whole = np.full(samples, total // samples)
    whole[: total % samples] += 1
    columns = (whole.reshape(n_spectra, per_box) + lost) / (quanta.quanta_per_sigma * rung.hop)
    for t in range(n_spectra):
        start = begin + rung.hop * reference.path_offset(steps, t, n_spectra, rung.hop)
        x[t, start : start + rung.width] = np.repeat(columns[t], rung.hop)


@pytest.mark.parametrize("n_spectra", [2, 16, 60])
@pytest.mark.parametrize("threshold", [6.4, 8.0, 100.0])
def test_the_worst_rounding_costs_nothing(monkeypatch, n_spectra, threshold):
    """One path of each rung, where the limit of its screen allows for no more; elsewhere no power at all."""
    rungs, low, high = plan_rungs(n_spectra, 200), 1000, 4000
    climbs = [Climb(rungs, n_spectra, threshold)]
    monkeypatch.setattr(climb, "plan_screen", lambda *_: None)
    climbs.append(Climb(rungs, n_spectra, threshold))
    for rung in rungs:
        quanta = quantisation([one for one in rungs if one.hop == rung.hop], n_spectra)
        if plan_screen(rung, quanta, n_spectra, threshold) is None:
            continue
        for steps in rung.steps[[0, len(rung.steps) // 2, -1]]:
            x = np.zeros((n_spectra, high + low), np.float32)
            put_at_the_threshold(x, rung, quanta, threshold, low + 50 * rung.hop, int(steps))
            found = [one.seeds(x, low, high, np.zeros(x.shape[1], np.uint8)) for one in climbs]
            assert any(seed.width == rung.width for seed in found[1])
            assert found[0] == found[1]
