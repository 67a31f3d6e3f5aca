"""One width trial: box sums along drifting paths, and their local maxima.

The statistic of a path of `steps` channels over T spectra that starts at channel `c`, on boxes of `width` channels, is

    S = sum_t sum_{j < width} x[t, c + o_t + j] / sqrt(T * width)
    o_t = stride * nearest(steps * t / ((T - 1) * stride))

with `x` of mean 0 and sigma 1. The sum over these boxes is exact; nothing is approximated along the path. Starts are
`stride` channels apart, so a trial works on columns that are sums of `stride` channels: each is the sum of two narrower
ones. Paths share the sums over pairs of spectra, see `pair_sums`.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import Parts, path_offset
from shared.arrays import Flags, Indices, Power

Samples = npt.NDArray[np.float32 | np.int16]

# Starts per tile: at T = 16 its sums over pairs fit into the second cache level, and its loops are long enough.
TILE_STARTS = 1024
# Parts of a path that are added up and compared at once, without storing the sum.
FUSED_PARTS = 8


class Trial(NamedTuple):
    """What defines a width trial, whatever the columns.

    Attributes
    ----------
    per_box : int
        Columns of a box: width / stride.
    stride : int
        Channels of a column, which is also the distance between starts.
    steps : int64 (paths,)
        Drift steps of the paths, channels, rising.
    pairs, paths
        How these paths share sums, from `pair_sums`.
    """

    per_box: int
    stride: int
    steps: Indices
    pairs: Indices
    paths: Parts


class Starts(NamedTuple):
    """The places where boxes start in the first spectrum.

    Attributes
    ----------
    sums : float32 (T, columns)
        Normalised power summed over `stride` adjacent channels (see `halved`), with enough zeros on both sides for
        every path.
    first : int
        Column of the first start.
    number : int
        Number of starts, one per column.
    """

    sums: Power
    first: int
    number: int


class TileScratch(NamedTuple):
    """Memory that the tiles of one call reuse.

    Attributes
    ----------
    origin : int
        Column of a tile's first start in `rows` and `table`.
    rows : float32 (3, columns)
        Box sums of two spectra, and sums of two columns.
    table : float32 (pairs, columns)
        Pair sums.
    total, best : float32 (starts,)
        Sums of one path, and the largest sum of any path.
    best_steps : int64 (starts,)
        Drift steps of the path with the largest sum.
    """

    origin: int
    rows: Power
    table: Power
    total: Power
    best: Power
    best_steps: Indices


class Peaks(NamedTuple):
    """Local maxima: int64 start, int64 drift steps and float32 sum or statistic of each."""

    starts: Indices
    steps: Indices
    values: Power


@njit(cache=True, nogil=True)
def halved(x: Power, first: int, count: int) -> Power:
    """Return the sums of two adjacent columns, `count` of them from column `first` on: float32 (T, count)."""
    out = np.empty((x.shape[0], count), np.float32)
    for t in range(x.shape[0]):
        source, target = x[t, first : first + 2 * count], out[t]
        # A constant distance, so that it compiles to vector shuffles.
        for i in range(count):
            target[i] = source[2 * i] + source[2 * i + 1]
    return out


@njit(cache=True, nogil=True)
def _up_to_three(sums: Samples, count: int, per_box: int, row: Samples) -> None:
    """Set row[i] to the sum of 1, 2 or 3 entries of `sums` from `i` on, for i < count."""
    if per_box == 1:
        for i in range(count):
            row[i] = sums[i]
    elif per_box == 2:
        for i in range(count):
            row[i] = sums[i] + sums[i + 1]
    else:
        for i in range(count):
            row[i] = sums[i] + sums[i + 1] + sums[i + 2]


@njit(cache=True, nogil=True)
def boxes(sums: Samples, count: int, per_box: int, twos: Samples, row: Samples) -> None:
    """Set row[i] to the sum of `per_box` entries of `sums` from `i` on, for i < count; overwrite `twos`.

    All three arrays are float32, or all are int16 and the sums are within its range.
    """
    if per_box <= 3:
        _up_to_three(sums, count, per_box, row)
        return
    _up_to_three(sums, count + per_box - 2, 2, twos)
    # An odd box begins with one entry; then come sums of two, two of them per sweep.
    done = 4 if per_box % 2 == 0 else 1
    for i in range(count):
        row[i] = twos[i] + twos[i + 2] if done == 4 else sums[i]
    while done < per_box:
        part = twos[done : done + count + 2]
        if done + 4 <= per_box:
            for i in range(count):
                row[i] += part[i] + part[i + 2]
            done += 4
        else:
            for i in range(count):
                row[i] += part[i]
            done += 2


@njit(cache=True, nogil=True)
def _fill_table(sums: Power, first: int, count: int, trial: Trial, scratch: TileScratch) -> None:
    """Set table[k, origin + o] to pair sum `k` at offset `o` of the first start, for `count` starts from `first` on."""
    n_spectra, begun, origin = sums.shape[0], -1, scratch.origin
    rows, steps, stride = scratch.rows, trial.steps, trial.stride
    for k in range(len(trial.pairs)):
        t, shift, low, high = trial.pairs[k]
        if t != begun:
            begun = t
            for s in range(t, min(t + 2, n_spectra)):
                # All offsets that occur in this spectrum.
                near, far = path_offset(steps[0], s, n_spectra, stride), path_offset(steps[-1], s, n_spectra, stride)
                row = rows[s - t, origin + near :]
                boxes(sums[s, first + near :], far - near + count, trial.per_box, rows[2], row)
        number = high - low + count
        left, out = rows[0, origin + low :], scratch.table[k, origin + low :]
        if t + 1 == n_spectra:
            for i in range(number):
                out[i] = left[i]
            continue
        right = rows[1, origin + low + shift :]
        for i in range(number):
            out[i] = left[i] + right[i]


@njit(cache=True, nogil=True)
def _path_sums(table: Power, path: Parts, origin: int, count: int, sums: Power) -> None:
    """Set sums[i] to the sum of the parts of one path for start `i`; four parts per sweep save loads and stores."""
    total = sums[:count]
    total[:] = np.float32(0.0)
    head = len(path) % 4
    for g in range(head):
        row = table[path[g, 0], origin + path[g, 1] :]
        for i in range(count):
            total[i] += row[i]
    for g in range(head, len(path), 4):
        row_a, row_b = table[path[g, 0], origin + path[g, 1] :], table[path[g + 1, 0], origin + path[g + 1, 1] :]
        row_c, row_d = (
            table[path[g + 2, 0], origin + path[g + 2, 1] :],
            table[path[g + 3, 0], origin + path[g + 3, 1] :],
        )
        for i in range(count):
            total[i] += (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])


@njit(cache=True, nogil=True)
def _any_above(table: Power, path: Parts, origin: int, count: int, threshold: np.float32, sums: Power) -> bool:
    """Return whether a sum of one path exceeds the threshold; the sums equal those of `_path_sums` to the last bit."""
    above, rest = 0, max(0, len(path) - FUSED_PARTS)
    if len(path) != FUSED_PARTS:
        _path_sums(table, path[:rest] if rest else path, origin, count, sums)
    if len(path) < FUSED_PARTS:
        for i in range(count):
            above |= sums[i] > threshold
        return above > 0
    last = path[rest:]
    row_a, row_b = table[last[0, 0], origin + last[0, 1] :], table[last[1, 0], origin + last[1, 1] :]
    row_c, row_d = table[last[2, 0], origin + last[2, 1] :], table[last[3, 0], origin + last[3, 1] :]
    row_e, row_f = table[last[4, 0], origin + last[4, 1] :], table[last[5, 0], origin + last[5, 1] :]
    row_g, row_h = table[last[6, 0], origin + last[6, 1] :], table[last[7, 0], origin + last[7, 1] :]
    if rest == 0:
        for i in range(count):
            first_half = (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])
            above |= first_half + ((row_e[i] + row_f[i]) + (row_g[i] + row_h[i])) > threshold
        return above > 0
    for i in range(count):
        first_half = sums[i] + ((row_a[i] + row_b[i]) + (row_c[i] + row_d[i]))
        above |= first_half + ((row_e[i] + row_f[i]) + (row_g[i] + row_h[i])) > threshold
    return above > 0


@njit(cache=True, nogil=True)
def _scratch_for(trial: Trial, n_spectra: int, tile: int) -> TileScratch:
    """Return scratch for tiles of `tile` starts."""
    low = min(0, path_offset(trial.steps[0], n_spectra - 1, n_spectra, trial.stride))
    high = max(0, path_offset(trial.steps[-1], n_spectra - 1, n_spectra, trial.stride))
    columns = high - low + tile
    return TileScratch(
        -low,
        np.empty((3, columns + trial.per_box), np.float32),
        np.empty((len(trial.pairs), columns), np.float32),
        np.empty(tile, np.float32),
        np.empty(tile, np.float32),
        np.empty(tile, np.int64),
    )


@njit(cache=True, nogil=True)
def width_trial_statistics(starts: Starts, trial: Trial) -> Power:
    """Return every statistic of a width trial: float32 (paths, starts)."""
    n_spectra, count = starts.sums.shape[0], starts.number
    scratch = _scratch_for(trial, n_spectra, count)
    _fill_table(starts.sums, starts.first, count, trial, scratch)
    scale = np.float32(1.0 / math.sqrt(n_spectra * trial.per_box * trial.stride))
    out = np.empty((len(trial.steps), count), np.float32)
    for d in range(len(trial.steps)):
        _path_sums(scratch.table, trial.paths[d], scratch.origin, count, out[d])
        out[d] *= scale
    return out


@njit(cache=True, nogil=True)
def _keep_peaks(
    scratch: TileScratch, tile: tuple[int, int], reach: int, threshold: np.float32, peaks: Peaks, found: int
) -> int:
    """Append the starts whose best sum is above the threshold and not below any within `reach` starts.

    `tile` is (first start, number of starts), `found` the number of peaks so far. Return their new number.
    """
    begin, count = tile
    best = scratch.best
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
            peaks.starts[found] = begin + i
            peaks.steps[found] = scratch.best_steps[i]
            peaks.values[found] = value
            found += 1
    return found


@njit(cache=True, nogil=True)
def _best_per_start(trial: Trial, scratch: TileScratch, count: int, may_exceed: Flags, threshold: np.float32) -> bool:
    """Find the largest sum of each start over all paths that may exceed the threshold, and its drift steps.

    Both are written to `scratch` only where the sum exceeds the threshold; `best` is the threshold elsewhere. Return
    False, with nothing written, if no sum exceeds it.
    """
    any_above, table, origin, total = False, scratch.table, scratch.origin, scratch.total
    best, best_steps = scratch.best, scratch.best_steps
    for d in range(len(trial.steps)):
        path = trial.paths[d]
        if not may_exceed[d] or not _any_above(table, path, origin, count, threshold, total):
            continue
        if not any_above:
            any_above = True
            best[:count] = threshold
        _path_sums(table, path, origin, count, total)
        for i in range(count):
            if total[i] > best[i]:
                best[i] = total[i]
                best_steps[i] = trial.steps[d]
    return any_above


@njit(cache=True, nogil=True)
def _empty_peaks(capacity: int) -> Peaks:
    return Peaks(np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity, np.float32))


@njit(cache=True, nogil=True)
def _grown(peaks: Peaks, found: int, capacity: int) -> Peaks:
    """Return a copy of the first `found` peaks in arrays of `capacity` entries."""
    larger = _empty_peaks(capacity)
    larger.starts[:found] = peaks.starts[:found]
    larger.steps[:found] = peaks.steps[:found]
    larger.values[:found] = peaks.values[:found]
    return larger


@njit(cache=True, nogil=True)
def search_width_trial(
    starts: Starts, trial: Trial, snr_threshold: float, may_exceed: Flags, flagged_starts: int, above_threshold: Flags
) -> Peaks:
    """Find the local maxima of a width trial's statistic over all drifts, one per place.

    Parameters
    ----------
    starts : Starts
        Where boxes start.
    trial : Trial
        Boxes and paths.
    snr_threshold : float
        A statistic must exceed it.
    may_exceed : uint8 (groups of starts, paths)
        From `upper_bound.may_exceed`: 0 where no statistic of a path exceeds the threshold.
    flagged_starts : int
        Starts per row of `may_exceed`, a multiple of `TILE_STARTS`.
    above_threshold : uint8 (starts * stride or more,)
        Set to 1 at the channels, counted from the first start, of every start whose best statistic exceeds the
        threshold.

    Returns
    -------
    Peaks
        Starts, counted from the first one, with drift steps and statistics.
    """
    n_spectra, n_starts = starts.sums.shape[0], starts.number
    tile, stride = min(TILE_STARTS, n_starts), trial.stride
    scratch = _scratch_for(trial, n_spectra, tile)
    capacity, found = 1024, 0
    peaks = _empty_peaks(capacity)
    root = math.sqrt(n_spectra * trial.per_box * stride)
    threshold, scale = np.float32(snr_threshold * root), np.float32(1.0 / root)
    for begin in range(0, n_starts, tile):
        count, flags = min(tile, n_starts - begin), may_exceed[begin // flagged_starts]
        if not flags.any():
            continue
        _fill_table(starts.sums, starts.first + begin, count, trial, scratch)
        if not _best_per_start(trial, scratch, count, flags, threshold):
            continue
        for i in range(count):
            if scratch.best[i] > threshold:
                above_threshold[(begin + i) * stride : (begin + i + 1) * stride] = 1
        if found + count > capacity:
            capacity = 2 * (found + count)
            peaks = _grown(peaks, found, capacity)
        found = _keep_peaks(scratch, (begin, count), trial.per_box, threshold, peaks, found)
    return Peaks(peaks.starts[:found], peaks.steps[:found], peaks.values[:found] * scale)
