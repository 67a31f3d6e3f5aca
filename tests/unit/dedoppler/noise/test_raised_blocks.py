"""Blocks that an emission raises, beside blocks of noise."""

import numpy as np
import pytest

from services.dedoppler.noise.emissions import EXCESS_SIGMA
from services.dedoppler.noise.raised_blocks import BLOCKS_BESIDE, LARGEST_SHARE, MOST_BLOCKS, raised_blocks


@pytest.mark.parametrize("width", [1, 4, 12])
def test_blocks_above_both_sides_are_raised(width):
    level = np.full(40, 100.0)
    level[10 : 10 + width] += 30.0
    expected = np.zeros(40, np.uint8)
    expected[10 : 10 + width] = 1
    np.testing.assert_array_equal(raised_blocks(level, np.full(40, 14.0)), expected)


def test_dips_steps_edges_and_wide_rises_are_the_bands():
    scatter = np.full(60, 14.0)
    for change in (slice(10, 13), slice(30, 60), slice(0, 2), slice(20, 35)):
        level = np.full(60, 100.0)
        level[change] += -40.0 if change == slice(10, 13) else 40.0
        assert not raised_blocks(level, scatter).any()


def test_blocks_without_noise_show_nothing():
    level = np.full(20, 100.0)
    level[10], level[12] = 200.0, np.nan
    assert not raised_blocks(level, np.full(20, 14.0)).any()


def by_the_definition(level, scatter):
    raised = np.zeros(len(level), np.uint8)
    for width in range(1, min(MOST_BLOCKS, int(len(level) * LARGEST_SHARE)) + 1):
        for first in range(BLOCKS_BESIDE, len(level) - width - BLOCKS_BESIDE + 1):
            stop = first + width
            beside = [*range(first - BLOCKS_BESIDE, first), *range(stop, stop + BLOCKS_BESIDE)]
            limit = level[beside].max() + EXCESS_SIGMA * np.median(scatter[beside])
            if level[first:stop].min() > limit:
                raised[first:stop] = 1
    return raised


@pytest.mark.parametrize("seed", range(40))
def test_a_first_look_at_all_blocks_misses_none(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(7, 40))
    level, scatter = rng.normal(100, 1, number), rng.uniform(1, 20, number)
    first = int(rng.integers(0, number))
    level[first : first + int(rng.integers(0, 6))] += rng.uniform(1, 6)
    np.testing.assert_array_equal(raised_blocks(level, scatter), by_the_definition(level, scatter))
