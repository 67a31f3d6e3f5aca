"""The waterfall and the sums over raw power, against numpy."""

import numpy as np
import pytest

from services.dedoppler.kernels import pictures
from tests.unit.dedoppler import reference


def normal(n_spectra, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(n_spectra, columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("n_spectra", "row_edges"), [(16, range(17)), (60, [0, 15, 31, 60]), (2, [0, 2]), (3, [0, 1, 3])]
)
@pytest.mark.parametrize("bin_edges", [[0, 100], [0, 1, 2, 50, 100], list(range(0, 101, 10))])
def test_waterfall_is_the_maximum_over_channels_of_the_mean_over_spectra(n_spectra, row_edges, bin_edges):
    x, first = normal(n_spectra, 130), 17
    row_edges, bin_edges = np.array(row_edges), np.array(bin_edges)
    out = np.full((len(row_edges) - 1, len(bin_edges) - 1), -99, np.float32)
    pictures.waterfall(x, pictures.Grid(first, bin_edges, row_edges), 0, len(bin_edges) - 1, out)
    for r in range(len(row_edges) - 1):
        mean = x[row_edges[r] : row_edges[r + 1], first:].mean(axis=0, dtype=np.float64)
        for b in range(len(bin_edges) - 1):
            # Means of at most 29 float32 of size 1.
            assert out[r, b] == pytest.approx(mean[bin_edges[b] : bin_edges[b + 1]].max(), abs=1e-6)


@pytest.mark.parametrize("row_edges", [[0, 1], [0, 2]])
def test_the_largest_of_values_below_zero(row_edges):
    x, out = -1 - np.abs(normal(2, 600)), np.empty((1, 2), np.float32)
    pictures.waterfall(x, pictures.Grid(0, np.array([0, 1, 600]), np.array(row_edges)), 0, 2, out)
    mean = x[: row_edges[1]].mean(axis=0)
    np.testing.assert_array_equal(out[0], [mean[0], mean[1:].max()])


def test_waterfall_fills_in_only_its_bins():
    out = np.full((2, 4), -99, np.float32)
    pictures.waterfall(normal(2, 40), pictures.Grid(0, np.arange(0, 41, 10), np.arange(3)), 1, 3, out)
    assert (out[:, [0, 3]] == -99).all()
    assert (out[:, 1:3] > -99).all()


@pytest.mark.parametrize("n_spectra", [2, 3, 4, 9, 16])
def test_time_sum_leaves_out_what_is_not_finite(n_spectra):
    power = normal(n_spectra, 5000) + np.float32(1e10)
    power[0, 3], power[1, 4], power[-1, 2500] = np.nan, np.inf, -np.inf
    total = np.full(5000, -1.0)
    pictures.time_sum(power, 2, 4900, total)
    expected = np.zeros(5000)
    for spectrum in power:
        expected += np.where(np.isfinite(spectrum), spectrum, 0)
    # Equal to the last bit: strips do not change the order of the additions.
    np.testing.assert_array_equal(total[2:4900], expected[2:4900])
    assert (total[[0, 1, 4900, 4999]] == -1).all()


@pytest.mark.parametrize("steps", [-20, -1, 0, 7, 31])
@pytest.mark.parametrize("width", [1, 4])
def test_best_raw_path_is_the_best_of_the_single_channel_paths_in_the_box(steps, width):
    power = normal(16, 100, seed=width)
    single = [reference.box_statistic(power, 50 + k, steps, 1) * 4.0 for k in range(width)]
    assert pictures.best_raw_path(power, 50, width, steps) == pytest.approx(max(single), abs=1e-9)


def test_best_raw_path_counts_nothing_beyond_the_band_and_what_is_not_finite():
    power = np.ones((5, 20), np.float32)
    # A path of 8 steps from channel 15: 15, 17, 19, then 21 and 23, beyond the band.
    assert pictures.best_raw_path(power, 15, 1, 8) == 3.0
    power[1, 17] = np.nan
    assert pictures.best_raw_path(power, 15, 1, 8) == 2.0
    assert pictures.best_raw_path(power, 4, 1, -8) == 3.0
