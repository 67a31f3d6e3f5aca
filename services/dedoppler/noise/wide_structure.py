"""Structure wider than any box: the shape of the band that blocks are too coarse for, and wide emissions.

Blocks of 2048 channels follow a band that changes slowly. Where normalised power still departs from 0 over more than
the widest box, its level is measured in cells of 16 channels: steep edges of the band and of notches are then flat. A
rise that falls again on its other side is an emission: it is measured along its own drift and taken off, so that the
box search finds the lines on it, and each emission is one signal.
"""

import functools
import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from services.dedoppler.kernels import level_cells as kernels
from services.dedoppler.kernels.conditioning import Nodes
from services.dedoppler.kernels.level_cells import CELL_CHANNELS
from services.dedoppler.kernels.pair_sums import path_offset
from services.dedoppler.noise.cells import DEPARTURE, Cells, Levels, Reference, centres_of
from services.dedoppler.noise.emissions import (
    EDGE_CHANNELS,
    FLANK_SHARE,
    HIGH_SIGMA,
    Bump,
    Movement,
    WideEmission,
    drift_steps,
    find_bumps,
    movement,
    profile_of,
    sides_of,
)
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Floats, Indices, Power

# Channels whose mean shows whether the level departs from 0.
GROUP_CHANNELS = 256
# Groups beside one that departs, as far as it raises sigma (`cells.CELLS_OF_RAISED_SIGMA`), and the level beside it.
GROUPS_AROUND = 20 + 3
GROUPS_PER_TASK = 512
# Cells beside an emission in which its drift is searched, besides its own movement.
CELLS_BESIDE = 64
# Groups far from any structure, which show what mere noise gives.
MOST_QUIET_GROUPS, FEWEST_QUIET_GROUPS = 64, 4
# Mean size of the difference of two normal deviates of sigma 1. It is measured by medians of means of 16, which lie
# 0.8 % below their mean.
NORMAL_CHANGE = 0.992 * 2 / math.sqrt(math.pi)
# A drift is told from none by so many errors.
DRIFT_ERRORS = 3.0
# A hundredth of sigma is what its estimate is good for (see `uncertainties`).
SIGMA_ERROR = 0.005


@dataclass(frozen=True)
class Stretch:
    """Columns [first, stop) of one coarse channel.

    `grid` is the first column of its first group; groups lie on one grid whatever part of a file is read. `shape` is
    the bandpass that was taken off, by column; `quantum` is the step of the samples, raw units.
    """

    first: int
    stop: int
    grid: int
    shape: Nodes
    quantum: float = 0.0


class Flattened(NamedTuple):
    """What was taken off at rest.

    Attributes
    ----------
    first : int
        Column of level[0].
    level, gain : float32 (channels,)
        What was subtracted, and what was multiplied by then.
    """

    first: int
    level: Power
    gain: Power


class WideStructure(NamedTuple):
    """What was taken off: emissions along their drift, in order of column, and the rest, in the order of removal."""

    emissions: list[WideEmission]
    flattened: list[Flattened]


def take_off_wide_structure(
    x: Power,
    stretches: Sequence[Stretch],
    widest: int,
    max_steps: int,
    pool: Executor,
    crowded: Sequence[tuple[int, int]] = (),
) -> WideStructure:
    """Flatten the level of normalised power where it departs from 0 over more than a box.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, 0 where lost; changed in place.
    stretches : sequence of Stretch
        Which columns hold noise.
    widest : int
        The widest box of the search.
    max_steps : int
        Largest drift steps of an emission, in either direction.
    pool : Executor
        Threads to work on.
    crowded : sequence of (int, int)
        Columns [first, stop) where many lines pass for wide structure: they stay as they are.

    Returns
    -------
    WideStructure
        What was taken off.
    """
    sparse = [_without_crowds(stretch, crowded) for stretch in stretches]
    flags = [_departing(x, stretch, pool) & here for stretch, here in zip(stretches, sparse, strict=True)]
    found = WideStructure([], [])
    if not any(of_stretch.any() for of_stretch in flags):
        return found
    half = -(-widest // CELL_CHANNELS)
    bias = functools.cache(lambda: _clipping_bias(x, stretches, flags, half))
    reference = Reference(bias, _mean_change(stretches))
    cells = Cells(x, half, reference, pool)
    for stretch, of_stretch, here in zip(stretches, flags, sparse, strict=True):
        for low, high in runs(_widened(of_stretch, half) & here, gap=0):
            first = stretch.grid + low * GROUP_CHANNELS
            # The channels beside the outer groups belong to these.
            stop = stretch.stop if high == len(of_stretch) else stretch.grid + high * GROUP_CHANNELS
            flattening = _Flattening(x, cells, stretch, half, max_steps)
            found.emissions.extend(flattening.run(first, stop))
            found.flattened.extend(flattening.flattened)
    return found


def restore(x: Power, emission: WideEmission) -> None:
    """Undo the taking off of an emission."""
    back = np.divide(1, emission.gain, out=np.zeros_like(emission.gain), where=emission.gain > 0)
    kernels.correct(x, emission.first, emission.offsets, -emission.level * emission.gain, back)


def _departing(x: Power, stretch: Stretch, pool: Executor) -> Flags:
    """Return the groups whose mean is not 0."""
    means = np.zeros(max(0, (stretch.stop - stretch.grid) // GROUP_CHANNELS))

    def measure(low: int, high: int) -> None:
        kernels.group_means(x, stretch.grid + low * GROUP_CHANNELS, GROUP_CHANNELS, means[low:high])

    together(pool, measure, slices(0, len(means), GROUPS_PER_TASK) if len(means) else [])
    flags: Flags = (np.abs(means) > DEPARTURE / np.sqrt(len(x) * GROUP_CHANNELS)).astype(np.uint8)
    return flags


def _without_crowds(stretch: Stretch, crowded: Sequence[tuple[int, int]]) -> Flags:
    """Return the groups of a stretch that lie in no crowded columns."""
    sparse = np.ones(max(0, (stretch.stop - stretch.grid) // GROUP_CHANNELS), np.uint8)
    for first, stop in crowded:
        low, high = (first - stretch.grid) // GROUP_CHANNELS, -((stretch.grid - stop) // GROUP_CHANNELS)
        sparse[max(0, low) : max(0, high)] = 0
    return sparse


def _widened(flags: Flags, half: int) -> Flags:
    """Return the flags with enough groups on either side for a running median and the level beside an emission."""
    reach = GROUPS_AROUND + -(-half * CELL_CHANNELS // GROUP_CHANNELS)
    around = np.convolve(flags, np.ones(2 * reach + 1, np.int64), mode="full")
    widened: Flags = (around[reach : reach + len(flags)] > 0).astype(np.uint8)
    return widened


def _clipping_bias(x: Power, stretches: Sequence[Stretch], flags: Sequence[Flags], half: int) -> float:
    """Return by how much the clipped level of mere noise lies above its mean; 0 with too few quiet groups."""
    quiet = np.concatenate(
        [
            stretch.grid + GROUP_CHANNELS * np.flatnonzero(_widened(of_stretch, half) == 0)
            for stretch, of_stretch in zip(stretches, flags, strict=True)
        ]
    )
    if len(quiet) < FEWEST_QUIET_GROUPS:
        return 0.0
    at_rest, per_group = np.zeros(len(x), np.int64), GROUP_CHANNELS // CELL_CHANNELS
    level, mean, bias = np.empty(per_group), np.empty((len(x), per_group)), []
    for i in np.unique(np.linspace(0, len(quiet) - 1, MOST_QUIET_GROUPS).astype(int)):
        kernels.cell_levels(x, int(quiet[i]), at_rest, level)
        kernels.row_levels(x, int(quiet[i]), mean)
        difference = level - mean.mean(axis=0)
        if np.isfinite(difference).all():
            bias.append(float(np.mean(difference)))
    return float(np.median(bias)) if bias else 0.0


def _mean_change(stretches: Sequence[Stretch]) -> float:
    """Return the mean size of the difference of two samples of noise of sigma 1.

    2 / sqrt(pi) for normal deviates. The mean of N exponential deviates has N = (level / sigma)^2, their difference an
    excess kurtosis of 3 / N, which makes the mean size smaller by 1 / (8 N) of it (Edgeworth); exactly 0.114 for N = 1.
    """
    ratio = max(float(np.median(stretch.shape.level / stretch.shape.sigma)) for stretch in stretches)
    # Without a level, a mean was subtracted from the power.
    averaged = max(1.0, ratio**2) if ratio > 0.5 else np.inf
    return NORMAL_CHANGE * (1 - 1 / (8 * averaged))


class _Flattening:
    """The flattening of one run of groups."""

    def __init__(self, x: Power, cells: Cells, stretch: Stretch, half: int, max_steps: int) -> None:
        self._x, self._cells, self._stretch = x, cells, stretch
        self._half, self._max_steps = half, max_steps
        self.flattened: list[Flattened] = []

    def run(self, first: int, stop: int) -> list[WideEmission]:
        """Flatten columns [first, stop)."""
        number = (stop - first) // CELL_CHANNELS
        return [
            emission
            for near, (low, high) in self._cells.departing(first, number)
            for emission in self._flatten(
                first + low * CELL_CHANNELS,
                stop if high == number else first + high * CELL_CHANNELS,
                (near[0] - low, near[1] - low),
            )
        ]

    def _flatten(self, first: int, stop: int, near: tuple[int, int]) -> list[WideEmission]:
        # Only where the noise itself ends is a window narrower.
        beside = self._half * CELL_CHANNELS
        low = first - min(beside, (first - self._stretch.grid) // CELL_CHANNELS * CELL_CHANNELS)
        high = min(stop + beside, self._stretch.stop)
        band = self._cells.at_rest(low, (high - low) // CELL_CHANNELS, self._stretch.shape)
        band = self._scattered(band.part((first - low) // CELL_CHANNELS, (stop - low) // CELL_CHANNELS))
        # Farther away sigma may have been raised, never lowered; strong fast lines raise the scatter.
        for far in (slice(0, near[0]), slice(near[1], None)):
            band.scatter[far] = np.fmin(band.scatter[far], 1.0)
        moving = []
        for bump in self._bumps(band):
            moved = self._movement(band, bump)
            if self._is_emission(band, bump, moved):
                moving.append((bump, moved))
        off = self._cells.take_off(_without(band, [bump for bump, _ in moving], self._half), stop)
        self.flattened.append(Flattened(band.first, *off))
        measured = [self._emission(band, bump, moved) for bump, moved in moving]
        return [emission for emission in measured if emission is not None]

    def _scattered(self, band: Levels) -> Levels:
        """Return the levels with a scatter that holds in samples of few bits too.

        Where the scatter is less than a step of the samples, most of them are equal: the size of their changes is less
        than that of noise of this scatter, and their sums reach high values more often. There sigma remains that of the
        block, or one step if that is less.
        """
        least = np.minimum(1.0, self._stretch.quantum / self._sigma(band))
        scatter: Floats = np.maximum(band.scatter, least)
        return replace(band, scatter=scatter)

    def _sigma(self, band: Levels) -> Floats:
        """Return the bandpass's sigma at each cell, raw units."""
        at, shape = centres_of(band.first, len(band.level)), self._stretch.shape
        sigma: Floats = np.interp(at, shape.centres, shape.sigma)
        return sigma

    def _bumps(self, band: Levels) -> list[Bump]:
        sigma = self._sigma(band)
        at, shape = centres_of(band.first, len(band.level)), self._stretch.shape
        raw = np.interp(at, shape.centres, shape.level) + sigma * band.level
        cells = self._half, (self._stretch.stop - self._stretch.first) // CELL_CHANNELS
        level, raw = bridged(np.stack([band.level, raw]))
        return find_bumps(level, raw, sigma, cells, self._cells.error)

    def _movement(self, band: Levels, bump: Bump) -> Movement:
        beside = CELLS_BESIDE + self._max_steps // CELL_CHANNELS
        low, high = max(0, bump.left - beside), min(len(band.level), bump.right + beside)
        # A hole stays where it is, and would pass for a part of the profile that does not move.
        rows = bridged(self._cells.rows(band.first + low * CELL_CHANNELS, high - low))
        smooth = self._cells.smooth_rows(rows)
        outside = np.nan_to_num(_without(band, [bump], self._half).level[low:high])
        steps = drift_steps(smooth - outside, self._max_steps, bump.high - bump.low)
        return movement(np.nan_to_num(rows) - outside, steps, self._max_steps, self._half)

    def _is_emission(self, band: Levels, bump: Bump, moved: Movement) -> bool:
        """Return whether a rise drifts, or is too steep or too high for a ripple of the band."""
        shape = profile_of(
            np.nan_to_num((band.level - _without(band, [bump], self._half).level)[bump.left : bump.right])
        )
        drifts = abs(moved.steps) > max(1.0, DRIFT_ERRORS * moved.steps_error)
        return drifts or shape.flank <= FLANK_SHARE * (shape.high - shape.low) or shape.top >= HIGH_SIGMA

    def _samples(self, first: int, width: int, offsets: Indices) -> int:
        """Return the samples of a path that are not lost."""
        starts = np.clip(first + offsets, 0, self._x.shape[1] - 1).tolist()
        return sum(
            int(np.count_nonzero(row[start : start + width])) for row, start in zip(self._x, starts, strict=True)
        )

    def _emission(self, band: Levels, bump: Bump, moved: Movement) -> WideEmission | None:
        """Measure an emission along its drift, after the band was flattened, and take it off.

        None if so many samples are lost along the drift that no cell there has a level.
        """
        n_spectra, steps = len(self._x), moved.steps
        offsets = np.array([path_offset(steps, t, n_spectra, 1) for t in range(n_spectra)], np.int64)
        # At rest the emission was measured where it is in the middle of the observation.
        reach = self._half + abs(steps) // CELL_CHANNELS
        cells = bump.right - bump.left + 2 * reach
        first = band.first + (bump.left - reach) * CELL_CHANNELS - int(np.rint(steps / 2))
        levels = self._scattered(self._cells.along(first, cells, offsets))
        if not np.isfinite(levels.level).any():
            return None
        flat, gain = self._cells.take_off(levels, first + cells * CELL_CHANNELS)
        level = np.nan_to_num(levels.level)
        shape = profile_of(level)
        low, high = (round((edge + 0.5) * CELL_CHANNELS) for edge in (shape.low, shape.high))
        width = max(1, high - low)
        scale = math.sqrt(self._samples(first + low, width, offsets))
        snr = float(np.mean(flat[low:high])) * scale
        return WideEmission(
            column=first + low,
            width=width,
            steps=steps,
            snr=snr,
            column_error=float(np.hypot(EDGE_CHANNELS, 2 * moved.middle_error)),
            steps_error=float(np.hypot(0.5, moved.steps_error)),
            width_error=float(np.hypot(EDGE_CHANNELS, 2 * moved.middle_error)),
            snr_error=math.sqrt(1 + (SIGMA_ERROR * snr) ** 2 + (self._cells.error * scale) ** 2),
            first=first,
            offsets=offsets,
            level=flat,
            gain=gain,
        )


def bridged(rows: Floats) -> Floats:
    """Return rows, float64 (rows, cells), with straight lines across their holes (NaN); those at the ends stay."""
    out = rows.copy()
    for row in out:
        known = np.flatnonzero(np.isfinite(row))
        if 0 < len(known) < len(row):
            inside = np.arange(known[0], known[-1] + 1)
            row[inside] = np.interp(inside, known, row[known])
    return out


def _without(band: Levels, bumps: Sequence[Bump], half: int) -> Levels:
    """Return the levels with straight lines in place of the bumps."""
    level, scatter = band.level.copy(), band.scatter.copy()
    # As `find_bumps` does: a side that is lost has the level across the hole.
    sides_level, sides_scatter = bridged(np.stack([band.level, band.scatter]))
    for bump in bumps:
        inside = np.arange(bump.left, bump.right)
        for values, of in ((level, sides_level), (scatter, sides_scatter)):
            sides = sides_of(of, bump.left, bump.right, half)
            values[inside] = np.interp(inside, [bump.left - 1, bump.right], [np.nanmedian(side) for side in sides])
    return Levels(band.first, band.offsets, level, scatter)
