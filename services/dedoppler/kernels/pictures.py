"""Cut-outs, the waterfall, and sums along the path of one hit."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset

Power = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


# A single running maximum does not compile to vectors, that many side by side do.
_LANES = 64
_STRIP = 2048


@njit(cache=True, nogil=True)
def _largest(values: Power, count: int) -> np.float32:
    """The largest of the first `count` values, at least one."""
    if count < 2 * _LANES:
        return np.max(values[:count])
    lanes = values[:_LANES].copy()
    for start in range(_LANES, count - _LANES + 1, _LANES):
        part = values[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = part[i] if part[i] > lanes[i] else lanes[i]
    return max(np.max(lanes), np.max(values[count - _LANES : count]))


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def waterfall(
    x: Power, first: int, bin_edges: Indices, low_bin: int, high_bin: int, rows_edges: Indices, out: Power
) -> None:
    """Maximum over the channels of a bin of the mean over a row's spectra.

    Args:
        x: float32 (T, columns), normalised power.
        first: column of the first bin's first channel.
        bin_edges: int64 (bins + 1,), channels where bins begin, counted from `first`.
        low_bin, high_bin: bins to fill in.
        rows_edges: int64 (rows + 1,), spectra where rows begin.
        out: float32 (rows, bins), filled in.
    """
    widest = 1
    for b in range(low_bin, high_bin):
        widest = max(widest, bin_edges[b + 1] - bin_edges[b])
    total = np.empty(widest, np.float32)
    for r in range(len(rows_edges) - 1):
        spectra = rows_edges[r + 1] - rows_edges[r]
        for b in range(low_bin, high_bin):
            low, high = first + bin_edges[b], first + bin_edges[b + 1]
            count = high - low
            if spectra == 1:
                out[r, b] = _largest(x[rows_edges[r], low:high], count)
                continue
            for i in range(count):
                total[i] = x[rows_edges[r], low + i]
            for t in range(rows_edges[r] + 1, rows_edges[r + 1]):
                for i in range(count):
                    total[i] += x[t, low + i]
            out[r, b] = _largest(total, count) / spectra


@njit(cache=True, nogil=True)
def _finite(value: np.float32) -> np.float32:
    """The value, or 0 for NaN and Inf; comparisons with NaN are false."""
    return value if abs(value) <= np.float32(3.4e38) else np.float32(0.0)


@njit(cache=True, nogil=True)
def time_sum(power: Power, low: int, high: int, total: Floats) -> None:
    """total[c] = sum over spectra of the finite samples of channels [low, high); float64, in the order of time."""
    head = power.shape[0] % 4
    # Strips of sums that stay in the first cache level, and four spectra per sweep over them.
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
    """Largest sum of raw power along the single-channel paths of `steps` that start in the box; NaN and Inf count 0.

    `power` is float32 (T, channels); what lies outside of it counts 0.
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
