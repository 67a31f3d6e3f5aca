"""How a hit bends: the best parabola near its path, and the places of single rows."""

import numpy as np
from numba import njit

from services.classify.kernels.alignment import FIT_ROUNDING, Rows, gather, polynomial_fit, rms_of
from shared.arrays import Floats, Indices

# The best of a thousand parabolas gains up to so many sigma on noise, and up to this share on a tone between channels.
CURVATURE_SIGMA, CURVATURE_SHARE = 4.0, 0.1
MAX_OFFSET_CHANNELS = 64
# How far from the path single rows are searched, and the SNR that noise rarely reaches there.
ROW_REACH_CHANNELS, BRIGHT_ROW_SNR = 32, 6.0
_TURNS = np.linspace(0.0, 1.0, 7)
_BENDS = np.geomspace(3.0, 160.0, 16)
_SHIFTS = np.array([0.0, 1 / 24, 1 / 12, 1 / 6])


def parabolas(bend: Floats, turn: Floats, shift: Floats) -> Floats:
    """Return all combinations of `bend * ((u - turn)^2 - shift)`, as rows of (bend, turn, bend * shift)."""
    grid = np.stack(np.meshgrid(bend, turn, shift, indexing="ij"), axis=-1).reshape(-1, 3)
    grid[:, 2] *= grid[:, 0]
    return grid


# A bent signal touches its straight path at one place (`turn`) or crosses it twice (`shift` > 0).
FIRST_PARABOLAS = parabolas(np.concatenate([-_BENDS[::-1], _BENDS]), _TURNS, _SHIFTS)
# Around the best of them, relative to it: factors of its bend, and what is added to its turn and to its shift.
_NEAR_BENDS, _NEAR_TURNS = np.linspace(0.8, 1.25, 10), np.linspace(-0.1, 0.1, 5)
_NEAR_SHIFTS = np.linspace(-0.02, 0.02, 3)


@njit(cache=True, nogil=True)
def _box_sums(rows: Rows) -> Floats:
    """Return the SNR of the box in each row, moved from the path by up to MAX_OFFSET_CHANNELS: (rows, offsets)."""
    offsets, width = 2 * MAX_OFFSET_CHANNELS + 1, rows.width
    samples = gather(rows, MAX_OFFSET_CHANNELS, offsets + width - 1)
    sums = np.empty((len(samples), offsets))
    scale = np.sqrt(width) * rows.sigma
    prefix = np.zeros(offsets + width)
    for row in range(len(samples)):
        for column in range(offsets + width - 1):
            prefix[column + 1] = prefix[column] + samples[row, column]
        for offset in range(offsets):
            sums[row, offset] = (prefix[offset + width] - prefix[offset]) / scale
    return sums


@njit(cache=True, nogil=True)
def _most(sums: Floats) -> float:
    """Return what no path through the rows can exceed; a path may leave the offsets, where the sum is 0."""
    total = 0.0
    for row in range(len(sums)):
        total += max(sums[row].max(), 0.0)
    return total


@njit(cache=True, nogil=True)
def _along(sums: Floats, positions: Floats, parabola: Floats) -> float:
    """Return the sum of `sums` along a parabola of (bend, turn, bend * shift)."""
    bend, turn, shift = parabola
    total = 0.0
    for row in range(len(sums)):
        offset = int(np.rint(bend * (positions[row] - turn) ** 2 - shift)) + MAX_OFFSET_CHANNELS
        if 0 <= offset < sums.shape[1]:
            total += sums[row, offset]
    return total


def first_offsets(positions: Floats) -> Indices:
    """Return the columns of `_box_sums` on the first parabolas; -1 outside of them: int64 (parabolas, rows)."""
    bend, turn, shift = FIRST_PARABOLAS[:, :1], FIRST_PARABOLAS[:, 1:2], FIRST_PARABOLAS[:, 2:]
    columns = np.rint(bend * (positions - turn) ** 2 - shift).astype(np.int64) + MAX_OFFSET_CHANNELS
    inside: Indices = np.where((columns >= 0) & (columns <= 2 * MAX_OFFSET_CHANNELS), columns, -1)
    return inside


@njit(cache=True, nogil=True)
def _best_of_first(sums: Floats, offsets: Indices) -> tuple[float, Floats]:
    """Return the largest sum along the first parabolas, and that parabola."""
    best, at = -np.inf, 0
    for index in range(len(offsets)):
        total = 0.0
        for row in range(len(sums)):
            offset = offsets[index, row]
            if offset >= 0:
                total += sums[row, offset]
        if total > best:
            best, at = total, index
    return best, FIRST_PARABOLAS[at]


@njit(cache=True, nogil=True)
def _best_around(sums: Floats, positions: Floats, centre: Floats) -> tuple[float, float]:
    """Return the largest sum along the parabolas near `centre`, and the bend of that parabola."""
    best, bend, parabola = -np.inf, centre[0], np.empty(3)
    for factor in _NEAR_BENDS:
        for turn in _NEAR_TURNS:
            for shift in _NEAR_SHIFTS:
                parabola[0], parabola[1] = centre[0] * factor, centre[1] + turn
                parabola[2] = (centre[2] / centre[0] + shift) * parabola[0]
                total = _along(sums, positions, parabola)
                if total > best:
                    best, bend = total, parabola[0]
    return best, bend


@njit(cache=True, nogil=True)
def curve(rows: Rows, offsets: Indices) -> tuple[float, float, float]:
    """Search for a parabola near the path with a higher SNR; the best of a coarse grid is refined once.

    Parameters
    ----------
    rows : Rows
        The cut-out.
    offsets : int64 (parabolas, rows)
        `first_offsets` of its positions.

    Returns
    -------
    tuple of float
        SNR of the straight path, gain of the best parabola over it (1 if that is none), and the parabola's bend (factor
        of u^2, channels).
    """
    sums = _box_sums(rows)
    scale = 1 / np.sqrt(len(sums))
    straight = sums[:, MAX_OFFSET_CHANNELS].sum() * scale
    needed = max(CURVATURE_SIGMA, CURVATURE_SHARE * straight)
    # Most hits are so lonely and straight that no path near theirs can gain enough.
    if straight <= 0 or _most(sums) * scale - straight < needed * (1 - 1e-9):
        return straight, 1.0, 0.0
    coarse, at = _best_of_first(sums, offsets)
    fine, bend = _best_around(sums, rows.positions, at)
    if fine < coarse:
        fine, bend = coarse, at[0]
    curved = fine * scale
    if curved - straight <= needed:
        return straight, 1.0, 0.0
    return straight, curved / straight, bend


@njit(cache=True, nogil=True)
def _brightest_places(samples: Floats, width: int, sigma: float) -> tuple[Floats, Indices]:
    """Return the SNR of the brightest box of a width in each row, and its column."""
    peaks, places = np.empty(len(samples)), np.empty(len(samples), np.int64)
    columns = samples.shape[1]
    prefix, scale = np.zeros(columns + 1), np.sqrt(width) * sigma
    for row in range(len(samples)):
        for column in range(columns):
            prefix[column + 1] = prefix[column] + samples[row, column]
        best, at = -np.inf, 0
        for column in range(columns - width + 1):
            total = prefix[column + width] - prefix[column]
            if total > best:
                best, at = total, column
        peaks[row], places[row] = best / scale, at
    return peaks, places


@njit(cache=True, nogil=True)
def row_measures(rows: Rows) -> tuple[int, float, float]:
    """Return the width of the signal in single rows, its rms from a parabola, and how far that leaves the path."""
    reach = ROW_REACH_CHANNELS + 2 * rows.width
    samples = gather(rows, reach, 2 * reach + rows.width)
    best, width, tried = -np.inf, 1, 1
    peaks, places = np.empty(0), np.empty(0, np.int64)
    while tried <= rows.width:
        seen, at = _brightest_places(samples, tried, rows.sigma)
        if seen.mean() > best:
            best, width, peaks, places = seen.mean(), tried, seen, at
        tried *= 2
    bright = peaks >= BRIGHT_ROW_SNR
    found = np.count_nonzero(bright)
    if found < 3:
        return width, 0.0, 0.0
    columns = places[bright].astype(np.float64)
    fitted = polynomial_fit(rows.positions[bright], columns, 2 if found > 3 else 1)
    lean = abs(fitted[-1] - fitted[0])
    return width, rms_of(fitted - columns), lean if lean > FIT_ROUNDING else 0.0
