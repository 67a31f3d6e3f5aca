"""Paths that are put together from lines: complete, nearly straight, and with little loss."""

from itertools import pairwise

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import make_header, tone_power
from services.dedoppler.kernels.segment_sums import Boxes, path_statistics
from services.dedoppler.kernels.width_trial import Starts
from services.dedoppler.search.segment_paths import bands, fineness, line_lengths
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials


def columns_of(band, n_spectra):
    """Return the column of each path in each spectrum, int64 (paths, T), by following the lines in their order."""
    nowhere = np.iinfo(np.int64).min
    table = {}

    def joined(parts, of_spectra):
        out = np.full(n_spectra, nowhere)
        for row, column in parts[parts[:, 0] >= 0]:
            if of_spectra:
                passed, columns = np.array([row]), column
            else:
                passed, columns = np.flatnonzero(table[row] != nowhere), table[row] + column
                columns = columns[passed]
            assert (out[passed] == nowhere).all(), "a spectrum is counted twice"
            out[passed] = columns
        return out

    lines = band.lines
    for parts, of_spectra, row in zip(lines.parts, lines.of_spectra, lines.row, strict=True):
        table[row] = joined(parts, of_spectra)
    return np.array([joined(parts, False) for parts in band.paths])


@pytest.mark.parametrize(("n_spectra", "max_steps"), [(257, 900), (300, 37), (1000, 80), (3000, 100)])
def test_every_path_takes_one_sample_of_each_spectrum_near_its_line(n_spectra, max_steps):
    for trial in plan_width_trials(n_spectra, max_steps):
        levels = len(line_lengths(trial, n_spectra))
        fine = fineness(trial, levels)
        # Half a column to whole ones; each level adds half a place in the middle and a quarter of a slope at the ends.
        allowed = 0.5 + levels * (0.5 / fine.phases + fine.apart / 4)
        for band in bands(trial, n_spectra):
            line = band.steps[:, None] * np.arange(n_spectra) / ((n_spectra - 1) * trial.stride)
            assert np.abs(columns_of(band, n_spectra) - line).max() <= allowed + 1e-9


@pytest.mark.parametrize("n_spectra", [257, 1000, 20_000, 10**6])
def test_paths_of_any_length_are_as_straight(n_spectra):
    """The variance of the distance from the exact line, columns squared, of single channels.

    A place is off by up to half of `1 / phases`, all values alike: 1/12 of its square. A slope is off by up to half of
    `apart` from end to end, and along a line half of that at most: 1/144 of its square.
    """
    trial = WidthTrial(1, 1, np.arange(-100, 101))
    levels = len(line_lengths(trial, n_spectra))
    fine = fineness(trial, levels)
    assert levels * (1 / (12 * fine.phases**2) + fine.apart**2 / 144) < 0.0215


def test_a_path_without_drift_is_straight():
    (band,) = bands(WidthTrial(1, 1, np.arange(-5, 6)), 1000)
    assert (columns_of(band, 1000)[5] == 0).all()


def test_paths_of_opposite_drifts_mirror_each_other():
    (band,) = bands(WidthTrial(1, 1, np.arange(-50, 51)), 500)
    columns = columns_of(band, 500)
    # Halves are rounded to one side, so some samples are of the next column.
    assert np.abs(columns + columns[::-1]).max() <= 1
    assert np.mean(columns == -columns[::-1]) > 0.9


def test_bands_hold_all_drifts_once():
    trial = WidthTrial(2, 1, np.arange(-2000, 2001))
    assert np.array_equal(np.concatenate([band.steps for band in bands(trial, 1000)]), trial.steps)


def passes_per_sample(n_spectra, fastest=1 / 16):
    """Return how often a sample's place is read or written in a trial of single channels up to `fastest` channels."""
    most = int(fastest * n_spectra)
    planned = bands(WidthTrial(1, 1, np.arange(-most, most + 1)), n_spectra)
    all_parts = [parts for band in planned for parts in (band.lines.parts, band.paths)]
    return sum(((parts[..., 0] >= 0).sum(axis=1) + 1).sum() for parts in all_parts) / n_spectra


@pytest.mark.parametrize(("n_spectra", "most"), [(1024, 18), (4096, 29), (16_384, 43)])
def test_the_cost_grows_slowly(n_spectra, most):
    """Path by path it would be 128 for 1024 spectra, and 2048 for 16,384."""
    assert passes_per_sample(n_spectra) < most


@pytest.mark.parametrize("n_spectra", [257, 4096, 20_000, 10**6])
@pytest.mark.parametrize("most", [0, 100, 4000])
def test_lines_are_made_of_whole_shorter_ones(n_spectra, most):
    lengths = line_lengths(WidthTrial(1, 1, np.arange(-most, most + 1)), n_spectra)
    assert all(long % short == 0 for short, long in pairwise(lengths))
    assert lengths[-1] < n_spectra


@pytest.mark.parametrize(("n_spectra", "fastest"), [(300, 0.5), (1024, 0.125)])
def test_tones_lose_no_more_than_in_few_spectra(n_spectra, fastest):
    """0.96 of the statistic of exact paths on average and 0.89 at least: 40 tones at random places and drifts."""
    header = make_header(2**20, n_spectra, tsamp_s=1.0)
    rng = np.random.default_rng(4)
    found = []
    for _ in range(40):
        steps = rng.uniform(-1, 1) * fastest * (n_spectra - 1)
        channel = 2**19 + rng.uniform()
        first, power = tone_power(header, tone(header, channel, steps, 1.0))
        x = np.pad(power, ((0, 0), (200, 200)))
        start = 2**19 - first + 200
        near = np.arange(np.floor(steps) - 2, np.ceil(steps) + 3).astype(np.int64)
        best = exact = 0.0
        for width in (1, 2):
            trial = WidthTrial(width, 1, near)
            for band in bands(trial, n_spectra):
                best = max(best, path_statistics(Starts(x, start - 4, 9), band, Boxes(width, 1)).max())
            for step in near:
                offsets = np.floor(step * np.arange(n_spectra) / (n_spectra - 1) + 0.5).astype(int)
                rows = np.arange(n_spectra)
                sums = [sum(x[rows, c + offsets + j].sum() for j in range(width)) for c in range(start - 4, start + 5)]
                exact = max(exact, max(sums) / np.sqrt(n_spectra * width))
        found.append(best / exact)
    assert np.mean(found) >= 0.96
    assert min(found) >= 0.89
