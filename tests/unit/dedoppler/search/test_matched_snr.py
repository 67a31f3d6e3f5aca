"""The SNR of a path with lost samples or spectra of different noise, beside its definition."""

import numpy as np
import pytest

from services.dedoppler.noise.gains import weighting
from services.dedoppler.search.matched_snr import MatchedSnr

T, N, PAD = 16, 40, 5
NOISE = np.repeat([1.0, 3.0], 8)


def arrays(value=1.0):
    """Power of one value, and normalised power of the same value."""
    power = np.full((T, N), value, np.float32)
    x = np.zeros((T, N + 2 * PAD), np.float32)
    x[:, PAD : PAD + N] = power
    return x, power


def test_the_plain_statistic_where_nothing_is_lost():
    x, power = arrays(2.0)
    assert MatchedSnr(x, power, PAD, None)(10, 0, 4) == pytest.approx(2.0 * np.sqrt(T * 4))


def test_lost_samples_do_not_count():
    x, power = arrays()
    power[:5, 5:8], x[:5, PAD + 5 : PAD + 8] = np.nan, 0.0
    assert MatchedSnr(x, power, PAD, None)(PAD + 5, 0, 3) == pytest.approx(np.sqrt(11 * 3))


def test_a_path_that_is_lost_has_no_snr():
    x, power = arrays()
    power[:], x[:] = np.nan, 0.0
    assert MatchedSnr(x, power, PAD, None)(10, 3, 2) == 0.0


@pytest.mark.parametrize("cause", ["gain", "noise"])
def test_the_snr_is_that_of_the_matched_sum(cause):
    """Signal over noise is the same in all spectra, or 1 / noise."""
    ratio = np.ones(T) if cause == "gain" else 1 / NOISE
    weights = weighting(NOISE[:, None], np.zeros(T, bool), np.array([0, N]))
    x, power = arrays()
    x *= (ratio * weights.weight[:, 0])[:, None].astype(np.float32)
    found = MatchedSnr(x, power, PAD, weights)(10, 0, 1)
    assert found == pytest.approx(np.sqrt(np.sum(ratio**2)), rel=1e-6)


def test_noise_keeps_its_sigma():
    """Over 4000 paths; the larger of two sums of noise is a little above zero."""
    rng = np.random.default_rng(4)
    weights = weighting(NOISE[:, None], np.zeros(T, bool), np.array([0, 4000]))
    power = rng.normal(size=(T, 4000)).astype(np.float32)
    power[rng.random(power.shape) < 0.3] = np.nan
    x = np.nan_to_num(power) * weights.weight.astype(np.float32)
    snrs = [MatchedSnr(x, power, 0, weights)(c, 0, 1) for c in range(4000)]
    assert np.std(snrs) == pytest.approx(1.0, abs=0.05)
    assert 0 < np.mean(snrs) < 0.4
