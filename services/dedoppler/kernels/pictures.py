"""The waterfall, and sums of raw power over time and along the path of one hit."""

from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset
from shared.arrays import Floats, Indices, Power

# A single running maximum does not compile to vectors, so many adjacent ones do.
_MAXIMA = 64
# Channels summed at a time: their sums stay in the first cache level.
_STRIP = 2048


class Grid(NamedTuple):
    """The grid of a waterfall.

    Attributes
    ----------
    first : int
        Column of the first bin's first channel.
    bin_edges : int64 (bins + 1,)
        Channels where bins begin, counted from `first`.
    row_edges : int64 (rows + 1,)
        Spectra where rows begin.
    """

    first: int
    bin_edges: Indices
    row_edges: Indices


@njit(cache=True, nogil=True)
def _largest(values: Power, count: int) -> np.float32:
    """Return the largest of the first `count` values, at least one."""
    if count < 2 * _MAXIMA:
        return np.max(values[:count])
    largest = values[:_MAXIMA].copy()
    for start in range(_MAXIMA, count - _MAXIMA + 1, _MAXIMA):
        part = values[start : start + _MAXIMA]
        for i in range(_MAXIMA):
            largest[i] = part[i] if part[i] > largest[i] else largest[i]
    return max(np.max(largest), np.max(values[count - _MAXIMA : count]))


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def waterfall(x: Power, grid: Grid, low_bin: int, high_bin: int, out: Power) -> None:
    """Compute the maximum over the channels of a bin of the mean over a row's spectra.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power.
    grid : Grid
        Bins and rows.
    low_bin, high_bin : int
        Which bins to compute, `high_bin` excluded.
    out : float32 (rows, bins)
        Receives the result.
    """
    first, bin_edges, row_edges = grid
    widest = 1
    for b in range(low_bin, high_bin):
        widest = max(widest, bin_edges[b + 1] - bin_edges[b])
    total = np.empty(widest, np.float32)
    for r in range(len(row_edges) - 1):
        spectra = row_edges[r + 1] - row_edges[r]
        for b in range(low_bin, high_bin):
            low, high = first + bin_edges[b], first + bin_edges[b + 1]
            count = high - low
            if spectra == 1:
                out[r, b] = _largest(x[row_edges[r], low:high], count)
                continue
            for i in range(count):
                total[i] = x[row_edges[r], low + i]
            for t in range(row_edges[r] + 1, row_edges[r + 1]):
                for i in range(count):
                    total[i] += x[t, low + i]
            out[r, b] = _largest(total, count) / spectra


@njit(cache=True, nogil=True)
def _finite(value: np.float32) -> np.float32:
    """Return the value, or 0 for NaN and Inf; comparisons with NaN are false."""
    return value if abs(value) <= np.float32(3.4e38) else np.float32(0.0)


@njit(cache=True, nogil=True)
def time_sum(power: Power, low: int, high: int, total: Floats) -> None:
    """Set total[c] to the sum over spectra of the finite samples, for channels [low, high); float64, in time order."""
    head = power.shape[0] % 4
    # Four spectra per sweep over a strip save loads and stores of the sums.
    for begin in range(low, high, _STRIP):
        end = min(begin + _STRIP, high)
        out = total[begin:end]
        out[:] = 0.0
        for t in range(head):
            row = power[t, begin:end]
            for c in range(end - begin):
                out[c] += _finite(row[c])
        for t in range(head, power.shape[0], 4):
            row_a, row_b = power[t, begin:end], power[t + 1, begin:end]
            row_c, row_d = power[t + 2, begin:end], power[t + 3, begin:end]
            for c in range(end - begin):
                out[c] = (((out[c] + _finite(row_a[c])) + _finite(row_b[c])) + _finite(row_c[c])) + _finite(row_d[c])


@njit(cache=True, nogil=True)
def best_raw_path(power: Power, channel: int, width: int, steps: int) -> float:
    """Return the largest sum of raw power along the single-channel paths of `steps` that start in a box.

    NaN, Inf and samples beyond the array count as 0.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power.
    channel, width : int
        The box in the first spectrum.
    steps : int
        Drift steps of the paths.
    """
    n_spectra, n_channels = power.shape
    best = -np.inf
    for start in range(channel, channel + width):
        total = 0.0
        for t in range(n_spectra):
            c = start + path_offset(steps, t, n_spectra, 1)
            if 0 <= c < n_channels and np.isfinite(power[t, c]):
                total += power[t, c]
        best = max(best, total)
    return best
