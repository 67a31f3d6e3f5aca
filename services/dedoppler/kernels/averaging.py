"""Sums of consecutive spectra, without lost samples."""

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.arrays import Floats, Power

Counts = npt.NDArray[np.int32]

_LARGEST = np.finfo(np.float32).max
# Channels added at a time: their sums stay in the first cache level.
_STRIP = 1024


@njit(cache=True, nogil=True)
def add_spectra(power: Power, first: int, spectra: int, total: Floats, number: Counts) -> None:
    """Add spectra to the sums of the averages that they belong to; NaN and infinite samples are left out.

    Samples are added one by one in time order, in float64, so the sums do not depend on how the spectra come in pieces.

    Parameters
    ----------
    power : float32 (rows, channels)
        Consecutive spectra.
    first : int
        Number of the first of them, from the start of the observation.
    spectra : int
        Spectra of an average.
    total : float64 (averages, channels)
        Receives the sums. Spectra beyond the last average are left out.
    number : int32 (averages, channels)
        Receives the number of samples in each sum.
    """
    for low in range(0, power.shape[1], _STRIP):
        high = min(low + _STRIP, power.shape[1])
        for t in range(power.shape[0]):
            average = (first + t) // spectra
            if average >= len(total):
                break
            row, sums, counts = power[t, low:high], total[average, low:high], number[average, low:high]
            for c in range(high - low):
                good = abs(row[c]) <= _LARGEST
                sums[c] += np.float64(row[c]) if good else 0.0
                counts[c] += good


@njit(cache=True, nogil=True)
def means(total: Floats, number: Counts, fewest: int, out: Power) -> None:
    """Set `out`, float32 (averages, channels), to total / number; NaN where there are fewer than `fewest` samples."""
    for a in range(total.shape[0]):
        sums, counts, mean = total[a], number[a], out[a]
        for c in range(len(sums)):
            mean[c] = sums[c] / counts[c] if counts[c] >= fewest else np.nan
