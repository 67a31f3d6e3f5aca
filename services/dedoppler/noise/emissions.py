"""Emissions wider than any box: where they are, how they drift, and how well that is known.

Levels are those of cells of 16 channels, in units of sigma, smoothed so that nothing as narrow as a box is left.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.dedoppler.kernels.level_cells import CELL_CHANNELS, running_median
from services.dedoppler.slices import runs
from shared.arrays import Floats, Indices, Power

# An emission rises at least so many sigmas per sample above the noise on both of its sides: about 4 % of the level of
# Breakthrough Listen's products. Less may be a ripple of the band.
EXCESS_SIGMA = 0.25
# The widest emission, in cells: 24,576 channels. Wider ones pass for the shape of the band.
MOST_CELLS = 1536
GAP_CELLS = 4
# Cells on either side that show the level beside an emission.
OUTER_CELLS, FEWEST_OUTER_CELLS = 16, 4
# An emission that stays at rest is told from a ripple by its flanks: each takes at most this part of its width.
FLANK_SHARE = 0.25
# ... or by its height in sigmas: a seventh of the level of Breakthrough Listen's products.
HIGH_SIGMA = 1.0
REFINEMENTS = 4
# Over how many cells the slope of a profile is measured: sharp edges and soft flanks.
SLOPE_CELLS = (1, 4, 16, 64)
# Spectra are averaged to at most so many for the search of the drift.
DRIFT_ROWS = 64
# The half maximum is found within cells by interpolation, to about so many channels.
EDGE_CHANNELS = 2.0


@dataclass(frozen=True)
class Bump:
    """A rise that falls again: cells [low, high) are well above the level beside it, [left, right) not at it."""

    low: int
    high: int
    left: int
    right: int


@dataclass(frozen=True)
class WideEmission:
    """An emission, as it was taken off.

    Attributes
    ----------
    column, width : int
        First column at half maximum in the first spectrum, and columns to the other half maximum.
    steps : int
        Columns moved from the first spectrum to the last.
    snr : float
        (Path sum) / sqrt(samples that are not lost), in units of the noise beside the emission.
    column_error, steps_error, width_error, snr_error : float
        Standard errors; that of the column is the centre's, in the first spectrum.
    first : int
        Column of level[0] in the first spectrum.
    offsets : int64 (T,)
        Movement of the level.
    level, gain : float32 (channels,)
        What was subtracted, and what was multiplied by then.
    """

    column: int
    width: int
    steps: int
    snr: float
    column_error: float
    steps_error: float
    width_error: float
    snr_error: float
    first: int
    offsets: Indices
    level: Power
    gain: Power


def find_bumps(level: Floats, raw: Floats, sigma: Floats, cells: tuple[int, int], error: float) -> list[Bump]:
    """Return the rises that may be emissions.

    A slope of the band between blocks may look like a rise after the bandpass was taken off, so the raw level, with the
    bandpass, has to be higher than on both sides too.

    Parameters
    ----------
    level : float64 (cells,)
        Smooth level after the bandpass was taken off, in sigma; NaN where samples are lost.
    raw, sigma : float64 (cells,)
        Level with the bandpass, and sigma, in raw units.
    cells : tuple of int
        Cells of the narrowest emission, for what is narrower is left to the box search; and cells of the coarse
        channel. The passband of a coarse channel is a rise too, so an emission takes at most half of that, and
        three quarters with its flanks.
    error : float
        Standard error of `level`.
    """
    narrowest, of_coarse_channel = cells
    bumps = []
    for low, high in runs((level > EXCESS_SIGMA).astype(np.uint8), gap=GAP_CELLS):
        if not narrowest < high - low <= min(MOST_CELLS, of_coarse_channel // 2):
            continue
        left = low - 1 - _cells_to_outside(level[:low][::-1], error)
        right = high + _cells_to_outside(level[high:], error)
        if right - left > 0.75 * of_coarse_channel:
            continue
        sides = sides_of(raw, left + 1, right, narrowest)
        if min(np.isfinite(side).sum() for side in sides) < FEWEST_OUTER_CELLS:
            continue
        beside = max(float(np.nanmedian(side)) for side in sides)
        if np.nanquantile(raw[low:high], 0.2) > beside + EXCESS_SIGMA * np.median(sigma[low:high]):
            bumps.append(Bump(low, high, left + 1, right))
    return bumps


def sides_of(values: Floats, left: int, right: int, half: int) -> tuple[Floats, Floats]:
    """Return the values beside cells [left, right), half a running median's window away, which they don't reach."""
    return values[max(0, left - half - OUTER_CELLS) : max(0, left - half)], values[right + half :][:OUTER_CELLS]


def _cells_to_outside(level: Floats, error: float) -> int:
    """Return how many cells it takes until the level is about 0, or falls no more."""
    for i, value in enumerate(level):
        further = level[i + 1 : i + 1 + OUTER_CELLS]
        if not value > 2 * error or not np.nanmin(further, initial=np.inf) < value - 2 * error:
            return i
    return len(level)


@dataclass(frozen=True)
class Movement:
    """Drift steps, their standard error, and that of the place in the middle of the observation, channels."""

    steps: int
    steps_error: float
    middle_error: float


def movement(rows: Floats, steps: int, max_steps: int, half: int) -> Movement:
    """Return better drift steps from the movement of each spectrum against the mean profile, and their errors.

    To first order a spectrum that is shifted by `d` differs from the profile `f` by -d f'. With any template `g` for
    the slope, d = -sum(g (row - f)) / sum(g f'), known to sigma sqrt(sum(g^2)) / |sum(g f')|. The slope is measured
    over 1, 4, 16 and 64 cells, without what may be noise, and the template that knows `d` best is used. The drift
    follows by a line through all `d`.

    Parameters
    ----------
    rows : float64 (T, cells)
        Levels less the noise's, each cell with its own noise.
    steps, max_steps : int
        First guess, and largest drift steps in either direction.
    half : int
        What is no wider than so many cells is no part of the profile.
    """
    n_spectra, cells = rows.shape
    at, place = np.arange(cells, dtype=np.float64), np.arange(n_spectra) / (n_spectra - 1)
    found, of_one = float(steps), math.inf
    for _ in range(REFINEMENTS):
        moved = np.array(
            [np.interp(at + found * u / CELL_CHANNELS, at, row) for u, row in zip(place, rows, strict=True)]
        )
        profile = np.median(moved, axis=0) if n_spectra > 2 else moved.mean(axis=0)
        noise = _robust_scatter(moved - profile)
        # Lines within the emission count no more than the largest noise.
        departure = np.clip(moved - profile, -5 * noise, 5 * noise)
        smooth = running_median(profile, half)
        templates = [_slope(smooth, reach, noise / np.sqrt(n_spectra)) for reach in SLOPE_CELLS if 2 * reach < cells]
        gradient = np.gradient(smooth)
        knows = [float(noise * np.sqrt(g @ g) / abs(g @ gradient)) if g @ gradient else math.inf for g in templates]
        if not math.isfinite(min(knows)):
            break
        best = knows.index(min(knows))
        of_one = knows[best] * CELL_CHANNELS
        shifts = -(departure @ templates[best]) / (templates[best] @ gradient) * CELL_CHANNELS
        found = float(np.clip(found + np.polyfit(place, shifts, 1)[0], -max_steps, max_steps))
    return Movement(
        round(found), of_one / float(np.sqrt(np.sum((place - 0.5) ** 2))), of_one / float(np.sqrt(n_spectra))
    )


def _robust_scatter(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _slope(profile: Floats, reach: int, noise: float) -> Floats:
    """Return the slope of a profile per cell, measured over `reach` cells on either side; 0 where it may be noise."""
    mean = np.convolve(np.pad(profile, reach, mode="edge"), np.ones(reach) / reach, mode="valid")
    slope: Floats = (mean[1 + reach :] - mean[: -1 - reach]) / (reach + 1)
    likely = 4 * np.sqrt(2.0) * noise / np.sqrt(reach) / (reach + 1)
    return np.where(np.abs(slope) > likely, slope, 0.0)


def drift_steps(rows: Floats, max_steps: int, width: int) -> int:
    """Return the drift steps of a profile of unknown shape that moves through `rows`.

    Least squares: with the right drift, the spectra that are shifted back have the largest sum of squares.

    Parameters
    ----------
    rows : float64 (T, cells)
        Smooth levels less the noise's.
    max_steps : int
        Largest drift steps, channels, in either direction.
    width : int
        Of the profile, cells.
    """
    n_spectra, cells = rows.shape
    edges = np.unique(np.linspace(0, n_spectra, min(n_spectra, DRIFT_ROWS) + 1).astype(int))
    binned = np.stack([rows[low:high].mean(axis=0) for low, high in pairwise(edges)])
    place = ((edges[1:] + edges[:-1] - 1) / 2) / (n_spectra - 1)
    at = np.arange(cells, dtype=np.float64)

    def power(steps: int) -> float:
        moved = [np.interp(at + steps * u / CELL_CHANNELS, at, row) for u, row in zip(place, binned, strict=True)]
        return float(np.sum(np.sum(moved, axis=0) ** 2))

    stride = max(1, min(width * CELL_CHANNELS // 8, max_steps))
    tried = {int(steps): power(int(steps)) for steps in np.arange(-max_steps, max_steps + 1, stride)} or {0: power(0)}
    best = max(tried, key=lambda steps: (tried[steps], -abs(steps)))
    while stride > 1:
        stride = (stride + 1) // 2
        for steps in (best - stride, best + stride):
            if abs(steps) <= max_steps and steps not in tried:
                tried[steps] = power(steps)
        near = [steps for steps in (best - stride, best, best + stride) if steps in tried]
        best = max(near, key=lambda steps: (tried[steps], -abs(steps)))
    return best


@dataclass(frozen=True)
class Profile:
    """Height, edges at half maximum in cells from the profile's first, and the cells of a flank from 20 to 80 %."""

    top: float
    low: float
    high: float
    flank: float


def profile_of(level: Floats) -> Profile:
    """Return edges and flanks of a smooth profile, float64 (cells,), that is 0 outside."""
    # The top as most of the emission has it.
    top = float(np.quantile(level[level > EXCESS_SIGMA / 2], 0.75)) if (level > EXCESS_SIGMA / 2).any() else 0.0
    low, high = (_crossing(level, top / 2), len(level) - 1 - _crossing(level[::-1], top / 2))
    flanks = [_crossing(side, 0.8 * top) - _crossing(side, 0.2 * top) for side in (level, level[::-1])]
    return Profile(top, low, high, max(flanks))


def _crossing(level: Floats, height: float) -> float:
    """Return where the level first comes to a height, by linear interpolation, in cells."""
    at = int(np.argmax(level >= height))
    if at == 0 or level[at] == level[at - 1]:
        return float(at)
    return at - 1 + float((height - level[at - 1]) / (level[at] - level[at - 1]))
