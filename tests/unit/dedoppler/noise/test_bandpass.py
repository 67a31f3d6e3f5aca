"""Joining the tiles' statistics into a bandpass, and its nodes."""

from itertools import pairwise

import numpy as np
import pytest

from services.dedoppler.noise.bandpass import join_bandpass, nodes


def tiles(level, scatter, number=1000):
    level, scatter = np.atleast_2d(np.asarray(level, float)), np.atleast_2d(np.asarray(scatter, float))
    return level, scatter, np.broadcast_to(np.asarray(number, np.int64), level.shape)


def test_flat_noise():
    bandpass = join_bandpass(*tiles(np.full((4, 7), 100.0), np.full((4, 7), 14.0)))
    np.testing.assert_allclose(bandpass.level, 100)
    np.testing.assert_allclose(bandpass.sigma, 14)
    np.testing.assert_array_equal(bandpass.tile_offset, 0)
    assert bandpass.tile_ok.all()


def test_no_noise_at_all():
    assert join_bandpass(*tiles(np.zeros((4, 3)), np.zeros((4, 3)), 0)) is None


def test_level_is_a_mean_and_sigma_a_median_over_the_good_tiles():
    level = np.array([[100.0], [110.0], [9e9]])
    scatter = np.array([[10.0], [11.0], [9e9]])
    bandpass = join_bandpass(level, scatter, np.array([[5], [5], [0]]))
    assert bandpass.level.tolist() == [105]
    assert bandpass.sigma.tolist() == pytest.approx([10.5])
    assert bandpass.tile_ok[:, 0].tolist() == [True, True, False]


def test_blocks_without_noise_take_their_neighbours():
    number = np.array([[1, 1, 1, 0, 0, 1, 1, 1, 0]])
    level = np.where(number, [[100, 100, 100, 0, 0, 130, 130, 130, 0]], 5e9).astype(float)
    bandpass = join_bandpass(level, np.where(number, 10.0, 7e9), number)
    np.testing.assert_allclose(bandpass.level, [100, 100, 100, 110, 120, 130, 130, 130, 130])
    assert np.isfinite(bandpass.sigma).all()
    assert bandpass.sigma.max() < 15


@pytest.mark.parametrize("blocks", [1, 2, 4, 5, 6, 30])
def test_sigma_is_the_median_of_the_five_nearest_blocks(blocks):
    scatter = np.random.default_rng(blocks).uniform(10, 20, (1, blocks))
    bandpass = join_bandpass(*tiles(np.full((1, blocks), 100.0), scatter))
    for b in range(blocks):
        first = min(max(b - 2, 0), max(0, blocks - 5))
        assert bandpass.sigma[b] == pytest.approx(np.median(scatter[0, first : first + 5]))


@pytest.mark.parametrize("at", range(9))
def test_a_bright_signal_in_one_block_does_not_pass_for_noise(at):
    """In any block, at the ends too."""
    scatter = np.full((16, 9), 14.0)
    scatter[:, at] *= 2
    bandpass = join_bandpass(*tiles(np.full((16, 9), 100.0), scatter))
    np.testing.assert_allclose(bandpass.sigma, 14.0)


def test_sigma_follows_the_shape_of_the_band():
    """Gain and scatter fall together at the ends of a coarse channel; sigma must not take over its neighbours'."""
    gain = np.array([0.3, 0.5, 0.8, 1, 1, 1, 1, 0.8, 0.5, 0.3])
    bandpass = join_bandpass(*tiles(100 * gain, 14 * gain))
    np.testing.assert_allclose(bandpass.sigma, 14 * gain)


def test_power_less_its_mean_has_sigma_all_the_same():
    bandpass = join_bandpass(*tiles([-0.1, 0.1, 0.0, 0.05, 0.0, -0.2], [1, 1, 1.1, 1, 1, 1]))
    np.testing.assert_allclose(bandpass.sigma, 1.0)


def test_spectra_that_are_brighter_as_a_whole():
    offset = np.array([0.0, 3.0, -1.0, 0.0])
    level = np.full((4, 6), 100.0) + 10 * offset[:, None]
    bandpass = join_bandpass(*tiles(level, np.full((4, 6), 10.0)))
    # The mean over the four spectra is in the level.
    np.testing.assert_allclose(bandpass.tile_offset, offset - offset.mean())
    np.testing.assert_allclose(bandpass.level, 105)


def test_a_lost_spectrum_has_no_offset():
    number = np.ones((3, 4), np.int64)
    number[1] = 0
    bandpass = join_bandpass(np.full((3, 4), 100.0), np.full((3, 4), 10.0), number)
    np.testing.assert_array_equal(bandpass.tile_offset, 0)


def test_a_broad_signal_of_one_block_does_not_shift_a_whole_spectrum():
    level = np.full((3, 9), 100.0)
    level[1, 4] = 500.0
    bandpass = join_bandpass(*tiles(level, np.full((3, 9), 10.0)))
    np.testing.assert_allclose(bandpass.tile_offset, 0, atol=1e-12)


def test_nodes_of_one_block_are_flat():
    centres, values = nodes(np.array([0, 10]), np.array([5.0]), positive=True)
    assert (centres.tolist(), values.tolist()) == ([4.5], [5.0])


def test_nodes_follow_a_line_to_the_ends():
    edges = np.array([0, 100, 250, 300])
    line = 3.0 + 0.5 * np.arange(300)
    means = np.array([line[low:high].mean() for low, high in pairwise(edges)])
    centres, values = nodes(edges, means, positive=False)
    assert (centres[0], centres[-1]) == (-0.5, 299.5)
    np.testing.assert_allclose(np.interp(np.arange(300), centres, values), line)


def test_sigma_stays_positive_at_the_ends():
    edges = np.array([0, 2048, 4096])
    _, free = nodes(edges, np.array([1.0, 9.0]), positive=False)
    _, kept = nodes(edges, np.array([1.0, 9.0]), positive=True)
    assert free[0] < 0
    assert kept[0] == 0.5
    np.testing.assert_array_equal(free[1:], kept[1:])
