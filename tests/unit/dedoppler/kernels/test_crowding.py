"""Counts of a tile's samples, against numpy."""

import numpy as np
import pytest

from services.dedoppler.kernels.crowding import PARTS, WITHIN_SIGMA, count_samples, low_limit


@pytest.mark.parametrize(("level", "limit"), [(7.0, -1.0), (1.0, -0.95), (0.6, -0.57), (0.3, -1.0), (-9.0, -1.0)])
def test_the_limit_of_low_samples(level, limit):
    assert low_limit(level) == pytest.approx(limit)


@pytest.mark.parametrize("channels", [(0, 2048), (100, 1405), (5, 9)])
def test_counts_agree_with_numpy(channels):
    power = np.random.default_rng(1).gamma(51.0, 1 / 51, (16, 2048)).astype(np.float32)
    power[3, 700:1100] = np.nan
    power[:, 120:140] = 3.0
    level, sigma, counts = 1.01, 0.15, np.empty(6)
    count_samples(power, (2, 15), channels, (level, sigma), counts)
    width = max(1, (channels[1] - channels[0]) // PARTS)
    expected = np.zeros(6)
    for t in range(2, 15):
        begin = channels[0] + t % PARTS * width
        z = (power[t, begin : min(begin + width, channels[1])].astype(float) - level) / sigma
        beyond = (z > WITHIN_SIGMA).sum()
        z = z[np.abs(z) <= WITHIN_SIGMA]
        expected += beyond, len(z), (z < -1).sum(), z.sum(), (z**2).sum(), (z**3).sum()
    # Float32 sums: a sample at the limit may fall on its other side.
    np.testing.assert_allclose(counts, expected, rtol=1e-3, atol=1e-2)


def test_a_tile_without_noise_counts_nothing():
    counts = np.ones(6)
    count_samples(np.ones((2, 64), np.float32), (0, 2), (0, 64), (1.0, 0.0), counts)
    assert not counts.any()
