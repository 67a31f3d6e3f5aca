"""Paths that are put together from lines: complete, nearly straight, and with little loss."""

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import make_header, tone_power
from services.dedoppler.kernels.segment_sums import Boxes, path_statistics
from services.dedoppler.kernels.width_trial import Starts
from services.dedoppler.search.segment_paths import SHORT_SPECTRA, bands, long_spectra
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials


def columns_of(band, n_spectra):
    """Return the column of each path in each spectrum, int64 (paths, T), by following its parts down to the samples."""
    out = np.full((len(band.steps), n_spectra), np.iinfo(np.int64).min)
    for d, path in enumerate(band.paths.parts):
        for long, column in path[path[:, 0] >= 0]:
            for short, further in band.long.parts[long][band.long.parts[long][:, 0] >= 0]:
                for t, offset in band.short.parts[short][band.short.parts[short][:, 0] >= 0]:
                    assert out[d, t] == np.iinfo(np.int64).min, "a spectrum is counted twice"
                    out[d, t] = column + further + offset
    return out


@pytest.mark.parametrize(("n_spectra", "max_steps"), [(257, 900), (300, 37), (1000, 80)])
def test_every_path_takes_one_sample_of_each_spectrum_near_its_line(n_spectra, max_steps):
    for trial in plan_width_trials(n_spectra, max_steps):
        # A start and a quarter are lost to whole columns; slopes add an eighth of a column or of the box per line.
        allowed = 0.5 + 2 * 0.125 + 2 * (0.125 if trial.width < 4 else trial.width / 16 / trial.stride)
        for band in bands(trial, n_spectra):
            line = band.steps[:, None] * np.arange(n_spectra) / ((n_spectra - 1) * trial.stride)
            assert np.abs(columns_of(band, n_spectra) - line).max() <= allowed + 1e-9


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


def additions_per_sample(n_spectra, fastest=1 / 16):
    """Return the additions per sample of a trial of single channels, up to `fastest` channels per spectrum."""
    most = int(fastest * n_spectra)
    planned = bands(WidthTrial(1, 1, np.arange(-most, most + 1)), n_spectra)
    levels = [level for band in planned for level in (band.short, band.long, band.paths)]
    return sum((level.parts[..., 0] >= 0).sum() for level in levels) / n_spectra


def test_the_cost_hardly_grows_with_the_number_of_spectra():
    """Path by path it would be 129 additions per sample for 1024 spectra and 2049 for 16,384."""
    few, many = additions_per_sample(1024), additions_per_sample(16_384)
    assert few < 30
    assert many < 3 * few


@pytest.mark.parametrize("n_spectra", [257, 4096, 20_000])
def test_long_lines_are_whole_short_ones(n_spectra):
    length = long_spectra(n_spectra)
    assert length % SHORT_SPECTRA == 0
    assert 2 * SHORT_SPECTRA <= length < n_spectra


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
