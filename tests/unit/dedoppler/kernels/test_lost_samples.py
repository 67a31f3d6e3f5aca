"""Lost samples, by their definition."""

from itertools import groupby

import numpy as np
import pytest

from services.dedoppler.kernels import lost_samples

NONE = np.float32(np.nan)


def marked_by_definition(power, zero_is_lost, shortest_run, saturated):
    """Row by row, run by run."""
    out = power.copy()
    for t, row in enumerate(power):
        at = 0
        # NaN is equal to nothing, so each one is a run of its own.
        for key, group in groupby(enumerate(row), key=lambda item: float(item[1]) if item[1] == item[1] else item):
            length = len(list(group))
            if not isinstance(key, tuple) and (
                (zero_is_lost and key == 0) or (length >= shortest_run and key != saturated)
            ):
                # With few bits the samples beside a run are lost too, unless no noise has its value.
                beside = int(saturated == saturated and length >= shortest_run and not (zero_is_lost and key == 0))
                out[t, max(0, at - beside) : at + length + beside] = np.nan
            at += length
    return out


@pytest.mark.parametrize("zero_is_lost", [True, False])
@pytest.mark.parametrize("saturated", [NONE, np.float32(2)])
@pytest.mark.parametrize("shortest_run", [3, 4, 7])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5, 400])
def test_runs_and_zeros_by_their_definition(zero_is_lost, saturated, shortest_run, n_channels):
    rng = np.random.default_rng(3)
    power = rng.choice([0.0, 1.0, 2.0, 3.0, np.nan], (40, n_channels), p=[0.1, 0.5, 0.2, 0.15, 0.05]).astype(np.float32)
    expected = marked_by_definition(power, zero_is_lost, shortest_run, saturated)
    lost_samples.mark_lost(power, 0, n_channels, zero_is_lost, shortest_run, saturated)
    np.testing.assert_array_equal(power, expected)


def test_only_the_given_channels_are_marked():
    power = np.zeros((2, 30), np.float32)
    lost_samples.mark_lost(power, 10, 20, True, 3, NONE)
    np.testing.assert_array_equal(np.isnan(power), [[10 <= c < 20 for c in range(30)]] * 2)


@pytest.mark.parametrize("saturated", [NONE, np.float32(2)])
@pytest.mark.parametrize("border", [1, 7, 50, 99])
def test_runs_that_go_across_a_channel(saturated, border):
    """With both sides marked separately, and these runs, all is marked that is marked together."""
    rng = np.random.default_rng(4)
    power = rng.choice([0.0, 1.0, 2.0], (200, 100), p=[0.1, 0.7, 0.2]).astype(np.float32)
    together, apart = power.copy(), power.copy()
    lost_samples.mark_lost(together, 0, 100, False, 5, saturated)
    across = lost_samples.runs_across(power, border, 5, saturated)
    lost_samples.mark_lost(apart, 0, border, False, 5, saturated)
    lost_samples.mark_lost(apart, border, 100, False, 5, saturated)
    for t, start, stop in across:
        apart[t, start:stop] = np.nan
    # Where a run ends at the border, the sample beside it is beyond.
    few_bits = int(saturated == saturated)
    near = slice(border - few_bits, border + few_bits)
    together[:, near], apart[:, near] = 0.0, 0.0
    np.testing.assert_array_equal(apart, together)
    assert len(across) > 20


@pytest.mark.parametrize(
    ("place", "value"), [((1, 3), 0.0), ((1, 9), 0.0), ((1, 4), 5.0), ((1, 9), 8.0), ((0, 0), 1.0), ((0, 0), np.nan)]
)
def test_regular_power(place, value):
    power = np.tile(np.arange(10, dtype=np.float32), (3, 1)) + np.float32(0.5)
    assert lost_samples.is_regular(power, 0, 3, 0, 10)
    power[place] = value
    neighbours = power[place[0]]
    expected = not ((neighbours[1:] == neighbours[:-1]).any() or (neighbours == 0).any())
    assert lost_samples.is_regular(power, 0, 3, 0, 10) == expected


def test_chance_equality_leaves_runs_out():
    """A lost run hides nothing: the probability is that of the noise, a quarter."""
    power = np.random.default_rng(1).integers(1, 5, (8, 4000)).astype(np.float32)
    power[:, 500:3000] = 9.0
    equal, pairs = lost_samples.chance_equality(power, 0, 4000, 1)
    assert pairs == pytest.approx(0.75 * 8 * 1500, rel=0.05)
    assert equal / pairs == pytest.approx(0.25, abs=0.02)


def test_each_value_repeats_as_often_as_it_occurs():
    """Of ones that are 5 % of the samples, 95 % of the zeros are followed by a zero; a lost run counts once."""
    power = (np.random.default_rng(2).random((16, 4000)) < 0.05).astype(np.float32)
    power[:, 1000:3000] = 0.0
    power[3] = np.nan
    equal, changes = np.zeros((2, 4), np.int64)
    lost_samples.repeats_by_value(power, 10, 3900, equal, changes)
    expected = np.zeros((2, 4), np.int64)
    for row in power[[*range(3), *range(4, 16)]]:
        for before, value, after in zip(row[10:3898], row[11:3899], row[12:3900], strict=True):
            if value != before:
                expected[:, int(value)] += after == value, 1
    np.testing.assert_array_equal([equal, changes], expected)
    assert equal[0] / changes[0] == pytest.approx(0.95, abs=0.02)
    assert equal[1] / changes[1] == pytest.approx(0.05, abs=0.02)


def dead(power):
    flags = np.full(power.shape[1], 9, np.uint8)
    by_chance = lost_samples.dead_channels(power, flags)
    return flags.tolist(), by_chance


def test_dead_channels():
    power = np.random.default_rng(0).gamma(51.0, 1.0, (6, 7)).astype(np.float32)
    power[:, 0] = 5.0
    power[:, 1] = np.nan
    power[:, 2] = [np.nan, 4, 4, 4, np.inf, 4]  # one value wherever there is one
    power[:, 3] = [0, 4, 4, 4, 4, 4]
    power[:, 4] = [np.nan, np.nan, 4, np.nan, np.nan, np.nan]  # a single sample proves nothing
    power[:, 5] = [4, 4, 4, 4, 4, 5]
    assert dead(power) == ([1, 1, 1, 0, 0, 0, 0], 1)


def test_dead_channels_by_their_definition():
    """Few values, so that neighbours are often equal, and every tenth sample lost in some way."""
    rng = np.random.default_rng(4)
    power = rng.integers(0, 3, (4, 3000)).astype(np.float32)
    power[rng.random(power.shape) < 0.1] = np.nan
    power[rng.random(power.shape) < 0.05] = np.inf
    expected, by_chance = [], 0
    for channel in power.T:
        good = channel[np.isfinite(channel)]
        expected.append(int(len(good) != 1 and len(set(good)) <= 1))
        by_chance += len(set(good)) > 1 and good[0] == good[1]
    assert dead(power) == (expected, by_chance)


def test_how_often_neighbours_in_time_are_equal_by_chance():
    power = np.random.default_rng(1).integers(0, 4, (16, 4000)).astype(np.float32)
    flags, by_chance = dead(power)
    assert not any(flags)
    assert by_chance == np.sum(power[0] == power[1])


def test_spectra_with_samples():
    power = np.ones((5, 9), np.float32)
    power[1] = np.nan
    power[2] = np.inf
    power[3, :8] = np.nan
    assert lost_samples.spectra_with_samples(power) == 3
