"""The noise between lines: unbiased without lines, and the same with them."""

import numpy as np
import pytest

from science.simulator import make_header
from services.dedoppler.kernels import conditioning
from services.dedoppler.noise.crowded_blocks import noise_between_lines, take_out_lines

AVERAGED = 51.0
BLOCK = 2048
SIGMA = 1 / np.sqrt(AVERAGED)


def gamma(blocks, n_spectra=16, averaged=AVERAGED, seed=1):
    return np.random.default_rng(seed).standard_gamma(averaged, (n_spectra, blocks * BLOCK)) / averaged


def with_lines(power, spacing, seed=2, strongest=60.0):
    """Add lines without drift of SNR 12 to 60 (or stronger)."""
    lines = np.arange(3, power.shape[1] - 3, spacing)
    snr = np.random.default_rng(seed).uniform(12, strongest, len(lines))
    power[:, lines] += snr * power.std(axis=1).mean() / np.sqrt(len(power))
    return power


def measured(power, averaged=AVERAGED, *, whole=False):
    """Return the mean level and sigma over all blocks, and the mean share of lines."""
    blocks = [power[:, begin : begin + BLOCK].astype(np.float32) for begin in range(0, power.shape[1], BLOCK)]
    found = [noise_between_lines(block, averaged, is_whole_numbers=whole) for block in blocks]
    assert all(found)
    return tuple(np.mean([getattr(one, name) for one in found]) for name in ("level", "sigma", "share_of_lines"))


def tiles_of(power, edges):
    shape = len(power), len(edges) - 1
    tiles = conditioning.TileStatistics(
        np.empty(shape), np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.bool_), np.empty((*shape, 6))
    )
    conditioning.tile_statistics(power, edges, 1, tiles)
    return tiles


@pytest.mark.parametrize(
    ("n_spectra", "averaged"), [(16, 10.0), (16, AVERAGED), (16, 1000.0), (4, AVERAGED), (64, AVERAGED)]
)
def test_pure_noise_is_measured_without_bias(n_spectra, averaged):
    """Sigma to 1 %, the level to 1 % of sigma: five times the error of 16 blocks of 4 spectra."""
    level, sigma, share = measured(gamma(16, n_spectra, averaged), averaged)
    assert sigma * np.sqrt(averaged) == pytest.approx(1, rel=0.01)
    assert level == pytest.approx(1, abs=0.01 / np.sqrt(averaged))
    assert share < 0.005


@pytest.mark.parametrize("spacing", [2, 3, 4, 6, 8, 16, 32])
@pytest.mark.parametrize("strongest", [60.0, 1000.0])
def test_lines_at_rest_do_not_count(spacing, strongest):
    level, sigma, share = measured(with_lines(gamma(8), spacing, strongest=strongest))
    assert sigma == pytest.approx(SIGMA, rel=0.01)
    assert level == pytest.approx(1, abs=0.01 * SIGMA)
    assert share == pytest.approx(1 / spacing, abs=0.005)


def test_whole_numbers():
    """Sigma of 8 steps; rounding adds 1/12 of a step squared."""
    power = np.rint(with_lines(gamma(8), 6) * 8 / SIGMA)
    level, sigma, _ = measured(power, whole=True)
    assert sigma == pytest.approx(np.sqrt(64 + 1 / 12), rel=0.01)
    assert level == pytest.approx(8 / SIGMA, abs=0.1)


def test_power_less_its_mean():
    """Its shape is not known; noise of mean 51 spectra passes for normal to 1 %."""
    _, sigma, _ = measured(with_lines(gamma(8), 6) - 1.5)
    assert sigma == pytest.approx(SIGMA, rel=0.015)


@pytest.mark.parametrize("offset", [3.0, 100.0])
def test_a_constant_that_was_added(offset):
    level, sigma, _ = measured(with_lines(gamma(8), 6) + offset)
    assert sigma == pytest.approx(SIGMA, rel=0.015)
    assert level == pytest.approx(1 + offset, abs=0.03 * SIGMA)


def test_each_spectrum_has_its_gain():
    power = with_lines(gamma(1), 6)
    gain = np.linspace(0.5, 2.0, len(power))
    gain[5] = 10.0
    found = noise_between_lines((power * gain[:, None]).astype(np.float32), AVERAGED, is_whole_numbers=False)
    # A spectrum of 2048 samples knows its quantile to 0.4 %, the usual one is the median of them.
    np.testing.assert_allclose(found.level / found.level[0], gain / gain[0], rtol=0.02)
    np.testing.assert_allclose(found.sigma / found.level, SIGMA, rtol=0.02)


def test_lost_spectra_and_samples():
    power = with_lines(gamma(1), 6).astype(np.float32)
    power[4] = np.nan
    power[:, 300:700] = np.nan
    found = noise_between_lines(power, AVERAGED, is_whole_numbers=False)
    assert np.isnan(found.level[4])
    np.testing.assert_allclose(np.delete(found.sigma, 4), SIGMA, rtol=0.03)
    assert noise_between_lines(np.full_like(power, np.nan), AVERAGED, is_whole_numbers=False) is None


@pytest.mark.parametrize("width", [300, 1024, 1800])
def test_a_notch_is_no_crowd(width):
    """Its faint noise is not that of the block."""
    power = gamma(1).astype(np.float32)
    power[:, :width] *= 0.1
    assert noise_between_lines(power, AVERAGED, is_whole_numbers=False) is None


def test_a_slope_of_the_bandpass_does_not_matter():
    power = with_lines(gamma(1), 6) * np.linspace(0.95, 1.05, BLOCK)
    found = noise_between_lines(power.astype(np.float32), AVERAGED, is_whole_numbers=False)
    np.testing.assert_allclose(found.sigma, SIGMA, rtol=0.02)


def test_pure_noise_is_left_as_it_is(pool):
    power = gamma(64).astype(np.float32)
    power[:, 5000] += 3.0
    edges = np.arange(65, dtype=np.int64) * BLOCK
    tiles, before = tiles_of(power, edges), tiles_of(power, edges)
    assert not take_out_lines(power, tiles, edges, 1, make_header(64 * BLOCK), pool).any()
    np.testing.assert_array_equal(tiles.level, before.level)
    np.testing.assert_array_equal(tiles.scatter, before.scatter)


def test_only_crowded_blocks_change(pool):
    power = gamma(8).astype(np.float32)
    with_lines(power[:, 3 * BLOCK : 5 * BLOCK], 6)
    edges = np.arange(9, dtype=np.int64) * BLOCK
    tiles, before = tiles_of(power, edges), tiles_of(power, edges)
    crowded = take_out_lines(power, tiles, edges, 1, make_header(8 * BLOCK), pool)
    assert crowded.tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert before.scatter[:, 3:5].min() > 3 * SIGMA
    np.testing.assert_allclose(tiles.scatter[:, 3:5].mean(), SIGMA, rtol=0.02)
    np.testing.assert_array_equal(tiles.scatter[:, crowded == 0], before.scatter[:, crowded == 0])


def test_few_bits_are_left_as_they_are(pool):
    power = np.clip(np.rint(with_lines(gamma(4), 6)), 0, 3).astype(np.float32)
    edges = np.arange(5, dtype=np.int64) * BLOCK
    header = make_header(4 * BLOCK, n_bits=2)
    assert not take_out_lines(power, tiles_of(power, edges), edges, 1, header, pool).any()
