"""Straight paths over many spectra, put together from short lines that they share.

A path over T spectra is the sum of T / (16 R) lines over 16 R spectra each, and such a line the sum of R lines over 16
spectra. Lines of one length have few slopes and few places within a channel, so that many paths share each of them: the
cost of a path is some T / (16 R) additions instead of T. In return a path is not quite straight: each line is up to an
eighth of a channel off in its middle, and up to as much more at its ends.
"""

import math
from dataclasses import dataclass

import numpy as np

from services.dedoppler.kernels.pair_sums import Parts
from services.dedoppler.kernels.segment_sums import Band, Level
from services.dedoppler.search.width_trials import WidthTrial
from shared.arrays import Floats, Indices

SHORT_SPECTRA = 16
# Places within a channel at which the middle of a line may be.
PHASES = 4
# Columns by which lines of neighbouring slopes part from end to end. For wide boxes it is a quarter of the box.
SLOPES_APART = 0.5
# Drifts of a band are searched together. More would take more memory, fewer would share less.
MOST_DRIFTS = 512


@dataclass(frozen=True)
class _Lines:
    """Lines over segments of one length, as rows of sums.

    Each passes `place` (columns, from the row's own column 0) in the middle of its segment, with `slope` (columns per
    spectrum). `first` is the first column, from a tile's first start, that the row holds.
    """

    segment: Indices
    slope: Floats
    place: Floats
    first: Indices
    extra: int


def long_spectra(n_spectra: int) -> int:
    """Return the spectra of a long line: a multiple of the short one, near the geometric mean of that and T."""
    return SHORT_SPECTRA * max(2, round(math.sqrt(n_spectra / SHORT_SPECTRA)))


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
    return [_band(trial, steps, n_spectra) for steps in np.array_split(trial.steps, number)]


def _band(trial: WidthTrial, steps: Indices, n_spectra: int) -> Band:
    """Plan the search of some neighbouring drift steps of a trial."""
    slope = steps / ((n_spectra - 1) * trial.stride)
    apart = SLOPES_APART if trial.width < 4 else trial.width / 4 / trial.stride
    none = np.zeros(len(steps), np.int64)
    paths = _Lines(segment=none, slope=slope, place=slope * (n_spectra - 1) / 2, first=none, extra=0)
    length = long_spectra(n_spectra)
    top, long = _split(paths, n_spectra, n_spectra, length, apart / length)
    middle, short = _split(long, length, n_spectra, SHORT_SPECTRA, apart / SHORT_SPECTRA)
    leaf = _leaves(short, n_spectra)
    return Band(steps, Level(leaf, short.extra), Level(middle, long.extra), Level(top, 0))


def _split(lines: _Lines, length: int, n_spectra: int, part: int, slopes_apart: float) -> tuple[Parts, _Lines]:
    """Split lines over segments of `length` spectra into lines of `part` spectra.

    Returns
    -------
    int32 (lines, parts, 2), _Lines
        Each (row, column in it) of the parts, -1 where there is none any more, and the parts themselves.
    """
    number = -(-length // part)
    within = np.arange(number)
    middle = within * part + (part - 1) / 2
    segment = lines.segment[:, None] * (length // part) + within
    there = segment * part < n_spectra
    slope_index = np.rint(lines.slope / slopes_apart).astype(np.int64)[:, None]
    lowest = slope_index.min()
    slope_index -= lowest
    place = lines.place[:, None] + lines.slope[:, None] * (middle - (length - 1) / 2)
    unit = np.rint((place + 0.5) * PHASES - 0.5).astype(np.int64)
    column, phase = np.floor_divide(unit, PHASES), unit % PHASES
    # A row for each segment, slope and phase that occurs.
    n_slopes = int(slope_index.max()) + 1
    key = (segment * n_slopes + slope_index) * PHASES + phase
    keys, row = np.unique(key[there], return_inverse=True)
    at = (lines.first[:, None] + column)[there]
    first = np.full(len(keys), np.iinfo(np.int64).max)
    last = np.full(len(keys), np.iinfo(np.int64).min)
    np.minimum.at(first, row, at)
    np.maximum.at(last, row, at)
    parts = np.full((*key.shape, 2), -1, np.int32)
    parts[there, 0], parts[there, 1] = row, at - first[row]
    made = _Lines(
        segment=keys // (n_slopes * PHASES),
        slope=(lowest + keys // PHASES % n_slopes) * slopes_apart,
        place=(keys % PHASES + 0.5) / PHASES - 0.5,
        first=first,
        extra=lines.extra + int((last - first).max()),
    )
    return parts, made


def _leaves(lines: _Lines, n_spectra: int) -> Parts:
    """Return (spectrum, column from a tile's first start) of each sample of short lines; -1 where T is over."""
    within = np.arange(SHORT_SPECTRA)
    spectrum = lines.segment[:, None] * SHORT_SPECTRA + within
    offset = lines.place[:, None] + lines.slope[:, None] * (within - (SHORT_SPECTRA - 1) / 2)
    column = lines.first[:, None] + np.floor(offset + 0.5).astype(np.int64)
    there = spectrum < n_spectra
    return np.stack([np.where(there, spectrum, -1), np.where(there, column, 0)], axis=-1).astype(np.int32)
