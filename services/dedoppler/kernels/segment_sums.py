"""Paths over many spectra as sums of lines over segments of them, see `search.segment_paths`."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import Parts
from services.dedoppler.kernels.width_trial import Peaks, Starts, boxes
from shared.arrays import Flags, Indices, Power

Numbers = npt.NDArray[np.int32]

# Starts per tile: the sums over lines of up to some hundred spectra stay in the second cache level.
TILE_STARTS = 1024


class Lines(NamedTuple):
    """Sums over lines in the order in which they are made, each in a row of one table.

    Rows are used again once the lines that are made of them are done.

    Attributes
    ----------
    parts : int32 (lines, parts, 2)
        Each (row of the table, column in it) that a line is the sum of; row -1 ends it.
    of_spectra : uint8 (lines,)
        1 if the parts are spectra instead of rows; their columns count from a tile's first start.
    row : int32 (lines,)
        Row of the table that receives the sum.
    extra : int32 (lines,)
        Columns of the sum beyond those of a tile.
    rows : int
        Rows of the table.
    """

    parts: Parts
    of_spectra: Flags
    row: Numbers
    extra: Numbers
    rows: int


class Band(NamedTuple):
    """Neighbouring drifts that are searched together.

    Attributes
    ----------
    steps : int64 (paths,)
        Drift steps, channels.
    lines : Lines
        What the paths share.
    paths : int32 (paths, parts, 2)
        Each (row, column) of the table after all lines are made that a path is the sum of; row -1 ends it.
    """

    steps: Indices
    lines: Lines
    paths: Parts


class Boxes(NamedTuple):
    """The boxes of a width trial: columns per box, and channels per column."""

    per_box: int
    stride: int


@njit(cache=True, nogil=True)
def _add_rows(table: Power, parts: Parts, origin: int, total: Power) -> None:
    """Set total[i] to the sum over parts of table[row, origin + column + i]; four per sweep save loads and stores."""
    count, number = len(total), 0
    while number < len(parts) and parts[number, 0] >= 0:
        number += 1
    head = (number - 1) % 4 + 1
    row = table[parts[0, 0], origin + parts[0, 1] :]
    if head == 1:
        for i in range(count):
            total[i] = row[i]
    else:
        row_b = table[parts[1, 0], origin + parts[1, 1] :]
        for i in range(count):
            total[i] = row[i] + row_b[i]
    for k in range(2, head):
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
def _table(band: Band, columns: int) -> Power:
    """Return room for the lines of a band over `columns` columns."""
    return np.empty((band.lines.rows, columns + band.lines.extra.max()), np.float32)


@njit(cache=True, nogil=True)
def _add_lines(sums: Power, first: int, columns: int, lines: Lines, table: Power) -> None:
    """Make all lines for `columns` starts from column `first` on."""
    for k in range(len(lines.parts)):
        total = table[lines.row[k], : columns + lines.extra[k]]
        if lines.of_spectra[k]:
            _add_rows(sums, lines.parts[k], first, total)
        else:
            _add_rows(table, lines.parts[k], 0, total)


@njit(cache=True, nogil=True)
def path_statistics(starts: Starts, band: Band, of: Boxes) -> Power:
    """Return every statistic of a band: float32 (paths, starts)."""
    count = starts.number
    columns = count + of.per_box - 1
    table = _table(band, columns)
    _add_lines(starts.sums, starts.first, columns, band.lines, table)
    scale = np.float32(1.0 / math.sqrt(starts.sums.shape[0] * of.per_box * of.stride))
    total, twos = np.empty(columns, np.float32), np.empty(columns, np.float32)
    out = np.empty((len(band.steps), count), np.float32)
    for d in range(len(band.steps)):
        _add_rows(table, band.paths[d], 0, total)
        boxes(total, count, of.per_box, twos, out[d])
        out[d] *= scale
    return out


@njit(cache=True, nogil=True)
def _raise(best: Power, best_steps: Indices, row: Power, steps: int) -> None:
    """Raise the best sums by those of one path."""
    any_above = 0
    for i in range(len(best)):
        any_above |= row[i] > best[i]
    if any_above == 0:
        return
    for i in range(len(best)):
        if row[i] > best[i]:
            best[i] = row[i]
            best_steps[i] = steps


@njit(cache=True, nogil=True)
def best_per_start(starts: Starts, band: Band, per_box: Indices, best: Power, best_steps: Indices) -> None:
    """Raise the best sums of some starts by those of a band.

    Parameters
    ----------
    starts : Starts
        Where boxes start.
    band : Band
        Paths.
    per_box : int64 (widths,)
        Columns of a box, for each width to try, rising.
    best : float32 (widths, starts)
        The largest sum so far.
    best_steps : int64 (widths, starts)
        Its drift steps.
    """
    widest = per_box[-1] - 1
    most = min(TILE_STARTS, starts.number) + widest
    table = _table(band, most)
    total, twos, row = np.empty(most, np.float32), np.empty(most, np.float32), np.empty(most, np.float32)
    for begin in range(0, starts.number, TILE_STARTS):
        count = min(TILE_STARTS, starts.number - begin)
        _add_lines(starts.sums, starts.first + begin, count + widest, band.lines, table)
        for d in range(len(band.steps)):
            _add_rows(table, band.paths[d], 0, total[: count + widest])
            for w in range(len(per_box)):
                boxes(total, count, per_box[w], twos, row)
                _raise(best[w, begin : begin + count], best_steps[w, begin : begin + count], row, band.steps[d])


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
