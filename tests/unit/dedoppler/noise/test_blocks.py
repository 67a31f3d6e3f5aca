"""The blocks and tiles in which noise is measured."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedoppler.noise.blocks import (
    BLOCK_CHANNELS,
    NARROWEST_BLOCK,
    TILE_SAMPLES,
    noise_segments,
    rows_per_tile,
)


def check_tiling(segments, first, stop):
    assert segments[0][0] == first
    assert segments[-1][-1] == stop
    for before, after in pairwise(segments):
        assert before[-1] == after[0]
    for edges in segments:
        assert edges.dtype == np.int64
        assert (np.diff(edges) > 0).all()


@settings(deadline=None)
@given(
    n_channels=st.integers(1, 300_000),
    coarse=st.one_of(st.none(), st.integers(1, 70_000)),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_segments_tile_the_range_on_the_grid_of_the_file(n_channels, coarse, low, high):
    first, stop = sorted((int(low * n_channels), int(high * n_channels)))
    first = min(first, n_channels - 1)
    stop = max(stop, first + 1)
    if coarse:
        coarse = max(coarse, n_channels // 200 + 1)
    whole = noise_segments(0, n_channels, n_channels, coarse)
    part = noise_segments(first, stop, n_channels, coarse)
    check_tiling(whole, 0, n_channels)
    check_tiling(part, first, stop)
    grid = set(np.concatenate(whole).tolist())
    inner = np.concatenate(part)[1:-1]
    assert set(inner.tolist()) <= grid | {first, stop}
    if coarse:
        assert all(edges[0] // coarse == (edges[-1] - 1) // coarse for edges in whole)


@pytest.mark.parametrize("coarse", [None, 2**17, 2**15, 3000])
def test_blocks_are_about_the_wanted_width(coarse):
    for edges in noise_segments(0, 2**17, 2**17, coarse):
        width = np.diff(edges)
        assert width.max() - width.min() <= 1
        assert 2 / 3 * BLOCK_CHANNELS <= width.mean() <= 3 / 2 * BLOCK_CHANNELS


def test_narrow_remains_join_their_neighbour():
    # The file's blocks end at multiples of 2048. 100 channels of one block on the left, 50 of another on the right.
    (edges,) = noise_segments(4096 - 100, 8192 + 50, 2**15, None)
    assert edges.tolist() == [3996, 6144, 8242]
    low, high = 4096 - NARROWEST_BLOCK - 1, 6144 + NARROWEST_BLOCK + 1
    (edges,) = noise_segments(low, high, 2**15, None)
    assert edges.tolist() == [low, 4096, 6144, high]


@pytest.mark.parametrize("n_channels", [1, 2, 16, 100, 2047])
def test_a_narrow_file_is_one_block(n_channels):
    (edges,) = noise_segments(0, n_channels, n_channels, None)
    assert edges.tolist() == [0, n_channels]


def test_tiles_hold_enough_samples_and_are_not_too_many():
    assert rows_per_tile(16, 2048) == 1
    assert rows_per_tile(16, 512) == 1
    assert rows_per_tile(16, 100) == 6
    assert TILE_SAMPLES <= 6 * 100
    assert rows_per_tile(16, 1) == 16
    assert rows_per_tile(2048, 2048) == 8
