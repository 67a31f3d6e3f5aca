"""The best box around a place where the ladder saw something, and the blanking of a track that was found."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset

Power = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# Below this width every width and every step is tried at once; wider boxes go from a coarse grid to the full one.
_FINE_WIDTH = 12
_MOST_MOVES = 24


@njit(cache=True, nogil=True)
def box_statistic(x: Power, column: int, steps: int, width: int) -> float:
    """Plain sum over the boxes of one path divided by sqrt(T * width), float64, in the order of the samples."""
    n_spectra = x.shape[0]
    total = 0.0
    for t in range(n_spectra):
        start = column + path_offset(steps, t, n_spectra, 1)
        for j in range(width):
            total += x[t, start + j]
    return total / math.sqrt(n_spectra * width)


@njit(cache=True, nogil=True)
def _best_of_steps(
    x: Power, low: int, high: int, first: int, stop: int, steps: int, widths: Indices, prefix: Floats
) -> tuple[float, int, int]:
    """Best (statistic, column, width) on paths of `steps` of the boxes that lie in [low, high), touch [first, stop)."""
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
        for i in range(max(0, first - width + 1 - low), min(count - width + 1, stop - low)):
            value = prefix[i + width] - prefix[i]
            if value > top:
                top, top_at = value, i
        top /= math.sqrt(n_spectra * width)
        if top > best:
            best, best_column, best_width = top, low + top_at, width
    return best, best_column, best_width


@njit(cache=True, nogil=True)
def _widths_around(width: int, step: int, widest: int) -> Indices:
    """Widths from about width / 2 to 2 * width at the given step, at most `widest`."""
    low, high = max(1, width // 2), min(widest, 2 * width + 1)
    if step == 1 and width > _FINE_WIDTH:
        low, high = max(1, width - width // 8), min(widest, width + width // 8 + 1)
    return np.arange(low, high + 1, step)


@njit(cache=True, nogil=True)
def refine(
    x: Power, first: int, stop: int, column: int, steps: int, width: int, reach_steps: int, max_steps: int, widest: int
) -> tuple[float, int, int, int]:
    """Climb from a seed to the best box at full resolution.

    Every move tries all steps within reach, widths from half to twice the present one and all starts that keep the box
    within about one width of its place, and goes to the best; it ends where nothing better is in reach. Wide boxes
    first move on a grid of about an eighth of their width, then on the full one.

    Args:
        x: float32 (T, columns), normalised power.
        first, stop: columns of which the box at the start holds one at least, stop excluded.
        column, steps, width: the seed's box.
        reach_steps: how far the steps may be off at first.
        max_steps: no path is steeper, either way.
        widest: no box is wider.

    Returns:
        (statistic, column, steps, width) of the best box.
    """
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
            value, at, w = _best_of_steps(x, low, high, first, stop, n, widths, prefix)
            if value > best * (1 + 1e-9) + 1e-9:
                best, new_column, new_steps, new_width, better = value, at, n, w, True
        column, steps, width = new_column, new_steps, new_width
        if better:
            continue
        if grid == 1:
            break
        grid = max(1, grid // 8)
    return best, column, steps, width


@njit(cache=True, nogil=True)
def blank_track(x: Power, column: int, steps: int, width: int, margin: int, kept: Power) -> None:
    """Set the boxes of a path, widened by `margin` columns on either side, to 0.

    What was there goes to `kept`, float32 (T, width + 2 * margin), for `restore_track`.
    """
    n_spectra = x.shape[0]
    for t in range(n_spectra):
        start = column + path_offset(steps, t, n_spectra, 1) - margin
        for j in range(width + 2 * margin):
            kept[t, j] = x[t, start + j]
            x[t, start + j] = 0.0


@njit(cache=True, nogil=True)
def restore_track(x: Power, column: int, steps: int, margin: int, kept: Power) -> None:
    """Undo `blank_track`; several tracks are restored in the reverse order of their blanking."""
    n_spectra = x.shape[0]
    for t in range(n_spectra):
        start = column + path_offset(steps, t, n_spectra, 1) - margin
        for j in range(kept.shape[1]):
            x[t, start + j] = kept[t, j]
