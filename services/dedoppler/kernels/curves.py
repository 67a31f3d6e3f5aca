"""Curved tracks: paths along a parabola, the best of them near a straight box, and the blanking of a track."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.refine import Limits
from shared.arrays import Indices, Power

_MOST_MOVES = 24
# Half channels.
_BENDS_APART = 2
# Where a straight path may touch a parabola, from the first spectrum (0) to the last (1).
_TURNS = np.array([0.0, 1 / 6, 1 / 3, 0.5, 2 / 3, 5 / 6, 1.0])


class Track(NamedTuple):
    """A box that moves along a parabola.

    Attributes
    ----------
    column : int
        First column of the box in the first spectrum.
    steps : int
        Columns moved from the first spectrum to the last.
    width : int
        Columns of the box.
    bend : int
        Distance of the parabola from its chord in the middle of the observation, in half columns; 0 if it is straight.
    """

    column: int
    steps: int
    width: int
    bend: int = 0


@njit(cache=True, nogil=True)
def curved_offset(steps: int, bend: int, t: int, n_spectra: int) -> int:
    """Return the columns moved up to spectrum t: nearest(steps u + 2 bend u (1 - u)), u = t / (T - 1).

    Halves round away from zero; without a bend this is `pair_sums.path_offset`.
    """
    last = n_spectra - 1
    numerator, divisor = steps * t * last + 2 * bend * t * (last - t), last * last
    moved = (2 * abs(numerator) + divisor) // (2 * divisor)
    return moved if numerator >= 0 else -moved


@njit(cache=True, nogil=True)
def track_statistic(x: Power, track: Track) -> float:
    """Return the sum over the boxes of one track divided by sqrt(T * width), added in float64 sample by sample."""
    n_spectra, total = x.shape[0], 0.0
    for t in range(n_spectra):
        start = track.column + curved_offset(track.steps, track.bend, t, n_spectra)
        for j in range(track.width):
            total += x[t, start + j]
    return total / math.sqrt(n_spectra * track.width)


@njit(cache=True, nogil=True)
def _best_along(x: Power, track: Track, margin: int, limits: Limits, widths: Indices) -> tuple[float, int, int]:
    """Return the best (statistic, column, width) of boxes within `margin` columns of a track's."""
    low = max(limits.first - limits.widest, track.column - margin)
    high = min(limits.stop + limits.widest, track.column + track.width + margin)
    n_spectra, count = x.shape[0], high - low
    best, best_column, best_width = -np.inf, track.column, track.width
    if count <= 0:
        return best, best_column, best_width
    prefix = np.zeros(count + 1)
    for t in range(n_spectra):
        row = x[t, low + curved_offset(track.steps, track.bend, t, n_spectra) :]
        for i in range(count):
            prefix[i + 1] += row[i]
    for i in range(count):
        prefix[i + 1] += prefix[i]
    for width in widths:
        for i in range(max(0, limits.first - width + 1 - low), min(count - width + 1, limits.stop - low)):
            value = (prefix[i + width] - prefix[i]) / math.sqrt(n_spectra * width)
            if value > best:
                best, best_column, best_width = value, low + i, width
    return best, best_column, best_width


@njit(cache=True, nogil=True)
def _widths_around(width: int, widest: int) -> Indices:
    """Return widths from half to twice a width, about an eighth apart."""
    return np.arange(max(1, width // 2), min(widest, 2 * width) + 1, max(1, width // 8))


@njit(cache=True, nogil=True)
def climb(x: Power, start: Track, most_bend: int, limits: Limits) -> tuple[float, Track]:
    """Move from a track to the best one near it: neighbouring bends, drifts, starts and widths, until none is better.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, with zeros beyond `limits` as far as any track may reach.
    start : Track
        Where to begin.
    most_bend : int
        Largest bend, in either direction, half columns.
    limits : Limits
        Which boxes are allowed in the first spectrum, and the largest drift steps.

    Returns
    -------
    tuple of float, Track
        Statistic (SNR) and track.
    """
    track, best = start, track_statistic(x, start)
    reach = max(2, track.width)
    for _ in range(_MOST_MOVES):
        here, better = track, False
        widths = _widths_around(here.width, limits.widest)
        apart = max(1, here.width // 4)
        for bend in range(max(-most_bend, here.bend - 2 * apart), min(most_bend, here.bend + 2 * apart) + 1, apart):
            for steps in range(here.steps - reach, here.steps + reach + 1, apart):
                if abs(steps) > limits.max_steps:
                    continue
                place = Track(here.column, steps, here.width, bend)
                value, column, width = _best_along(x, place, here.width + 2, limits, widths)
                if value > best * (1 + 1e-9) + 1e-9:
                    best, better = value, True
                    track = Track(column, steps, width, bend)
        if not better:
            break
    return best, track


@njit(cache=True, nogil=True)
def _most(x: Power, track: Track, reach: int, widths: Indices) -> float:
    """Return a statistic that no track of these widths within `reach` columns of a straight one can exceed."""
    n_spectra, most_of_all = x.shape[0], 0.0
    for width in widths:
        total = 0.0
        for t in range(n_spectra):
            low = max(0, track.column + curved_offset(track.steps, 0, t, n_spectra) - reach)
            stop = min(x.shape[1], low + 2 * reach + track.width + width)
            box, most = 0.0, 0.0
            for j in range(low, stop):
                box += x[t, j]
                if j - width >= low:
                    box -= x[t, j - width]
                most = max(most, box)
            total += most
        most_of_all = max(most_of_all, total / math.sqrt(n_spectra * width))
    return most_of_all


@njit(cache=True, nogil=True)
def bend_track(x: Power, straight: Track, needed: float, most_bend: int, limits: Limits) -> tuple[float, Track]:
    """Search for a parabola that a straight path touches or crosses, and whose statistic is `needed` or more.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, with zeros beyond `limits` as far as any track may reach.
    straight : Track
        The best straight box.
    needed : float
        Least statistic of the parabola.
    most_bend : int
        Largest bend, in either direction, half columns.
    limits : Limits
        Which boxes are allowed.

    Returns
    -------
    tuple of float, Track
        Statistic and track of the best parabola, or minus infinity and the straight track if none is good enough.
    """
    widths = _widths_around(straight.width, limits.widest)
    # Most hits are so lonely and straight that no parabola near theirs can reach it.
    if _most(x, straight, 2 * most_bend, widths) < needed:
        return -np.inf, straight
    best, track = -np.inf, straight
    for bend in range(-most_bend, most_bend + 1, _BENDS_APART):
        if bend == 0:
            continue
        for turn in _TURNS:
            # Near `turn` the parabola has the straight path's place and slope.
            steps = round(straight.steps - 2 * bend * (1 - 2 * turn))
            if abs(steps) > limits.max_steps:
                continue
            column = round(straight.column - 2 * bend * turn * turn)
            place = Track(column, steps, straight.width, bend)
            value, column, width = _best_along(x, place, straight.width + 2 + abs(bend) // 2, limits, widths)
            if value > best:
                best, track = value, Track(column, steps, width, bend)
    if best <= 0:
        return -np.inf, straight
    best, track = climb(x, track, most_bend, limits)
    return (best, track) if best >= needed and track.bend != 0 else (-np.inf, straight)


@njit(cache=True, nogil=True)
def extend(x: Power, part: Track, span: tuple[int, int], most_bend: int, limits: Limits) -> tuple[float, Track]:
    """Extend a straight box in some of the spectra to the best parabola over all of them.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, with zeros beyond `limits` as far as any track may reach.
    part : Track
        The box: column in the first of its spectra, and columns moved to the last of them.
    span : tuple of int
        First and last of its spectra.
    most_bend : int
        Largest bend, in either direction, half columns.
    limits : Limits
        Which boxes are allowed.

    Returns
    -------
    tuple of float, Track
        Statistic and track; minus infinity if no parabola is allowed.
    """
    last = x.shape[0] - 1
    begin, end = span[0] / last, span[1] / last
    best, track = -np.inf, part
    widths = _widths_around(part.width, limits.widest)
    for bend in range(-most_bend, most_bend + 1):
        # The parabola passes through both ends of the box.
        moved = part.steps - 2 * bend * (end * (1 - end) - begin * (1 - begin))
        steps = round(moved / (end - begin))
        if abs(steps) > limits.max_steps:
            continue
        column = round(part.column - moved / (end - begin) * begin - 2 * bend * begin * (1 - begin))
        place = Track(column, steps, part.width, bend)
        value, at, width = _best_along(x, place, part.width + 2, limits, widths)
        if value > best:
            best, track = value, Track(at, steps, width, bend)
    if best <= 0:
        return -np.inf, part
    return climb(x, track, most_bend, limits)


@njit(cache=True, nogil=True)
def blank_track(x: Power, track: Track, margin: int, kept: Power) -> None:
    """Set the boxes of a track, widened by `margin` columns on either side, to 0.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, changed in place.
    track : Track
        Straight or curved.
    margin : int
        Columns on either side of the box.
    kept : float32 (T, width + 2 * margin)
        Receives the old values, for `restore_track`.
    """
    n_spectra = x.shape[0]
    for t in range(n_spectra):
        start = track.column + curved_offset(track.steps, track.bend, t, n_spectra) - margin
        for j in range(track.width + 2 * margin):
            kept[t, j] = x[t, start + j]
            x[t, start + j] = 0.0


@njit(cache=True, nogil=True)
def restore_track(x: Power, track: Track, margin: int, kept: Power) -> None:
    """Undo `blank_track`; restore several tracks in the reverse order of their blanking."""
    n_spectra = x.shape[0]
    for t in range(n_spectra):
        start = track.column + curved_offset(track.steps, track.bend, t, n_spectra) - margin
        for j in range(kept.shape[1]):
            x[t, start + j] = kept[t, j]
