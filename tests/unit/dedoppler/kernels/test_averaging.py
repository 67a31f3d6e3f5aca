"""Sums of consecutive spectra, beside a plain reference in numpy."""

from itertools import pairwise

import numpy as np
import pytest

from services.dedoppler.kernels.averaging import add_spectra, means


@pytest.mark.parametrize("edges", [[0, 50], [0, 1, 13, 14, 50], list(range(51))])
@pytest.mark.parametrize(("spectra", "n_averages"), [(1, 50), (7, 7), (7, 8), (60, 1)])
def test_means_equal_numpys_whatever_the_pieces(edges, spectra, n_averages):
    """Samples of 8 significant bits: their sums are exact."""
    rng = np.random.default_rng(3)
    power = rng.integers(0, 256, (50, 2100)).astype(np.float32)
    power[rng.random(power.shape) < 0.3] = np.nan
    power[4, 5], power[5, 6] = np.inf, -np.inf
    power[:20, 9] = np.nan
    total, number = np.zeros((n_averages, 2100)), np.zeros((n_averages, 2100), np.int32)
    for low, high in pairwise(edges):
        add_spectra(power[low:high], low, spectra, total, number)
    found = np.empty(total.shape, np.float32)
    means(total, number, 3, found)
    finite = np.where(np.isfinite(power), power, np.nan)
    for a in range(n_averages):
        part = finite[a * spectra : (a + 1) * spectra]
        seen = np.isfinite(part).sum(axis=0)
        expected = np.where(seen >= 3, np.nansum(part, axis=0) / np.maximum(seen, 1), np.nan)
        np.testing.assert_array_equal(found[a], expected.astype(np.float32))
