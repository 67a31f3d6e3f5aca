"""The waterfall, and sums of raw power over time and along the path of one hit."""

from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset
from shared.arrays import Floats, Indices, Power

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
def _largest(values: Power) -> np.int32:
    """Return the bits of the largest value, of at least one.

    As whole numbers, the bits of float32 are in the order of the values, but for those below zero, which are in the
    reverse order. A running maximum of whole numbers compiles to vectors, one of floats does not.
    """
    bits = values.view(np.int32)
    largest = bits[0]
    for i in range(len(bits)):
        largest = bits[i] if bits[i] > largest else largest
    return largest if largest >= 0 else np.min(bits)


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
    total, bits = np.empty(widest, np.float32), out.view(np.int32)
    for r in range(len(row_edges) - 1):
        spectra = row_edges[r + 1] - row_edges[r]
        for b in range(low_bin, high_bin):
            low, high = first + bin_edges[b], first + bin_edges[b + 1]
            count = high - low
            if spectra == 1:
                bits[r, b] = _largest(x[row_edges[r], low:high])
                continue
            for i in range(count):
                total[i] = x[row_edges[r], low + i]
            for t in range(row_edges[r] + 1, row_edges[r + 1]):
                for i in range(count):
                    total[i] += x[t, low + i]
            bits[r, b] = _largest(total[:count])
            out[r, b] /= spectra


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
