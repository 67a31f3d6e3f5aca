"""Sizes of cut-outs."""

import math

import numpy as np
import pytest

from services.dedoppler.cutouts import CUTOUT_ROWS, CUTOUT_SAMPLES, cutout, cutout_rows, fit_in_memory
from shared.events import ChunkPlan
from shared.hits import HIT_DTYPE


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 16, 64, 65, 300, 2048, 100_000])
@pytest.mark.parametrize("channels", [1, 66, 800, 10_000, 200_000])
def test_cutouts_are_bounded(n_spectra, channels):
    per_row = cutout_rows(n_spectra, channels)
    n_rows = math.ceil(n_spectra / per_row)
    assert 1 <= n_rows <= CUTOUT_ROWS
    assert n_rows * channels <= max(CUTOUT_SAMPLES, 8 * channels)


def test_short_observations_keep_each_spectrum():
    assert cutout_rows(16, 500) == 1
    assert cutout_rows(64, 500) == 1
    assert cutout_rows(65, 500) == 2


@pytest.mark.parametrize("n_spectra", [3, 16, 100])
def test_the_strongest_hits_whose_cutouts_fit_are_kept(n_spectra):
    rng, channels = np.random.default_rng(n_spectra), 5000
    chunk = ChunkPlan(n_channels=channels, count=1, stride_channels=channels, parts=1, overlap_channels=0).chunk(0)
    hits = np.zeros(60, HIT_DTYPE)
    hits["channel"], hits["steps"] = rng.integers(1000, 4000, 60), rng.integers(-900, 900, 60)
    hits["width"], hits["snr"] = rng.integers(1, 40, 60), rng.integers(10, 30, 60)
    conditioned = type("Conditioned", (), {"x": np.zeros((n_spectra, channels), np.float32), "pad": 0})
    sizes = np.array([cutout(hit, conditioned, chunk).power.size for hit in hits])
    for most in (0, int(sizes.sum()) // 3, int(sizes.sum())):
        fit = fit_in_memory(hits, n_spectra, chunk, most)
        # Rows are rounded up to equal numbers of spectra, so the estimate is never below the true size.
        assert sizes[fit].sum() <= most
        assert fit.sum() == 0 or hits["snr"][fit].min() >= hits["snr"][~fit].max(initial=0)
    assert fit_in_memory(hits, n_spectra, chunk).all()
