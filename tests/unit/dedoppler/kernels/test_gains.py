"""Scaling of spectra, and sums along one path, beside plain loops of NumPy; seeds are fixed."""

import numpy as np
import pytest

from services.dedoppler.kernels.gains import path_profile, scale_spectra, spectrum_moments, standardise_spectra
from tests.unit.dedoppler.reference import path_offset


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_scale_spectra(rng):
    samples = rng.normal(size=(4, 20)).astype(np.float32)
    factor = rng.uniform(1, 2, (4, 3)).astype(np.float32)
    edges = np.array([0, 5, 6, 14])
    expected = samples.copy()
    for b in range(3):
        expected[:, 3 + edges[b] : 3 + edges[b + 1]] *= factor[:, b : b + 1]
    scale_spectra(samples, 3, edges, factor)
    np.testing.assert_array_equal(samples, expected)


def test_moments_leave_out_lost_samples_and_signals(rng):
    x = rng.normal(3.0, 2.0, (3, 5000)).astype(np.float32)
    x[0, ::2] = 0.0
    x[1, :50] = 1e6
    x[2] = 0.0
    mean, deviation, number = spectrum_moments(x, 0, 5000)
    assert mean[:2] == pytest.approx(3.0, abs=0.15)
    assert deviation[:2] == pytest.approx(2.0, abs=0.1)
    assert (mean[2], deviation[2]) == (0.0, 1.0)
    assert number.tolist() == [2500, 5000, 0]


def test_standardise_keeps_lost_samples():
    x = np.array([[0, 3, 5, 0], [0, 3, 5, 0]], np.float32)
    standardise_spectra(x, 1, 4, np.array([1, 0], np.float32), np.array([0.5, 1], np.float32))
    assert x.tolist() == [[0, 1, 2, 0], [0, 3, 5, 0]]


@pytest.mark.parametrize("steps", [-9, 0, 4, 13])
def test_path_profile(rng, steps):
    n_spectra, pad, width = 6, 20, 3
    power = rng.normal(size=(n_spectra, 30)).astype(np.float32)
    power[rng.random(power.shape) < 0.2] = np.nan
    x = np.zeros((n_spectra, 30 + 2 * pad), np.float32)
    x[:, pad : pad + 30] = np.nan_to_num(power)
    total, number = path_profile(x, power, pad, (25, steps, width))
    for t in range(n_spectra):
        columns = 25 + path_offset(steps, t, n_spectra, 1) + np.arange(width)
        assert total[t] == pytest.approx(x[t, columns].sum())
        lost = sum(1 for c in columns - pad if 0 <= c < 30 and np.isnan(power[t, c]))
        assert number[t] == width - lost


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_moments_of_spectra_of_few_bits(levels):
    """More than half of the samples have one value, but for the slope of the bandpass."""
    rng = np.random.default_rng(8)
    share = np.array([0.3, 0.6, 0.08, 0.02])[:levels]
    raw = rng.choice(levels, (20, 5000), p=share / share.sum()).astype(np.float64)
    x = ((raw - raw.mean()) / raw.std() * np.linspace(0.999, 1.001, 5000)).astype(np.float32)
    mean, deviation, _ = spectrum_moments(x, 0, 5000)
    # The rarest value may be clipped, which takes up to a tenth off the deviation.
    np.testing.assert_allclose(mean, 0, atol=0.15)
    np.testing.assert_allclose(deviation, 1, atol=0.15)
