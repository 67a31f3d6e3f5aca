"""The best straight box around a seed of the coarse search."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset
from shared.arrays import Floats, Indices, Power

# Below this width every width and every drift step is tried at once; wider boxes go from a coarse grid to the full one.
_FINE_WIDTH = 12
_MOST_MOVES = 24


class Place(NamedTuple):
    """A box and its path: column in the first spectrum, drift steps, width in columns."""

    column: int
    steps: int
    width: int


class Limits(NamedTuple):
    """Which boxes are allowed.

    Attributes
    ----------
    first, stop : int
        In the first spectrum a box covers at least one of the columns [first, stop).
    max_steps : int
        Largest drift steps, in either direction.
    widest : int
        Largest width, columns.
    """

    first: int
    stop: int
    max_steps: int
    widest: int


@njit(cache=True, nogil=True)
def box_statistic(x: Power, column: int, steps: int, width: int) -> float:
    """Return the sum over the boxes of one path divided by sqrt(T * width), added in float64 sample by sample."""
    n_spectra = x.shape[0]
    total = 0.0
    for t in range(n_spectra):
        start = column + path_offset(steps, t, n_spectra, 1)
        for j in range(width):
            total += x[t, start + j]
    return total / math.sqrt(n_spectra * width)


@njit(cache=True, nogil=True)
def _best_of_steps(
    x: Power, span: tuple[int, int], limits: Limits, steps: int, widths: Indices, prefix: Floats
) -> tuple[float, int, int]:
    """Return the best (statistic, column, width) on paths of `steps` of the boxes within columns `span`.

    Only boxes that touch [limits.first, limits.stop) count. `prefix` is scratch for one sum more than `span` has
    columns.
    """
    low, high = span
    n_spectra, count = x.shape[0], high - low
    prefix[: count + 1] = 0.0
    for t in range(n_spectra):
        start = low + path_offset(steps, t, n_spectra, 1)
        row = x[t, start : start + count]
        for i in range(count):
            prefix[i + 1] += row[i]
    for i in range(count):
        prefix[i + 1] += prefix[i]
    best, best_column, best_width = -np.inf, low, 1
    for width in widths:
        if width > count:
            break
        top, top_at = -np.inf, 0
        for i in range(max(0, limits.first - width + 1 - low), min(count - width + 1, limits.stop - low)):
            value = prefix[i + width] - prefix[i]
            if value > top:
                top, top_at = value, i
        top /= math.sqrt(n_spectra * width)
        if top > best:
            best, best_column, best_width = top, low + top_at, width
    return best, best_column, best_width


@njit(cache=True, nogil=True)
def _widths_around(width: int, step: int, widest: int) -> Indices:
    """Return widths from about width / 2 to 2 * width, `step` apart, at most `widest`."""
    low, high = max(1, width // 2), min(widest, 2 * width + 1)
    if step == 1 and width > _FINE_WIDTH:
        low, high = max(1, width - width // 8), min(widest, width + width // 8 + 1)
    return np.arange(low, high + 1, step)


@njit(cache=True, nogil=True)
def refine(x: Power, seed: Place, reach_steps: int, limits: Limits) -> tuple[float, int, int, int]:
    """Move from a seed to the best box at full resolution.

    Every move tries all drift steps within reach, widths from half to twice the present one and all starts that keep
    the box within about one width of its place, and goes to the best of these boxes. It ends when none is better. Wide
    boxes first move on a grid of about an eighth of their width, then on the full one.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, with zeros beyond `limits` as far as any box may reach.
    seed : Place
        Where to begin.
    reach_steps : int
        Largest error of the seed's drift steps.
    limits : Limits
        Which boxes are allowed.

    Returns
    -------
    tuple of float, int, int, int
        Statistic (SNR), column, drift steps and width of the best box.
    """
    column, steps, width = seed
    first, stop, max_steps, widest = limits
    best = box_statistic(x, column, steps, width)
    grid = max(1, width // 8)
    for _ in range(_MOST_MOVES):
        widths = _widths_around(width, grid, widest)
        margin = width + 2 if grid > 1 or width <= _FINE_WIDTH else width // 4 + 2
        low, high = max(first - widest, column - margin), min(stop + widest, column + width + margin)
        reach = reach_steps if grid > 1 or width <= _FINE_WIDTH else max(2, width // 8)
        prefix = np.empty(high - low + 1, np.float64)
        new_column, new_steps, new_width, better = column, steps, width, False
        for n in range(max(-max_steps, steps - reach), min(max_steps, steps + reach) + 1, grid):
            value, at, w = _best_of_steps(x, (low, high), limits, n, widths, prefix)
            if value > best * (1 + 1e-9) + 1e-9:
                best, new_column, new_steps, new_width, better = value, at, n, w, True
        column, steps, width = new_column, new_steps, new_width
        if better:
            continue
        if grid == 1:
            break
        grid = max(1, grid // 8)
    return best, column, steps, width
