"""Levels and windows against versions that are written straight from their definitions, in float64."""

import math

import numpy as np
import pytest

from services.dedoppler import pyramid
from services.dedoppler.kernels.codes import code_table
from services.dedoppler.kernels.pyramid import fill_window
from services.dedoppler.kernels.pyramid_strips import Block
from services.dedoppler.threads import ThisThread
from shared.waterfall import ChunkLayout

PAD = 7


def rows_of(x, per_row):
    """Each row the sum of its spectra over the root of their number, without lost ones; NaN where all are."""
    rows = []
    for t in range(0, len(x), per_row):
        some = x[t : t + per_row].astype(np.float64)
        number = (some != 0).sum(axis=0)
        rows.append(np.where(number > 0, some.sum(axis=0) / np.sqrt(np.maximum(number, 1)), np.nan))
    return np.array(rows)


def reference(x, layout, per_row):
    """Return the powers of all codes, by statistic and factor: (columns, codes of a column)."""
    rows, levels = rows_of(x, per_row), {}
    number = (x != 0).sum(axis=0)
    integrated = np.where(number > 0, x.astype(np.float64).sum(axis=0) / np.sqrt(np.maximum(number, 1)), np.nan)
    every = np.vstack([rows, integrated])
    for factor in layout.factors:
        largest, means = [], []
        for begin in range(0, x.shape[1], factor):
            part = every[:, begin : begin + factor]
            largest.append([max((z for z in row if not math.isnan(z)), default=math.nan) for row in part])
            # Lost samples count neither in the sum nor in the number.
            means.append(
                [
                    row[~np.isnan(row)].sum() / math.sqrt(np.count_nonzero(~np.isnan(row)))
                    if not np.isnan(row).all()
                    else math.nan
                    for row in part[:-1]
                ]
            )
        levels["max", factor], levels["mean", factor] = np.array(largest), np.array(means)
    return levels


def exact_codes(z):
    """Return codes before they are rounded, so that a test can allow for rounding."""
    return np.where(np.isnan(z), 0.0, np.clip(56 + 16 * np.arcsinh(z / 2), 1, 255))


def assert_codes(found, z):
    """Codes are the nearest whole number, and 0 only where there is no sample; 1e-3 of a step for float32 sums."""
    exact = exact_codes(z)
    np.testing.assert_array_equal(found == 0, np.isnan(z))
    assert np.abs(found - exact).max() <= 0.5 + 1e-3


def levels_of(x, factors, per_row, pool=None):
    padded = np.pad(x, ((0, 0), (PAD, PAD)), constant_values=1e6)
    layout = ChunkLayout(0, x.shape[1], -(-len(x) // per_row), factors, 256)
    codes = np.zeros(layout.size, np.uint8)
    pyramid._fill_levels(Block(padded, PAD, x.shape[1], per_row), layout, codes, pool or ThisThread())
    found = {}
    for statistic in ("max", "mean"):
        for factor in factors:
            offset, length = layout.level(statistic, factor)
            found[statistic, factor] = codes[offset : offset + length].reshape(layout.columns(factor), -1)
    return layout, found


def noise(n_spectra, n_channels, seed=1):
    x = np.random.default_rng(seed).normal(size=(n_spectra, n_channels)).astype(np.float32)
    x[:, n_channels // 3] += 20.0
    x[n_spectra // 2, n_channels // 2] = -60.0
    return x


@pytest.mark.parametrize(
    ("n_spectra", "n_channels", "factors", "per_row"),
    [
        (16, 40_000, (16, 64, 256, 1024, 4096), 1),
        (16, 70_001, (32, 128, 512, 2048, 8192, 32768), 1),
        (300, 1000, (16, 64), 3),
        (301, 1000, (16, 64), 3),
        (4, 1, (16,), 1),
        (2, 20_000, (8192,), 1),
        (5, 33, (16,), 2),
        (2, 150_000, (16384, 65536), 1),
    ],
)
@pytest.mark.parametrize("lost", ["none", "some"])
def test_all_levels_are_those_of_the_definition(n_spectra, n_channels, factors, per_row, lost):
    x = noise(n_spectra, n_channels)
    if lost == "some":
        x[np.random.default_rng(2).random(x.shape) < 0.02] = 0.0
        x[:, 100:150] = 0.0
        x[0] = 0.0
    layout, found = levels_of(x, factors, per_row)
    wanted = reference(x, layout, per_row)
    assert found.keys() == wanted.keys()
    for name, z in wanted.items():
        assert_codes(found[name], z)


def test_values_below_zero_have_their_largest():
    """A column may lie below 0 as a whole, as in an absorption line, with lost samples in it."""
    x = -np.abs(noise(16, 4096)) - np.float32(3.0)
    x[:, ::5] = 0.0
    layout, found = levels_of(x, (16, 64), 1)
    for name, z in reference(x, layout, 1).items():
        assert_codes(found[name], z)


def test_threads_do_not_change_a_code(pool):
    x = noise(16, 200_000)
    x[3, 5000:70_000] = 0.0
    _, alone = levels_of(x, (16, 64, 256, 1024, 4096, 16384), 1)
    _, together = levels_of(x, (16, 64, 256, 1024, 4096, 16384), 1, pool)
    for name, codes in alone.items():
        np.testing.assert_array_equal(together[name], codes)


@pytest.mark.parametrize(("n_spectra", "per_row"), [(16, 1), (300, 3)])
def test_a_window_holds_every_channel(n_spectra, per_row):
    x = noise(n_spectra, 500)
    x[2, 200:230] = 0.0
    x[:, 240] = 0.0
    codes = np.empty((77, -(-n_spectra // per_row)), np.uint8)
    padded = np.pad(x, ((0, 0), (PAD, PAD)))
    fill_window(Block(padded, PAD, 500, per_row), (190, 267), code_table(), codes)
    assert_codes(codes, rows_of(x[:, 190:267], per_row).T)
