"""The waterfall's assembly: nothing bright is lost, everything is where its channel is."""

from itertools import pairwise

import numpy as np
import pytest

from services.export.waterfall import ChunkPart, assemble, max_reduce


@pytest.mark.parametrize(("bins", "columns"), [(4096, 700), (700, 700), (64, 700), (1000, 3), (1, 5)])
def test_max_reduce_equals_a_plain_loop(bins, columns):
    rng = np.random.default_rng(2)
    power = rng.normal(size=(3, bins)).astype(np.float32)
    edges = np.arange(bins + 1, dtype=float)
    grid = np.linspace(0, bins, columns + 1)
    expected = np.stack(
        [power[:, (edges[:-1] < hi) & (edges[1:] > lo)].max(axis=1) for lo, hi in pairwise(grid)],
        axis=1,
    )
    np.testing.assert_array_equal(max_reduce(power, edges, columns), expected)


def test_a_tone_of_one_bin_is_as_bright_after_reduction():
    power = np.zeros((2, 4096), np.float32)
    power[:, 1234] = 9.0
    reduced = max_reduce(power, np.arange(4097.0), 700)
    assert reduced.max(axis=1).tolist() == [9.0, 9.0]
    assert int(np.argmax(reduced[0])) == 1234 * 700 // 4096


def part(channels, waterfall):
    return ChunkPart(channels, waterfall, {})


def test_chunks_of_unequal_size_are_drawn_at_their_channels():
    one, two = np.full((2, 10), 1, np.float32), np.full((2, 10), 2, np.float32)
    whole = assemble([part(range(900), one), part(range(900, 1000), two)], 100)
    assert whole[0].tolist() == [1.0] * 90 + [2.0] * 10


def test_chunks_with_fewer_rows_are_stretched():
    one, two = np.array([[1.0], [2.0]], np.float32), np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    assert assemble([part(range(1), one), part(range(1, 2), two)], 2)[:, 0].tolist() == [1, 1, 2, 2]


def test_lost_samples_are_marked_where_nothing_else_is_in_the_column():
    power = np.array([[0.0, 0.0, -1.0, 0.0, 2.0, 3.0]], np.float32)
    assert assemble([part(range(6), power)], 3).tolist() == [[-np.inf, -1.0, 3.0]]
