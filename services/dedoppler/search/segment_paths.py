"""Straight paths over many spectra, put together from short lines that they share.

Lines of one length have few slopes and few places within a channel, so that many paths share each of them. A path is
the sum of lines of one length, each of these the sum of shorter ones, down to lines that take one sample of each of
their spectra. In return a path is not quite straight: each level puts a line up to half of `1 / phases` off in its
middle, and up to a quarter of `apart` more at its ends. More levels have finer lines, so that paths of any length are
as straight. The cost of all paths per sample grows with the number of levels, and with how fine they are: together with
the square of the logarithm of the number of spectra. Of all lengths of lines, those are used that cost least.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels.pair_sums import Parts
from services.dedoppler.kernels.segment_sums import Band, Lines
from services.dedoppler.search.width_trials import WidthTrial
from shared.arrays import Indices

# Spectra of the shortest lines, lines in one of the next length, and the number of lengths, that are tried.
SHORT_SPECTRA = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40)
PARTS_PER_LINE = (4, 6, 8, 12, 16)
MOST_LENGTHS = 5
# A line costs so many parts more than it has: it is stored and read again.
COST_OF_A_LINE = 3
# Drifts of a band are searched together. More would take more memory, fewer would share less.
MOST_DRIFTS = 512
# Up to so many spectra, lines of 16 alone cost least; they may share halves, and these share halves again.
FEW_SPECTRA, HALVED_SPECTRA = 768, 16
# More slopes lie on a grid through no drift, as those of all bands do.
FEW_SLOPES = 4


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


def line_lengths(trial: WidthTrial, n_spectra: int) -> list[int]:
    """Return the spectra of the lines that cost least between single spectra and whole paths, rising."""
    if n_spectra <= FEW_SPECTRA:
        return [HALVED_SPECTRA]
    candidates = [
        [short * parts**level for level in range(number)]
        for number in range(1, MOST_LENGTHS + 1)
        for short in SHORT_SPECTRA
        for parts in (PARTS_PER_LINE if number > 1 else PARTS_PER_LINE[:1])
    ]
    return min(
        (lengths for lengths in candidates if lengths[-1] < n_spectra), key=lambda of: _cost(trial, n_spectra, of)
    )


def _cost(trial: WidthTrial, n_spectra: int, lengths: list[int]) -> float:
    """Return about how many additions per start the paths of one band take."""
    fine, number = fineness(trial, len(lengths)), _number_of_bands(trial)
    # Columns by which the steepest paths of a band part from end to end.
    apart = float(trial.steps[-1] - trial.steps[0]) / trial.stride / number
    cost = len(trial.steps) / number * n_spectra / lengths[-1]
    for length, parts in zip(lengths, [lengths[0], *(long // short for short, long in pairwise(lengths))], strict=True):
        slopes = max(1.0, apart * length / n_spectra / fine.apart)
        cost += n_spectra / length * slopes * fine.phases * (parts + COST_OF_A_LINE)
    return cost


def fineness(trial: WidthTrial, levels: int) -> Fineness:
    """Return how dense the lines of a trial are: the variance of what each level adds falls with their number.

    Of a tone's statistic, 0.97 is left on average and 0.89 at least, where finer lines keep 0.98 at 1.3 times the cost.
    """
    # Columns that a tone may be off at the same loss, from that of single channels.
    tolerance = 1.0 if trial.width < 4 else trial.width / trial.stride / 3
    root = math.sqrt(levels)
    return Fineness(max(1, math.ceil(2.75 * root / tolerance)), 1.2 * tolerance / root)


def _number_of_bands(trial: WidthTrial) -> int:
    return -(-len(trial.steps) // MOST_DRIFTS)


def bands(trial: WidthTrial, n_spectra: int) -> list[Band]:
    """Plan the search of a width trial.

    Parameters
    ----------
    trial : WidthTrial
        Boxes and drifts.
    n_spectra : int
        T.
    """
    lengths = line_lengths(trial, n_spectra)
    fine = fineness(trial, len(lengths))
    parts = np.array_split(trial.steps, _number_of_bands(trial))
    return [_band(steps / ((n_spectra - 1) * trial.stride), steps, n_spectra, lengths, fine) for steps in parts]


def _band(slope: npt.NDArray[np.float64], steps: Indices, n_spectra: int, lengths: list[int], fine: Fineness) -> Band:
    """Plan the search of some neighbouring drift steps, whose slopes are given in columns per spectrum."""
    none = np.zeros(len(steps), np.int64)
    lines = _Lines(segment=none, slope=slope, place=slope * (n_spectra - 1) / 2, first=none, extra=none)
    length, levels = n_spectra, []
    for part in reversed(lengths):
        parts, below = _split(lines, length, n_spectra, part, fine)
        levels.append(_Level(length, lines.segment, lines.extra, parts))
        lines, length = below, part
    exact = _exact(lines, length)
    levels += _shortest(exact, length, n_spectra) if length == HALVED_SPECTRA else [_direct(exact, length, n_spectra)]
    return Band(steps, *_in_order(levels, n_spectra))


def _in_order(levels: list[_Level], n_spectra: int) -> tuple[Lines, Parts]:
    """Give each line, from paths down to the shortest, a row of one table, and put all into an order.

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
    low, high = lines.slope.min(), lines.slope.max()
    slopes_apart, lowest = fine.apart / part, 0.0
    if high - low <= FEW_SLOPES * slopes_apart:
        # As few as there may be, each for an equal part of the range.
        n_slopes = max(1, math.ceil((high - low) / slopes_apart - 1e-9))
        slopes_apart = (high - low) / n_slopes or slopes_apart
        lowest = low + slopes_apart / 2 if high > low else low
    slope_index = np.rint((lines.slope - lowest) / slopes_apart).astype(np.int64)[:, None]
    first_slope = slope_index.min()
    slope_index -= first_slope
    n_slopes = int(slope_index.max()) + 1
    place = lines.place[:, None] + lines.slope[:, None] * (middle - (length - 1) / 2)
    unit = np.rint((place + 0.5) * fine.phases - 0.5).astype(np.int64)
    column, phase = np.floor_divide(unit, fine.phases), unit % fine.phases
    # A row for each segment, slope and phase that occurs.
    key = (segment * n_slopes + slope_index) * fine.phases + phase
    at = lines.first[:, None] + column
    parts, keys, first, extra = _shared(key, segment * part < n_spectra, at, lines.extra)
    made = _Lines(
        segment=keys // (n_slopes * fine.phases),
        slope=lowest + (first_slope + keys // fine.phases % n_slopes) * slopes_apart,
        place=(keys % fine.phases + 0.5) / fine.phases - 0.5,
        first=first,
        extra=extra,
    )
    return parts, made


def _of_spectra(lines: _ExactLines, length: int, n_spectra: int) -> Parts:
    """Return (spectrum, column) of the samples of exact lines, -1 where there is no spectrum any more."""
    spectrum = lines.segment[:, None] * length + np.arange(length)
    parts = np.stack([spectrum, lines.first[:, None] + lines.patterns[lines.pattern]], axis=-1).astype(np.int32)
    parts[spectrum >= n_spectra] = -1
    return parts


def _direct(lines: _ExactLines, length: int, n_spectra: int) -> _Level:
    return _Level(length, lines.segment, lines.extra, _of_spectra(lines, length, n_spectra))


def _shortest(lines: _ExactLines, length: int, n_spectra: int) -> list[_Level]:
    """Return the levels from the shortest lines down to spectra: by halves where these are shared enough, else none."""
    direct = [_direct(lines, length, n_spectra)]
    levels, exact = [], lines
    while length > 2:
        parts, below = _halved(exact, length, n_spectra)
        levels.append(_Level(length, exact.segment, exact.extra, parts))
        exact, length = below, length // 2
    levels.append(_direct(exact, length, n_spectra))
    return min(
        levels, direct, key=lambda of: sum(np.count_nonzero(one.parts[..., 0] >= 0) + len(one.parts) for one in of)
    )


def _exact(lines: _Lines, length: int) -> _ExactLines:
    """Return the columns that lines of `length` spectra pass."""
    kinds, kind = np.unique(np.stack([lines.slope, lines.place], axis=-1), axis=0, return_inverse=True)
    middle = np.arange(length) - (length - 1) / 2
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
