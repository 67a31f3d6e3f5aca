"""One rung of the width ladder: box sums along drifting paths, and their local maxima.

The statistic of a path of `steps` channels over T spectra that starts at channel `c`, on boxes of `width` channels, is

    S = sum_t sum_{j < width} x[t, c + o_t + j] / sqrt(T * width),      o_t = hop * nearest(steps * t / ((T - 1) * hop))

with `x` of mean 0 and sigma 1. It equals the plain sum over these boxes; nothing is approximated along the path.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Power = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

# Starts per tile: its spectra and its accumulator stay in the first two cache levels at T = 16.
TILE_STARTS = 512


@njit(cache=True, nogil=True)
def path_offset(steps: int, t: int, n_spectra: int, hop: int) -> int:
    """Nearest integer to steps * t / ((T - 1) * hop), halves away from zero, so that it is odd in `steps`."""
    divisor = 2 * (n_spectra - 1) * hop
    if steps >= 0:
        return (2 * steps * t + (n_spectra - 1) * hop) // divisor
    return -((-2 * steps * t + (n_spectra - 1) * hop) // divisor)


@njit(cache=True, nogil=True)
def _halved(source: Power, count: int, target: Power) -> None:
    """target[i] = source[2 i] + source[2 i + 1]; a constant stride, so that it compiles to vector shuffles."""
    for i in range(count):
        target[i] = source[2 * i] + source[2 * i + 1]


@njit(cache=True, nogil=True)
def _hop_sums(row: Power, first: int, count: int, hop: int, buffer_a: Power, buffer_b: Power) -> Power:
    """Sums of `hop` channels side by side, `count` of them; hop is 1, or 3 or 1 times a power of two."""
    size = count * hop
    current = row[first : first + size]
    spare, other = buffer_a, buffer_b
    if hop % 3 == 0:
        size //= 3
        for i in range(size):
            spare[i] = current[3 * i] + current[3 * i + 1] + current[3 * i + 2]
        current = spare[:size]
        spare, other = other, spare
    while size > count:
        size //= 2
        _halved(current, size, spare)
        current = spare[:size]
        spare, other = other, spare
    return current


@njit(cache=True, nogil=True)
def _box_sums(
    x: Power, first: int, count: int, width: int, hop: int, buffer_a: Power, buffer_b: Power, boxes: Power
) -> None:
    """boxes[t, i] = sum of `width` channels of x[t] from column first + i * hop on, for i < count."""
    per_box = width // hop
    for t in range(x.shape[0]):
        hops = _hop_sums(x[t], first, count + per_box - 1, hop, buffer_a, buffer_b)
        row = boxes[t, :count]
        for i in range(count):
            row[i] = hops[i]
        for k in range(1, per_box):
            part = hops[k : k + count]
            for i in range(count):
                row[i] += part[i]


@njit(cache=True, nogil=True)
def _path_sums(boxes: Power, origin: int, count: int, steps: int, hop: int, sums: Power) -> None:
    """sums[i] = sum over spectra of boxes[t, origin + i + o_t]; four spectra per sweep to save loads and stores."""
    n_spectra = boxes.shape[0]
    head = n_spectra % 4
    total = sums[:count]
    for i in range(count):
        total[i] = np.float32(0.0)
    for t in range(head):
        a = origin + path_offset(steps, t, n_spectra, hop)
        row = boxes[t, a : a + count]
        for i in range(count):
            total[i] += row[i]
    for t in range(head, n_spectra, 4):
        a = origin + path_offset(steps, t, n_spectra, hop)
        b = origin + path_offset(steps, t + 1, n_spectra, hop)
        c = origin + path_offset(steps, t + 2, n_spectra, hop)
        d = origin + path_offset(steps, t + 3, n_spectra, hop)
        row_a = boxes[t, a : a + count]
        row_b = boxes[t + 1, b : b + count]
        row_c = boxes[t + 2, c : c + count]
        row_d = boxes[t + 3, d : d + count]
        for i in range(count):
            total[i] += (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])


@njit(cache=True, nogil=True)
def rung_statistics(x: Power, first: int, count: int, width: int, hop: int, drifts: Indices) -> Power:
    """Every statistic of a rung: float32 (drifts, count), start `i` at column first + i * hop of `x` (T, columns)."""
    n_spectra = x.shape[0]
    span = np.max(np.abs(drifts)) // hop + 1
    boxes = np.empty((n_spectra, count + 2 * span), np.float32)
    size = (count + 2 * span) * hop + width
    buffer_a, buffer_b = np.empty(size, np.float32), np.empty(size, np.float32)
    _box_sums(x, first - span * hop, count + 2 * span, width, hop, buffer_a, buffer_b, boxes)
    scale = np.float32(1.0 / math.sqrt(n_spectra * width))
    out = np.empty((len(drifts), count), np.float32)
    for d in range(len(drifts)):
        _path_sums(boxes, span, count, drifts[d], hop, out[d])
        out[d] *= scale
    return out


@njit(cache=True, nogil=True)
def _keep_peaks(
    best: Power,
    best_steps: Indices,
    count: int,
    reach: int,
    threshold: np.float32,
    first: int,
    hop: int,
    scale: np.float32,
    found: int,
    columns: Indices,
    steps: Indices,
    values: Power,
) -> int:
    """Append the starts whose best sum is above the threshold and not below any within `reach` starts."""
    for i in range(count):
        value = best[i]
        if value <= threshold:
            continue
        peak = True
        for j in range(max(0, i - reach), min(count, i + reach + 1)):
            if best[j] > value or (best[j] == value and j < i):
                peak = False
                break
        if peak:
            columns[found] = first + i * hop
            steps[found] = best_steps[i]
            values[found] = value * scale
            found += 1
    return found


@njit(cache=True, nogil=True)
def _best_per_start(
    boxes: Power,
    span: int,
    count: int,
    hop: int,
    drifts: Indices,
    threshold: np.float32,
    sums: Power,
    best: Power,
    best_steps: Indices,
) -> bool:
    """The largest sum over all drifts of each start, and its steps; False where none exceeds the threshold.

    Both are written only where the sum exceeds the threshold; `best` is the threshold elsewhere.
    """
    any_hot = False
    for d in range(len(drifts)):
        _path_sums(boxes, span, count, drifts[d], hop, sums)
        above = 0
        for i in range(count):
            above += sums[i] > threshold
        if above == 0:
            continue
        if not any_hot:
            any_hot = True
            best[:count] = threshold
        for i in range(count):
            if sums[i] > best[i]:
                best[i] = sums[i]
                best_steps[i] = drifts[d]
    return any_hot


@njit(cache=True, nogil=True)
def search_rung(
    x: Power, first: int, n_starts: int, width: int, hop: int, drifts: Indices, snr_threshold: float, hot: Flags
) -> tuple[Indices, Indices, Power]:
    """Local maxima of a rung's statistic over all drifts, one per place.

    Args:
        x: float32 (T, columns), normalised power with enough zeros on both sides for every path.
        first: column of the first start; start `i` is at first + i * hop.
        n_starts: number of starts.
        width, hop: channels of the box and between starts; `width` is a multiple of `hop`.
        drifts: int64, steps of the paths.
        snr_threshold: what a statistic must exceed.
        hot: uint8 (columns,), set to 1 at the columns of every start whose best statistic exceeds the threshold.

    Returns:
        (columns, steps, values) of the maxima: int64, int64, float32.
    """
    n_spectra = x.shape[0]
    span = np.max(np.abs(drifts)) // hop + 1
    tile = max(TILE_STARTS, 2 * span)
    boxes = np.empty((n_spectra, tile + 2 * span), np.float32)
    size = (tile + 2 * span) * hop + width
    buffer_a, buffer_b = np.empty(size, np.float32), np.empty(size, np.float32)
    sums = np.empty(tile, np.float32)
    best = np.empty(tile, np.float32)
    best_steps = np.empty(tile, np.int64)
    capacity, found = 1024, 0
    columns, steps, values = np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity, np.float32)
    root = math.sqrt(n_spectra * width)
    threshold, scale = np.float32(snr_threshold * root), np.float32(1.0 / root)
    for begin in range(0, n_starts, tile):
        count = min(tile, n_starts - begin)
        at = first + begin * hop
        _box_sums(x, at - span * hop, count + 2 * span, width, hop, buffer_a, buffer_b, boxes)
        if not _best_per_start(boxes, span, count, hop, drifts, threshold, sums, best, best_steps):
            continue
        for i in range(count):
            if best[i] > threshold:
                hot[at + i * hop : at + (i + 1) * hop] = 1
        if found + count > capacity:
            capacity = 2 * (found + count)
            columns, steps, values = _grown(columns, steps, values, found, capacity)
        reach = width // hop
        found = _keep_peaks(best, best_steps, count, reach, threshold, at, hop, scale, found, columns, steps, values)
    return columns[:found], steps[:found], values[:found]


@njit(cache=True, nogil=True)
def _grown(
    columns: Indices, steps: Indices, values: Power, found: int, capacity: int
) -> tuple[Indices, Indices, Power]:
    """The three arrays with room for `capacity` entries."""
    new_columns, new_steps = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    new_values = np.empty(capacity, np.float32)
    new_columns[:found], new_steps[:found], new_values[:found] = columns[:found], steps[:found], values[:found]
    return new_columns, new_steps, new_values
