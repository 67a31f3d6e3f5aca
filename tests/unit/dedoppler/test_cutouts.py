"""Sizes of cut-outs."""

import math

import pytest

from services.dedoppler.cutouts import CUTOUT_ROWS, CUTOUT_SAMPLES, cutout_rows


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
