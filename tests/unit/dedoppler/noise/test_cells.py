"""Levels of cells: measured at rest and along a drift, taken off, and unharmed by lost samples and lines."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.dedoppler.kernels.conditioning import Nodes
from services.dedoppler.kernels.level_cells import CELL_CHANNELS
from services.dedoppler.noise.cells import CELLS_AROUND, Cells, Levels, Reference

T, N, HALF = 16, 16384, 16
CELLS = N // CELL_CHANNELS
# Mean size of the difference of two normal deviates.
NO_BIAS = Reference(lambda: 0.0, 2 / np.sqrt(np.pi))
AT_REST = np.zeros(T, np.int64)
FLAT = Nodes(np.array([0.0, N - 1.0]), np.full(2, 7.0), np.ones(2))


@pytest.fixture
def x():
    return np.random.default_rng(7).normal(size=(T, N)).astype(np.float32)


def of_cell(values):
    """Return the mean over each cell."""
    return values.reshape(-1, CELL_CHANNELS).mean(axis=1)


def test_noise_alone_departs_nowhere(x, pool):
    assert Cells(x, HALF, NO_BIAS, pool).departing(0, CELLS) == []


def test_the_standard_error_is_that_of_levels_of_noise(x, pool):
    """Inner cells of 8 files. The second smoothing, of what the first one leaves, adds as much noise once more."""
    others = [np.random.default_rng(seed).normal(size=(T, N)).astype(np.float32) for seed in range(7)]
    cells = [Cells(one, HALF, NO_BIAS, pool) for one in (x, *others)]
    scatter = np.std([one.at_rest(0, CELLS, FLAT).level[HALF:-HALF] for one in cells])
    assert 1.0 <= scatter / cells[0].error <= 1.5


@pytest.mark.parametrize("sign", [1, -1])
def test_what_departs_has_enough_cells_around_it(x, pool, sign):
    x[:, 8000:8800] += np.float32(0.4 * sign)
    (((low, high), _),) = Cells(x, HALF, NO_BIAS, pool).departing(0, CELLS)
    around = HALF + CELLS_AROUND
    assert low == pytest.approx(500 - around, abs=HALF)
    assert high == pytest.approx(550 + around, abs=HALF)


@pytest.mark.parametrize("steps", [0, 300, -1500])
def test_lines_depart_nowhere(x, pool, steps):
    """Lines of SNR 200 and one channel, or smeared over as many as they drift per spectrum."""
    width = abs(steps) // (T - 1) + 1
    for t in range(T):
        start = 8000 + round(steps * t / (T - 1))
        x[t, start : start + width] += np.float32(200 / np.sqrt(T * width))
    assert Cells(x, HALF, NO_BIAS, pool).departing(0, CELLS) == []


def test_levels_at_rest_follow_the_band(x, pool):
    """A bend of 1.5 sigma over 16 cells, in noise that is half as large on one side: to five errors of a level."""
    channel = np.arange(N)
    level, scatter = 1.5 / (1 + np.exp((8000 - channel) / 64)), np.where(channel < 4000, 0.5, 1.0)
    x[:] = x * scatter + level
    cells = Cells(x, HALF, NO_BIAS, pool)
    found = cells.at_rest(0, CELLS, FLAT)
    inner = slice(HALF, -HALF)
    assert np.abs(found.level - of_cell(level))[inner].max() < 5 * cells.error
    # Within a window of the change of the noise, scatter is in between.
    for part, of_noise in ((slice(HALF, 250 - HALF), 0.5), (slice(250 + HALF, -HALF), 1.0)):
        assert np.median(found.scatter[part]) == pytest.approx(of_noise, rel=0.02)
        assert np.abs(found.scatter[part] - of_noise).max() < 0.08


@pytest.mark.parametrize("n_spectra", [16, 64])
def test_the_knee_of_a_band_that_falls_to_nothing_is_followed(n_spectra, pool):
    """A fall from 7 sigma to 0 within 17 cells, and a bandpass that is a line from the middle of the block to the end.

    In units of that line, the band has a peak where the fall begins, which a running median takes for a line.
    """
    rng, channel = np.random.default_rng(3), np.arange(N)
    gain = np.clip((N - channel) / 272, 0.01, 1)
    line = np.interp(channel, [N - 1024, N - 1], [7.0, 4.0])
    noise = rng.normal(size=(n_spectra, N))
    x = ((7 + noise) * gain - line).astype(np.float32)
    bandpass = Nodes(np.array([0.0, N - 1024, N - 1]), np.array([7.0, 7.0, 4.0]), np.ones(3))
    found = Cells(x, HALF, NO_BIAS, pool).at_rest(0, CELLS, bandpass)
    error = (found.level - of_cell(7 * gain - line))[-64:]
    assert np.abs(error).max() < 0.25


def test_lost_cells_have_no_level_and_do_not_spoil_others(x, pool):
    x += np.float32(0.7)
    x[:, 8000:9600] = 0.0
    x[:5, 2000:5000] = 0.0
    levels = Cells(x, HALF, NO_BIAS, pool).at_rest(0, CELLS, FLAT)
    assert np.isnan(levels.level[500:600]).all()
    there = np.r_[0:500, 600:CELLS]
    # Windows at the ends of runs are of a single cell: 1 / 16 of a sigma.
    assert np.abs(levels.level[there] - 0.7).max() < 5 / 16
    inner = np.r_[HALF : 500 - HALF, 600 + HALF : CELLS - HALF]
    assert np.abs(levels.level[inner] - 0.7).max() < 0.07


@pytest.mark.parametrize("steps", [300, -1500])
def test_along_a_drift_sharp_edges_stay_sharp(x, pool, steps):
    """A box of 2 sigma: its edges lie where they are to a cell, beside them levels are those of few cells."""
    offsets = np.array([round(steps * t / (T - 1)) for t in range(T)], np.int64)
    for t in range(T):
        x[t, 8000 + offsets[t] : 9600 + offsets[t]] += np.float32(2.0)
    cells = Cells(x, HALF, NO_BIAS, pool)
    found = cells.along(6400, 300, offsets)
    off = found.level - np.where((np.arange(300) >= 100) & (np.arange(300) < 200), 2.0, 0.0)
    near = np.r_[0:99, 102:199, 202:300]
    # A cell's mean over all spectra has an error of 1 / 16.
    assert np.abs(off)[near].max() < 4 / 16
    far = np.r_[HALF : 100 - HALF, 100 + HALF : 200 - HALF, 200 + HALF : 300 - HALF]
    assert np.abs(off)[far].max() < 6 * cells.error
    assert np.median(found.scatter) == pytest.approx(1.0, abs=0.02)


def test_the_bias_of_mere_noise_is_subtracted_along_a_drift(x, pool):
    plain = Cells(x, HALF, NO_BIAS, pool).along(0, 200, AT_REST)
    biased = Cells(x, HALF, Reference(lambda: 0.125, NO_BIAS.change), pool).along(0, 200, AT_REST)
    np.testing.assert_allclose(biased.level, plain.level - 0.125, atol=1e-12)


@pytest.mark.parametrize("height", [0.5, 8.0])
def test_taking_off_leaves_level_0_and_sigma_1(x, pool, height):
    """A slope of 0.5 or 8 sigma within 512 channels, to the ends; the steep one is measured channel by channel."""
    channel = np.arange(N)
    level = height * np.clip((channel - 8000) / 512, 0, 1)
    scatter = np.where(channel < 8256, 1.0, 1.6)
    x[:] = x * scatter + level
    lost = np.random.default_rng(8).random(x.shape) < 0.1
    x[lost] = 0.0
    before = x.copy()
    cells = Cells(x, HALF, NO_BIAS, pool)
    flat, gain = cells.take_off(cells.at_rest(0, CELLS, FLAT), N)
    assert len(flat) == len(gain) == N
    assert not x[lost].any()
    np.testing.assert_allclose(x[~lost], ((before - flat) * gain)[~lost], atol=1e-4)
    for part in (slice(0, 7000), slice(9500, N), slice(8000, 8512)):
        here = x[:, part][~lost[:, part]]
        assert np.mean(here) == pytest.approx(0, abs=0.02)
    for part in (slice(0, 7000), slice(9500, N)):
        assert np.std(x[:, part][~lost[:, part]]) == pytest.approx(1, abs=0.03)


def test_taking_off_goes_on_beyond_the_outer_cells(x, pool):
    """Columns beside the outer centres lie on the same slope; nothing beyond `stop` changes."""
    x[:] = 0.01 * np.arange(N, dtype=np.float32) + 1000.0
    before = x.copy()
    number = 20
    centres = (np.arange(number) + 0.5) * CELL_CHANNELS - 0.5
    levels = Levels(320, AT_REST, 1003.2 + 0.01 * centres, np.ones(number))
    Cells(x, HALF, NO_BIAS, pool).take_off(levels, 320 + number * CELL_CHANNELS + 9)
    changed = slice(320, 320 + number * CELL_CHANNELS + 9)
    assert np.abs(x[:, changed]).max() < 1e-3
    untouched = np.r_[0:320, changed.stop : N]
    np.testing.assert_array_equal(x[:, untouched], before[:, untouched])


def test_a_part_begins_at_its_own_column():
    levels = Levels(320, AT_REST, np.arange(10.0), np.arange(10.0) + 1)
    part = levels.part(3, 7)
    assert part.first == 320 + 3 * CELL_CHANNELS
    np.testing.assert_array_equal(part.level, [3, 4, 5, 6])
    np.testing.assert_array_equal(part.scatter, [4, 5, 6, 7])


def test_the_number_of_threads_changes_nothing(x, pool):
    x[:, 5000:9000] += np.float32(1.0)
    offsets = np.arange(T, dtype=np.int64)
    here = Cells(x, HALF, NO_BIAS, pool).along(0, 900, offsets)
    with ThreadPoolExecutor(1) as one_thread:
        there = Cells(x, HALF, NO_BIAS, one_thread).along(0, 900, offsets)
    np.testing.assert_array_equal(here.level, there.level)
