"""Paths over many spectra as sums of lines over segments of them, see `search.segment_paths`."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.pair_sums import Parts
from services.dedoppler.kernels.width_trial import Peaks, Starts, boxes
from shared.arrays import Flags, Indices, Power

# Starts per tile: the sums over short lines of one long segment stay in the second cache level.
TILE_STARTS = 1024


class Level(NamedTuple):
    """Sums that are made from the rows of the level below.

    Attributes
    ----------
    parts : int32 (sums, parts, 2)
        Each (row, column) of the level below; row -1 ends a sum.
    extra : int
        Columns of a sum beyond the starts of a tile.
    """

    parts: Parts
    extra: int


class Band(NamedTuple):
    """Neighbouring drifts that are searched together.

    Attributes
    ----------
    steps : int64 (paths,)
        Drift steps, channels.
    short, long, paths : Level
        Short lines, made of spectra (columns count from a tile's first start); long lines; whole paths.
    """

    steps: Indices
    short: Level
    long: Level
    paths: Level


class Boxes(NamedTuple):
    """The boxes of a width trial: columns per box, and channels per column."""

    per_box: int
    stride: int


@njit(cache=True, nogil=True)
def _add_rows(table: Power, parts: Parts, origin: int, count: int, total: Power) -> None:
    """Set total[i] to the sum over parts of table[row, origin + column + i]; four per sweep save loads and stores."""
    number = 0
    while number < len(parts) and parts[number, 0] >= 0:
        number += 1
    head = number % 4
    total[:count] = np.float32(0.0)
    for k in range(head):
        row = table[parts[k, 0], origin + parts[k, 1] :]
        for i in range(count):
            total[i] += row[i]
    for k in range(head, number, 4):
        row_a = table[parts[k, 0], origin + parts[k, 1] :]
        row_b = table[parts[k + 1, 0], origin + parts[k + 1, 1] :]
        row_c = table[parts[k + 2, 0], origin + parts[k + 2, 1] :]
        row_d = table[parts[k + 3, 0], origin + parts[k + 3, 1] :]
        for i in range(count):
            total[i] += (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])


@njit(cache=True, nogil=True)
def _long_lines(sums: Power, first: int, count: int, band: Band) -> Power:
    """Return the sums over long lines for `count` starts from column `first` on: float32 (lines, columns)."""
    short, long = band.short, band.long
    below = np.empty((len(short.parts), count + short.extra), np.float32)
    for row in range(len(below)):
        _add_rows(sums, short.parts[row], first, count + short.extra, below[row])
    out = np.empty((len(long.parts), count + long.extra), np.float32)
    for row in range(len(out)):
        _add_rows(below, long.parts[row], 0, count + long.extra, out[row])
    return out


@njit(cache=True, nogil=True)
def path_statistics(starts: Starts, band: Band, of: Boxes) -> Power:
    """Return every statistic of a band: float32 (paths, starts)."""
    count = starts.number
    columns = count + of.per_box - 1
    table = _long_lines(starts.sums, starts.first, columns, band)
    scale = np.float32(1.0 / math.sqrt(starts.sums.shape[0] * of.per_box * of.stride))
    total, twos = np.empty(columns, np.float32), np.empty(columns, np.float32)
    out = np.empty((len(band.steps), count), np.float32)
    for d in range(len(band.steps)):
        _add_rows(table, band.paths.parts[d], 0, columns, total)
        boxes(total, count, of.per_box, twos, out[d])
        out[d] *= scale
    return out


@njit(cache=True, nogil=True)
def best_per_start(starts: Starts, band: Band, of: Boxes, best: Power, best_steps: Indices) -> None:
    """Raise the best sums of some starts by those of a band.

    Parameters
    ----------
    starts : Starts
        Where boxes start.
    band : Band
        Paths.
    of : Boxes
        Boxes.
    best : float32 (starts,)
        The largest sum so far.
    best_steps : int64 (starts,)
        Its drift steps.
    """
    for begin in range(0, starts.number, TILE_STARTS):
        count = min(TILE_STARTS, starts.number - begin)
        columns = count + of.per_box - 1
        table = _long_lines(starts.sums, starts.first + begin, columns, band)
        total, twos, row = np.empty(columns, np.float32), np.empty(columns, np.float32), np.empty(count, np.float32)
        top, top_steps = best[begin : begin + count], best_steps[begin : begin + count]
        for d in range(len(band.steps)):
            _add_rows(table, band.paths.parts[d], 0, columns, total)
            boxes(total, count, of.per_box, twos, row)
            any_above = 0
            for i in range(count):
                any_above |= row[i] > top[i]
            if any_above == 0:
                continue
            for i in range(count):
                if row[i] > top[i]:
                    top[i] = row[i]
                    top_steps[i] = band.steps[d]


@njit(cache=True, nogil=True)
def local_maxima(best: Power, best_steps: Indices, threshold: np.float32, of: Boxes, above_threshold: Flags) -> Peaks:
    """Return the starts whose best sum is above the threshold and not below any within a box's width.

    Parameters
    ----------
    best : float32 (starts,)
        Best sum of each start.
    best_steps : int64 (starts,)
        Its drift steps.
    threshold : float32
        A sum must exceed it.
    of : Boxes
        Boxes.
    above_threshold : uint8 (starts * stride or more,)
        Set to 1 at the channels of every start whose best sum exceeds the threshold.
    """
    at = np.flatnonzero(best > threshold)
    keep = np.ones(len(at), np.bool_)
    for k in range(len(at)):
        i = at[k]
        above_threshold[i * of.stride : (i + 1) * of.stride] = 1
        for j in range(max(0, i - of.per_box), min(len(best), i + of.per_box + 1)):
            if best[j] > best[i] or (best[j] == best[i] and j < i):
                keep[k] = False
                break
    at = at[keep]
    return Peaks(at, best_steps[at], best[at])
