"""Straight paths over many spectra, put together from short lines that they share.

Lines of one length have few slopes and few places within a channel, so that many paths share each of them. A path is
the sum of up to 48 lines, each of these the sum of four lines of a quarter of its length, and so on down to lines of 16
spectra. In return a path is not quite straight: each level puts a line up to half of `1 / phases` off in its middle,
and up to a quarter of `apart` more at its ends. More levels have finer lines, so that paths of any length are as
straight. The cost of all paths per sample grows with the number of levels, and with how fine they are: together with
the square of the logarithm of the number of spectra.

Lines of 16 spectra are exact sums of two halves, which are sums of two halves again: there are few ways for a line to
pass two, four or eight spectra, and each is summed once.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels.pair_sums import Parts
from services.dedoppler.kernels.segment_sums import Band, Lines
from services.dedoppler.search.width_trials import WidthTrial
from shared.arrays import Indices

SHORT_SPECTRA = 16
# Lines in one of the next length. Fewer would mean more levels, which have to be finer; more would share less.
PARTS_PER_LINE = 4
# Longest lines in a path: paths are fewer than lines, so that more of these cost less than one more level.
MOST_PARTS_OF_PATH = 48
# Drifts of a band are searched together. More would take more memory, fewer would share less.
MOST_DRIFTS = 256


@dataclass(frozen=True)
class Fineness:
    """How dense the lines of each length are.

    Attributes
    ----------
    phases : int
        Places within a column at which the middle of a line may be.
    apart : float
        Columns by which lines of neighbouring slopes part from end to end.
    """

    phases: int
    apart: float


@dataclass(frozen=True)
class _Lines:
    """Lines over segments of one length, as rows of sums.

    Each passes `place` (columns, from the row's own column 0) in the middle of its segment, with `slope` (columns per
    spectrum). `first` is the first column, from a tile's first start, that the row holds, and `extra` the number of
    columns beyond those of the tile.
    """

    segment: Indices
    slope: npt.NDArray[np.float64]
    place: npt.NDArray[np.float64]
    first: Indices
    extra: Indices


@dataclass(frozen=True)
class _ExactLines:
    """Lines over segments of one length by the columns that they pass: `patterns[pattern]` from `first` on."""

    segment: Indices
    pattern: Indices
    first: Indices
    extra: Indices
    patterns: Indices


@dataclass(frozen=True)
class _Level:
    """The lines of one length: their segments and columns, and (row below, column) of their parts."""

    length: int
    segment: Indices
    extra: Indices
    parts: Parts


def line_lengths(n_spectra: int) -> list[int]:
    """Return the spectra of the lines between the shortest and whole paths, rising."""
    lengths = [SHORT_SPECTRA]
    while n_spectra > MOST_PARTS_OF_PATH * lengths[-1]:
        lengths.append(PARTS_PER_LINE * lengths[-1])
    return lengths


def fineness(trial: WidthTrial, n_spectra: int) -> Fineness:
    """Return how dense the lines of a trial are: the variance of what each level adds falls with their number.

    Of a tone's statistic, 0.97 is left on average and 0.89 at least, where finer lines keep 0.98 at 1.3 times the cost.
    """
    # Columns that a tone may be off at the same loss, from that of single channels.
    tolerance = 1.0 if trial.width < 4 else trial.width / trial.stride / 3
    levels = math.sqrt(len(line_lengths(n_spectra)))
    return Fineness(max(1, math.ceil(2.75 * levels / tolerance)), 1.2 * tolerance / levels)


def bands(trial: WidthTrial, n_spectra: int) -> list[Band]:
    """Plan the search of a width trial.

    Parameters
    ----------
    trial : WidthTrial
        Boxes and drifts.
    n_spectra : int
        T.
    """
    number = -(-len(trial.steps) // MOST_DRIFTS)
    fine = fineness(trial, n_spectra)
    return [_band(steps, trial.stride, n_spectra, fine) for steps in np.array_split(trial.steps, number)]


def _band(steps: Indices, stride: int, n_spectra: int, fine: Fineness) -> Band:
    """Plan the search of some neighbouring drift steps, on columns of `stride` channels."""
    slope = steps / ((n_spectra - 1) * stride)
    none = np.zeros(len(steps), np.int64)
    lines = _Lines(segment=none, slope=slope, place=slope * (n_spectra - 1) / 2, first=none, extra=none)
    length, levels = n_spectra, []
    for part in reversed(line_lengths(n_spectra)):
        parts, below = _split(lines, length, n_spectra, part, fine)
        levels.append(_Level(length, lines.segment, lines.extra, parts))
        lines, length = below, part
    exact = _exact(lines)
    while length > 1:
        parts, below_exact = _halved(exact, length, n_spectra)
        levels.append(_Level(length, exact.segment, exact.extra, parts))
        exact, length = below_exact, length // 2
    # Lines of one spectrum are the spectra themselves.
    there = levels[-1].parts[..., 0] >= 0
    row = levels[-1].parts[there, 0]
    levels[-1].parts[there, 1] += exact.first[row]
    levels[-1].parts[there, 0] = exact.segment[row]
    return Band(steps, *_in_order(levels, n_spectra))


def _in_order(levels: list[_Level], n_spectra: int) -> tuple[Lines, Parts]:
    """Give each line, from paths down to pairs of spectra, a row of one table, and put all into an order.

    A line is made as soon as its last spectrum is there. Its parts are then done with, and so are their rows.
    """
    paths, *lines = levels
    rows, base = [], 0
    for above, level in zip(levels, lines, strict=False):
        within = np.arange(len(level.segment)) - np.searchsorted(level.segment, level.segment)
        most = int(within.max()) + 1
        at_once = -(-above.length // level.length)
        rows.append(base + level.segment % at_once * most + within)
        base += at_once * most
    for above, of_level in zip(levels, rows, strict=False):
        there = above.parts[..., 0] >= 0
        above.parts[there, 0] = of_level[above.parts[there, 0]]
    stop = np.concatenate([np.minimum((level.segment + 1) * level.length, n_spectra) for level in lines])
    depth = np.repeat(np.arange(len(lines)), [len(level.segment) for level in lines])
    order = np.lexsort((-depth, stop))
    parts = np.full((len(stop), max(level.parts.shape[1] for level in lines), 2), -1, np.int32)
    done = 0
    for level in lines:
        parts[done : done + len(level.parts), : level.parts.shape[1]] = level.parts
        done += len(level.parts)
    made = Lines(
        parts=parts[order],
        of_spectra=(depth == len(lines) - 1).astype(np.uint8)[order],
        row=np.concatenate(rows)[order].astype(np.int32),
        extra=np.concatenate([level.extra for level in lines])[order].astype(np.int32),
        rows=base,
    )
    return made, paths.parts


def _shared(
    key: Indices, there: npt.NDArray[np.bool_], at: Indices, extra: Indices
) -> tuple[Parts, Indices, Indices, Indices]:
    """Make one row of all parts of one key.

    Parameters
    ----------
    key : int64 (lines, parts)
        Equal for equal parts.
    there : bool (lines, parts)
        Which parts there are.
    at : int64 (lines, parts)
        Column of each part, from a tile's first start.
    extra : int64 (lines,)
        Columns of each line beyond a tile's.

    Returns
    -------
    int32 (lines, parts, 2), int64 (keys,), int64 (keys,), int64 (keys,)
        (row, column in it) of each part, -1 where there is none, and key, first column and extra columns of each row.
    """
    keys, row = np.unique(key[there], return_inverse=True)
    first = np.full(len(keys), np.iinfo(np.int64).max)
    last = np.full(len(keys), np.iinfo(np.int64).min)
    np.minimum.at(first, row, at[there])
    np.maximum.at(last, row, (at + extra[:, None])[there])
    parts = np.full((*key.shape, 2), -1, np.int32)
    parts[there, 0], parts[there, 1] = row, at[there] - first[row]
    return parts, keys, first, last - first


def _split(lines: _Lines, length: int, n_spectra: int, part: int, fine: Fineness) -> tuple[Parts, _Lines]:
    """Split lines over segments of `length` spectra into lines of `part` spectra.

    Returns
    -------
    int32 (lines, parts, 2), _Lines
        Each (row, column in it) of the parts, -1 where there is none any more, and the parts themselves.
    """
    within = np.arange(-(-length // part))
    middle = within * part + (part - 1) / 2
    segment = lines.segment[:, None] * (length // part) + within
    slopes_apart = fine.apart / part
    slope_index = np.rint(lines.slope / slopes_apart).astype(np.int64)[:, None]
    lowest = slope_index.min()
    slope_index -= lowest
    place = lines.place[:, None] + lines.slope[:, None] * (middle - (length - 1) / 2)
    unit = np.rint((place + 0.5) * fine.phases - 0.5).astype(np.int64)
    column, phase = np.floor_divide(unit, fine.phases), unit % fine.phases
    # A row for each segment, slope and phase that occurs.
    n_slopes = int(slope_index.max()) + 1
    key = (segment * n_slopes + slope_index) * fine.phases + phase
    at = lines.first[:, None] + column
    parts, keys, first, extra = _shared(key, segment * part < n_spectra, at, lines.extra)
    made = _Lines(
        segment=keys // (n_slopes * fine.phases),
        slope=(lowest + keys // fine.phases % n_slopes) * slopes_apart,
        place=(keys % fine.phases + 0.5) / fine.phases - 0.5,
        first=first,
        extra=extra,
    )
    return parts, made


def _exact(lines: _Lines) -> _ExactLines:
    """Return the columns that lines of `SHORT_SPECTRA` spectra pass."""
    kinds, kind = np.unique(np.stack([lines.slope, lines.place], axis=-1), axis=0, return_inverse=True)
    middle = np.arange(SHORT_SPECTRA) - (SHORT_SPECTRA - 1) / 2
    column = np.floor(kinds[:, 1:] + kinds[:, :1] * middle + 0.5).astype(np.int64)
    kind = kind.reshape(-1)
    patterns, first = column - column[:, :1], lines.first + column[kind, 0]
    return _ExactLines(lines.segment, kind, first, lines.extra, patterns)


def _halved(lines: _ExactLines, length: int, n_spectra: int) -> tuple[Parts, _ExactLines]:
    """Split lines over segments of `length` spectra into halves."""
    half = length // 2
    halves = lines.patterns.reshape(-1, 2, half)
    begin = halves[:, :, 0]
    patterns, number = np.unique((halves - begin[:, :, None]).reshape(-1, half), axis=0, return_inverse=True)
    pattern = number.reshape(-1, 2)[lines.pattern]
    segment = lines.segment[:, None] * 2 + np.arange(2)
    key = segment * len(patterns) + pattern
    at = lines.first[:, None] + begin[lines.pattern]
    parts, keys, first, extra = _shared(key, segment * half < n_spectra, at, lines.extra)
    return parts, _ExactLines(keys // len(patterns), keys % len(patterns), first, extra, patterns)
