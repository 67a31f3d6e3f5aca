"""How the samples of a tile are distributed about its level: lines in many channels show there."""

import numpy as np
from numba import njit

from shared.arrays import Floats, Power

# One part in so many of a tile's channels is looked at: neighbouring channels, others in each spectrum.
PARTS = 8
# Samples within so many sigma are looked at; those below the level by one sigma are low. Below a twentieth of the level
# there are few, and a level of less than half a sigma is that of power whose mean was subtracted.
WITHIN_SIGMA = 6.0
LOW_SHARE_OF_LEVEL, LEAST_RATIO = 0.05, 0.5


@njit(cache=True, nogil=True, inline="always")
def low_limit(ratio: float) -> float:
    """Return below which deviation, in sigma, samples are low; `ratio` is level / sigma."""
    return max(-1.0, (LOW_SHARE_OF_LEVEL - 1) * ratio) if ratio > LEAST_RATIO else -1.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _count(
    row: Power, level: np.float32, gain: np.float32, limit: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]:
    """Return numbers beyond, within and low, and sums of three powers of the deviations; NaN drops out.

    Counts in float32 use vectors of the same length as the samples.
    """
    beyond, number, low = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    first, second, third = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(len(row)):
        deviation = (row[i] - level) * gain
        inside = abs(deviation) <= np.float32(WITHIN_SIGMA)
        kept = deviation if inside else np.float32(0.0)
        beyond += np.float32(1.0) if deviation > np.float32(WITHIN_SIGMA) else np.float32(0.0)
        number += np.float32(1.0) if inside else np.float32(0.0)
        # The limit is negative, so what is left out does not count.
        low += np.float32(1.0) if kept < limit else np.float32(0.0)
        first += kept
        second += kept * kept
        third += kept * kept * kept
    return beyond, number, low, first, second, third


@njit(cache=True, nogil=True)
def count_samples(
    power: Power, rows: tuple[int, int], channels: tuple[int, int], noise: tuple[float, float], counts: Floats
) -> None:
    """Count some samples of a tile.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power; NaN and Inf drop out.
    rows, channels : (int, int)
        Spectra and channels of the tile, [first, stop).
    noise : (float, float)
        Mean and standard deviation of the tile; nothing is counted if the latter is 0.
    counts : float64 (6,)
        Receives the number of samples above `WITHIN_SIGMA`, the number within, the number below the limit, and the
        sums of the first three powers of the deviations in sigma.
    """
    counts[:] = 0.0
    level, sigma = noise
    if sigma <= 0:
        return
    width = max(1, (channels[1] - channels[0]) // PARTS)
    limit = np.float32(low_limit(level / sigma))
    for t in range(rows[0], rows[1]):
        begin = channels[0] + t % PARTS * width
        row = power[t, begin : min(begin + width, channels[1])]
        of_row = _count(row, np.float32(level), np.float32(1 / sigma), limit)
        for i, value in enumerate(of_row):
            counts[i] += value
