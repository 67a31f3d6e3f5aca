"""A bound from above on the statistics of a width trial, in 16-bit integers.

Paths with similar drifts pass near each other: in spectrum t all paths of a group start within a window of a few
starts. So the sum over t of the largest box in each window is no less than the sum of any path of the group. It is one
sum for a whole group, in integers half as wide as float32, and nearly everywhere it is below the threshold; only where
it is not are the group's paths summed. Power is rounded to whole quanta and the limit is lowered by the largest effect
of that rounding, so no statistic above the threshold is ever missed.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset
from services.dedoppler.kernels.width_trial import boxes
from shared.arrays import Flags, Indices, Power, Quanta

# Rows that are added up and compared at once, without storing the sum.
FUSED_ROWS = 8


class DriftGroups(NamedTuple):
    """Drifts that are bounded together.

    Attributes
    ----------
    groups : int64 (groups, 2)
        Each (first, stop) of its drifts.
    offsets : int64 (groups, T)
        Where the windows of a group begin, in strides from the start.
    windows : int64 (T,)
        Starts in a window of each spectrum.
    """

    groups: Indices
    offsets: Indices
    windows: Indices


class Bound(NamedTuple):
    """What defines the upper bound of a width trial, whatever the columns.

    Attributes
    ----------
    per_box : int
        Columns of a box.
    groups, offsets, windows
        Of the drifts, from `drift_groups`.
    largest_box : int
        T boxes of this many quanta add up within int16. A box with a column that was clipped has no fewer, and all
        drifts of a tile with such a box are flagged.
    limit : int
        The smallest sum of a path, in quanta, to which a sum above the threshold may be rounded.
    """

    per_box: int
    groups: Indices
    offsets: Indices
    windows: Indices
    largest_box: int
    limit: int


class QuantisedStarts(NamedTuple):
    """The places where boxes start in the first spectrum.

    Attributes
    ----------
    quanta : int16 (T, columns)
        From `quantised`; every path and every window is inside.
    first : int
        Column of the first start.
    number : int
        Number of starts, one per column.
    """

    quanta: Quanta
    first: int
    number: int


class BoundScratch(NamedTuple):
    """Memory that the tiles of one call reuse, int16.

    `pair` (2, columns) holds a spectrum's boxes, `rows` (T, columns) the largest boxes in windows, `total` (starts,)
    sums.
    """

    pair: Quanta
    rows: Quanta
    total: Quanta


@njit(cache=True, nogil=True)
def quantised(
    sums: Power, first: int, count: int, scale: np.float32, lowest: np.float32, highest: np.float32
) -> Quanta:
    """Round power to quanta: `sums * scale`, to the nearest integer, clipped to [lowest, highest].

    Parameters
    ----------
    sums : float32 (T, columns)
        Normalised power.
    first, count : int
        Which columns; zeros follow where there are fewer.
    scale : float32
        Quanta per unit.
    lowest, highest : float32
        Whole numbers within int16.

    Returns
    -------
    int16 (T, count)
    """
    out = np.zeros((sums.shape[0], count), np.int16)
    for t in range(sums.shape[0]):
        source, target = sums[t, first : first + count], out[t]
        for i in range(len(source)):
            value = min(max(source[i] * scale, lowest), highest)
            target[i] = np.int16(np.floor(value + np.float32(0.5)))
    return out


@njit(cache=True, nogil=True)
def drift_groups(steps: Indices, n_spectra: int, stride: int, span: int) -> DriftGroups:
    """Group drifts that are bounded together.

    Parameters
    ----------
    steps : int64 (drifts,)
        Drift steps of the paths, rising.
    n_spectra : int
        T.
    stride : int
        Channels between starts.
    span : int
        Largest difference between the drift steps of a group.
    """
    groups, n_groups = np.empty((len(steps), 2), np.int64), 0
    for d in range(len(steps)):
        if n_groups == 0 or steps[d] - steps[groups[n_groups - 1, 0]] > span:
            groups[n_groups, 0] = d
            n_groups += 1
        groups[n_groups - 1, 1] = d + 1
    offsets, windows = np.empty((n_groups, n_spectra), np.int64), np.ones(n_spectra, np.int64)
    for g in range(n_groups):
        for t in range(n_spectra):
            offsets[g, t] = path_offset(steps[groups[g, 0]], t, n_spectra, stride)
            far = path_offset(steps[groups[g, 1] - 1], t, n_spectra, stride)
            windows[t] = max(windows[t], far - offsets[g, t] + 1)
    return DriftGroups(groups[:n_groups].copy(), offsets, windows)


@njit(cache=True, nogil=True)
def _larger(row: Quanta, apart: int, count: int, out: Quanta) -> None:
    """Set out[i] to the larger of row[i] and row[i + apart], for i < count."""
    far = row[apart:]
    for i in range(count):
        out[i] = max(row[i], far[i])


@njit(cache=True, nogil=True)
def _largest_in_windows(row: Quanta, count: int, window: int, scratch: Quanta, out: Quanta) -> None:
    """Set out[i] to the largest of row[i : i + window], for i < count; overwrite `row` and `scratch`."""
    have = 1
    while 2 * have < window:
        _larger(row, have, count + window - 2 * have, scratch)
        row, scratch = scratch, row
        have *= 2
    _larger(row, window - have, count, out)


@njit(cache=True, nogil=True)
def _largest(row: Quanta, count: int) -> np.int16:
    largest = np.int16(-32768)
    for i in range(count):
        largest = max(largest, row[i])
    return largest


@njit(cache=True, nogil=True)
def _fill_rows(quanta: Quanta, first: int, count: int, bound: Bound, scratch: BoundScratch) -> bool:
    """Set rows[t, i] to the largest box in the window at the first group's offset + i.

    Return False, with rows incomplete, if a box reaches `largest_box`.
    """
    offsets, windows, pair, rows = bound.offsets, bound.windows, scratch.pair, scratch.rows
    for t in range(len(rows)):
        low, number = offsets[0, t], offsets[-1, t] - offsets[0, t] + count
        boxes(quanta[t, first + low :], number + windows[t] - 1, bound.per_box, pair[0], pair[1])
        _largest_in_windows(pair[1], number, windows[t], pair[0], rows[t])
        if _largest(rows[t], number) >= bound.largest_box:
            return False
    return True


@njit(cache=True, nogil=True)
def _add_rows(rows: Quanta, at: Indices, stop: int, count: int, total: Quanta) -> None:
    """Set total[i] to the sum of rows[t, at[t] + i] over t < stop; four rows per sweep save loads and stores.

    Very negative sums may wrap round to a positive value; that flags a path for nothing and only costs time. A sum that
    reaches the limit never wraps.
    """
    total[:count] = 0
    head = stop % 4
    for t in range(head):
        row = rows[t, at[t] :]
        for i in range(count):
            total[i] += row[i]
    for t in range(head, stop, 4):
        row_a, row_b = rows[t, at[t] :], rows[t + 1, at[t + 1] :]
        row_c, row_d = rows[t + 2, at[t + 2] :], rows[t + 3, at[t + 3] :]
        for i in range(count):
            total[i] += row_a[i] + row_b[i] + row_c[i] + row_d[i]


@njit(cache=True, nogil=True)
def _largest_sum(rows: Quanta, at: Indices, count: int, total: Quanta) -> np.int16:
    """Return the largest sum of rows[t, at[t] + i] over t, for i < count; overwrite `total`."""
    rest = len(at) - FUSED_ROWS
    if rest < 0:
        _add_rows(rows, at, len(at), count, total)
        return _largest(total, count)
    _add_rows(rows, at, rest, count, total)
    row_a, row_b = rows[rest, at[rest] :], rows[rest + 1, at[rest + 1] :]
    row_c, row_d = rows[rest + 2, at[rest + 2] :], rows[rest + 3, at[rest + 3] :]
    row_e, row_f = rows[rest + 4, at[rest + 4] :], rows[rest + 5, at[rest + 5] :]
    row_g, row_h = rows[rest + 6, at[rest + 6] :], rows[rest + 7, at[rest + 7] :]
    largest = np.int16(-32768)
    for i in range(count):
        first_half = total[i] + row_a[i] + row_b[i] + row_c[i] + row_d[i]
        # As int16, so that it compiles to vectors of them.
        largest = max(largest, np.int16(first_half + row_e[i] + row_f[i] + row_g[i] + row_h[i]))
    return largest


@njit(cache=True, nogil=True)
def may_exceed(starts: QuantisedStarts, tile_starts: int, bound: Bound) -> Flags:
    """Flag where the sum of a path may exceed the threshold.

    Parameters
    ----------
    starts : QuantisedStarts
        Where boxes start.
    tile_starts : int
        Number of starts that share a flag.
    bound : Bound
        Boxes, groups of drifts and limit.

    Returns
    -------
    uint8 (ceil(starts / tile_starts), drifts)
        0 where no path of a drift that starts in this tile exceeds the threshold, else 1.
    """
    groups, offsets, windows = bound.groups, bound.offsets, bound.windows
    out = np.zeros((-(-starts.number // tile_starts), groups[-1, 1]), np.uint8)
    tile = min(tile_starts, starts.number)
    columns = tile + (offsets[-1] - offsets[0]).max() + windows.max() + bound.per_box
    scratch = BoundScratch(
        np.empty((2, columns), np.int16), np.empty((len(windows), columns), np.int16), np.empty(tile, np.int16)
    )
    for k in range(len(out)):
        begin = k * tile_starts
        count = min(tile, starts.number - begin)
        if not _fill_rows(starts.quanta, starts.first + begin, count, bound, scratch):
            out[k] = 1
            continue
        for g in range(len(groups)):
            if _largest_sum(scratch.rows, offsets[g] - offsets[0], count, scratch.total) >= bound.limit:
                out[k, groups[g, 0] : groups[g, 1]] = 1
    return out
