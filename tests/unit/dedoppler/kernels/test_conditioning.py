"""From raw power to normalised noise, against numpy."""

import math
from itertools import pairwise

import numpy as np
import pytest

from services.dedoppler.kernels import conditioning
from tests.unit.dedoppler import reference


def gamma(shape, size, seed=1, mean=100.0):
    return np.random.default_rng(seed).gamma(shape, mean / shape, size).astype(np.float32)


def statistics(power, edges, rows_per_tile=1):
    edges = np.asarray(edges, np.int64)
    tiles, blocks = math.ceil(len(power) / rows_per_tile), len(edges) - 1
    level, scatter = np.empty((tiles, blocks)), np.empty((tiles, blocks))
    number, irregular = np.empty((tiles, blocks), np.int64), np.empty((tiles, blocks), np.bool_)
    conditioning.tile_statistics(
        power,
        edges,
        rows_per_tile,
        conditioning.TileStatistics(level, scatter, number, irregular, np.empty((tiles, blocks, 6))),
    )
    for k, b in np.ndindex(irregular.shape):
        tile = power[k * rows_per_tile : (k + 1) * rows_per_tile, edges[b] : edges[b + 1]]
        assert irregular[k, b] == ((tile == 0).any() or (tile[:, 1:] == tile[:, :-1]).any())
    return level, scatter, number


@pytest.mark.parametrize("shape", [3.0, 51.0, 3000.0])
@pytest.mark.parametrize("rows_per_tile", [1, 3, 16])
def test_tiles_agree_with_the_clipped_mean_and_deviation(shape, rows_per_tile):
    power = gamma(shape, (16, 4000))
    power[:, 1000:1003] *= 50
    edges = [0, 900, 2000, 2300, 4000]
    level, scatter, number = statistics(power, edges, rows_per_tile)
    for k in range(len(level)):
        tile_rows = power[k * rows_per_tile : (k + 1) * rows_per_tile]
        for b, (low, high) in enumerate(pairwise(edges)):
            mean, deviation, kept = reference.clipped_moments(tile_rows[:, low:high])
            # The kernel clips round a first guess from 128 samples, so a sample in a thousand may differ.
            assert number[k, b] == pytest.approx(kept, rel=1e-3)
            assert level[k, b] == pytest.approx(mean, abs=0.01 * deviation)
            assert scatter[k, b] == pytest.approx(deviation, rel=0.01)


def test_noise_without_outliers_is_measured_without_bias():
    """Relative error of sigma over 64 tiles of 2048: 1 / sqrt(2 * 64 * 2048) = 0.2 %, allowed three times that."""
    level, scatter, _ = statistics(gamma(51.0, (16, 8192)), [0, 2048, 4096, 6144, 8192])
    sigma = 100 / math.sqrt(51)
    assert level.mean() == pytest.approx(100, abs=3 * sigma / math.sqrt(16 * 8192))
    assert scatter.mean() == pytest.approx(sigma, rel=0.006)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row + 70,
        lambda row: row + 1000,
        lambda row: 3 * row,
        lambda row: 100 * row,
        lambda row: row / 100,
        lambda row: np.where(np.arange(len(row)) % 3 == 0, 0, row),
        lambda row: np.where(np.arange(len(row)) % 50 == 0, 1e5, row),
        lambda row: np.where(np.arange(len(row)) % 3 == 0, np.nan, row),
    ],
)
def test_a_spectrum_unlike_the_one_before_is_measured_as_if_alone(change):
    """Brighter, fainter, with more or less scatter, half lost, full of tones."""
    power = gamma(51.0, (3, 4096))
    power[1] = change(power[1])
    level, scatter, number = statistics(power, [0, 2048, 4096])
    for t in range(3):
        alone = statistics(power[t : t + 1].copy(), [0, 2048, 4096])
        # Clipping converges to a thousandth of sigma.
        np.testing.assert_allclose(scatter[t], alone[1][0], rtol=2e-3)
        np.testing.assert_allclose(level[t], alone[0][0], atol=2e-3 * scatter[t].max())
        np.testing.assert_allclose(number[t], alone[2][0], atol=2)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e10, 1e20, 1e30])
def test_tiles_scale_with_the_power(scale):
    """Squares of such powers are beyond float32. Level and scatter themselves scale to float32's precision."""
    power = gamma(51.0, (4, 2048))
    one, scaled = statistics(power, [0, 2048]), statistics(power * np.float32(scale), [0, 2048])
    np.testing.assert_allclose(scaled[0], one[0] * scale, rtol=1e-5)
    np.testing.assert_allclose(scaled[1], one[1] * scale, rtol=1e-5)
    np.testing.assert_array_equal(scaled[2], one[2])


def test_samples_that_are_not_finite_drop_out():
    power = gamma(51.0, (1, 2000))
    clean = statistics(np.ascontiguousarray(power[:, 300:]), [0, 1700])
    power[0, :100], power[0, 100:200], power[0, 200:300] = np.nan, np.inf, -np.inf
    level, scatter, number = statistics(power, [0, 2000])
    assert number[0, 0] == clean[2][0, 0]
    # The same samples; only the first guess, from which they are clipped, is another.
    assert level[0, 0] == pytest.approx(clean[0][0, 0], rel=1e-5)
    assert scatter[0, 0] == pytest.approx(clean[1][0, 0], rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 7.5, -3.0, np.nan, np.inf])
def test_a_tile_of_one_value_holds_no_noise(value):
    power = gamma(51.0, (2, 1024))
    power[1, :512] = value
    _, _, number = statistics(power, [0, 512, 1024])
    assert number[1, 0] == 0
    assert (number[0, 0], number[0, 1], number[1, 1]) == (512, 512, 512)


def test_one_value_beside_nan_holds_no_noise():
    power = np.full((1, 512), 3.0, np.float32)
    power[0, ::7] = np.nan
    assert statistics(power, [0, 512])[2][0, 0] == 0


def test_few_bits_where_half_of_the_samples_are_equal():
    """The median deviation is 0 there; the scatter is still that of the samples."""
    power = np.random.default_rng(2).choice([1.0, 2.0, 3.0], (4, 4096), p=[0.1, 0.8, 0.1]).astype(np.float32)
    level, scatter, number = statistics(power, [0, 4096])
    np.testing.assert_array_equal(number, 4096)
    np.testing.assert_allclose(level[:, 0], power.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(scatter[:, 0], power.std(axis=1), rtol=1e-4)


def normalised(power, centres, level, sigma, *, pad=5, low=0, high=None, offset=None):
    n_spectra, n_channels = power.shape
    x = np.full((n_spectra, n_channels + 2 * pad), 7.0, np.float32)
    nodes = conditioning.Nodes(*(np.asarray(values, np.float64) for values in (centres, level, sigma)))
    offset = np.zeros(n_spectra, np.float32) if offset is None else np.asarray(offset, np.float32)
    channels = low, n_channels if high is None else high
    lost = conditioning.normalise(power, channels, nodes, offset, x, pad)
    return x, lost


def test_normalise_interpolates_as_numpy_does():
    power = gamma(51.0, (5, 400))
    centres, level, sigma = [20.5, 100, 180.25, 350], [90, 120, 80, 100], [10, 14, 9, 20]
    offset = [0.5, -0.25, 0, 1, 2]
    x, lost = normalised(power, centres, level, sigma, offset=offset)
    c = np.arange(400)
    base, spread = np.interp(c, centres, level), np.interp(c, centres, sigma)
    expected = (power - base) / spread - np.array(offset)[:, None]
    assert lost == 0
    # float32: power of about 100 less a level of about 100, over a sigma of 10.
    np.testing.assert_allclose(x[:, 5:-5], expected, atol=5e-6)
    assert (x[:, :5] == 7).all()
    assert (x[:, -5:] == 7).all()


def test_normalise_is_one_line_across_its_strips():
    """Channels enough for several strips, and blocks that end within them."""
    power = gamma(51.0, (2, 30_000))
    power[1, 8191:8193] = np.nan
    centres = np.arange(-700.5, 31_000, 1234.5)
    rng = np.random.default_rng(1)
    level, sigma = rng.normal(100, 5, len(centres)), rng.normal(14, 1, len(centres))
    x, lost = normalised(power, centres, level, sigma, low=100, high=29_900)
    c = np.arange(30_000)
    expected = (power - np.interp(c, centres, level)) / np.interp(c, centres, sigma)
    expected[1, 8191:8193] = 0.0
    assert lost == 2
    np.testing.assert_allclose(x[:, 105:29_905], expected[:, 100:29_900], atol=5e-6)


def test_normalise_fills_in_only_its_channels():
    power = gamma(51.0, (3, 100))
    whole, _ = normalised(power, [10, 90], [90, 110], [14, 15])
    part, _ = normalised(power, [10, 90], [90, 110], [14, 15], low=30, high=60)
    np.testing.assert_array_equal(part[:, 35:65], whole[:, 35:65])
    assert (part[:, :35] == 7).all()
    assert (part[:, 65:] == 7).all()


def test_one_node_is_flat():
    power = gamma(51.0, (3, 50))
    x, _ = normalised(power, [24.5], [100], [10])
    np.testing.assert_allclose(x[:, 5:-5], (power - 100) / 10, atol=5e-6)


def test_what_is_lost_becomes_zero_and_is_counted():
    power = gamma(51.0, (4, 60))
    power[0, 3], power[1, 4], power[2, 5], power[3, 6] = np.nan, np.inf, -np.inf, 0.0
    x, lost = normalised(power, [30], [100], [10])
    assert lost == 3
    assert [x[0, 8], x[1, 9], x[2, 10]] == [0, 0, 0]
    assert x[3, 11] == pytest.approx(-10)
    assert np.isfinite(x).all()


def test_blanked_tiles_are_counted_once():
    x = np.ones((3, 50), np.float32)
    x[1, 12] = 0.0  # lost already
    row_ok = np.array([[True, True, True], [True, False, True], [False, True, True]])
    lost = conditioning.blank_tiles(x, 2, np.array([0, 10, 30, 46]), row_ok)
    assert lost == 19 + 10
    expected = np.ones((3, 50), np.float32)
    expected[1, 12:32] = 0
    expected[2, 2:12] = 0
    np.testing.assert_array_equal(x, expected)


def test_spikes_become_the_mean_of_their_neighbours():
    x = gamma(51.0, (3, 40))
    before = x.copy()
    # Columns 4 to 35 hold the band: the first and the last have one neighbour each.
    conditioning.repair_spikes(x, np.array([4, 20, 35]), 4, 36)
    np.testing.assert_allclose(x[:, 20], (before[:, 19] + before[:, 21]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(x[:, 4], before[:, 5])
    np.testing.assert_array_equal(x[:, 35], before[:, 34])
    untouched = np.setdiff1d(np.arange(40), [4, 20, 35])
    np.testing.assert_array_equal(x[:, untouched], before[:, untouched])


def test_a_spike_in_a_band_of_one_channel_becomes_zero():
    x = np.full((2, 5), 9.0, np.float32)
    conditioning.repair_spikes(x, np.array([2]), 2, 3)
    np.testing.assert_array_equal(x, [[9, 9, 0, 9, 9]] * 2)
