"""The level of the noise in cells of 16 channels, at rest or along a drift, and its removal."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels import level_cells as kernels
from services.dedoppler.kernels.conditioning import Nodes
from services.dedoppler.kernels.level_cells import CELL_CHANNELS
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Floats, Indices, Power

Truth = npt.NDArray[np.bool_]

CELLS_PER_TASK = 64
WINDOWS_PER_TASK = 256
# Where the level changes by more than so many standard errors of a channel from one neighbour of a cell to the other,
# it is measured channel by channel.
STEEP = 6.0
# By how many of its standard errors a level must depart from 0 to be no noise.
DEPARTURE = 5.0
# Cells beside what departs that are flattened with it, besides half of a window.
CELLS_AROUND = 32
# It raises the scatter of its block, and so the sigma up to two and a half blocks of 2048 channels farther away.
CELLS_OF_RAISED_SIGMA = 320
# Spectra are averaged to at most so many before lines are left out. The noise of each of them bends the running median
# where a fall begins, by up to 1.8 times the scatter of a cell; so the first measurement is one of few averages.
MOST_ROWS, COARSE_ROWS = 16, 4


@dataclass(frozen=True)
class Levels:
    """Smooth level and scatter of the cells from column `first` on, along `offsets`; NaN where samples are lost."""

    first: int
    offsets: Indices
    level: Floats
    scatter: Floats

    def part(self, low: int, high: int) -> "Levels":
        """Return the cells [low, high)."""
        first = self.first + low * CELL_CHANNELS
        return Levels(first, self.offsets, self.level[low:high], self.scatter[low:high])


@dataclass(frozen=True)
class Reference:
    """What mere noise of this file gives: the level of a cell over its mean, and the mean size of a change.

    The first takes time, and only emissions need it.
    """

    bias: Callable[[], float]
    change: float


class Cells:
    """Measures and removes levels; `half` is half of the running median's window, in cells."""

    def __init__(self, x: Power, half: int, reference: Reference, pool: Executor) -> None:
        """Prepare.

        Parameters
        ----------
        x : float32 (T, columns)
            Normalised power, 0 where lost; changed in place.
        half : int
            What is no wider than so many cells does not shift a level.
        reference : Reference
            Of cells of mere noise.
        pool : Executor
            Threads to work on.
        """
        self._x, self._half, self._reference, self._pool = x, half, reference, pool

    @property
    def error(self) -> float:
        """Return the standard error of a smooth level: that of a median over the window."""
        return float(1.25 / np.sqrt((2 * self._half + 1) * CELL_CHANNELS * len(self._x)))

    def departing(self, first: int, cells: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Return the runs of cells whose level over a wide part is not 0, lines left out, with the cells around them.

        There are enough cells around each for a running median and the level beside an emission, and then those whose
        sigma may be raised: each run is given as its cells without these, and with them.
        """
        stride = max(1, self._half // 2)
        level = self._mean_of_medians(_fewer(self.rows(first, cells), MOST_ROWS), stride, even=False)
        is_off = np.abs(np.nan_to_num(level)) > DEPARTURE * self.error
        departs: Flags = np.repeat(is_off.astype(np.uint8), stride)[:cells]
        near = self._half + CELLS_AROUND
        far = near + CELLS_OF_RAISED_SIGMA
        return [
            ((max(0, low - near), min(cells, high + near)), (max(0, low - far), min(cells, high + far)))
            for low, high in runs(departs, 2 * far)
        ]

    def at_rest(self, first: int, cells: int, bandpass: Nodes) -> Levels:
        """Measure cells that don't move; lines don't count, however they drift.

        The running median is that of the power with the bandpass that was taken off. It follows a fall to a coarse
        channel's edge exactly; what is left of that without a bandpass of too few nodes is a peak where the fall
        begins.
        """
        rows = self.rows(first, cells)
        at = centres_of(first, cells)
        base, sigma = (np.interp(at, bandpass.centres, values) for values in (bandpass.level, bandpass.sigma))
        level = (self._means(rows * sigma + base, COARSE_ROWS) - base) / sigma
        # A running median rounds off what curves within its window, and lines that drift fast are wide in few averages:
        # once more on what is left.
        level += self._means(rows - level)
        offsets = np.zeros(len(self._x), np.int64)
        return Levels(first, offsets, level, self._scatter(first, cells, offsets))

    def along(self, first: int, cells: int, offsets: Indices) -> Levels:
        """Measure cells along a drift: edges that drift alike stay sharp; fast lines count a little."""
        level = np.empty(cells)

        def measure(low: int, high: int) -> None:
            kernels.cell_levels(self._x, first + low * CELL_CHANNELS, offsets, level[low:high])

        together(self._pool, measure, slices(0, cells, CELLS_PER_TASK))
        level -= self._reference.bias()
        smooth = self._smooth(level)
        return Levels(first, offsets, smooth + self._smooth(level - smooth), self._scatter(first, cells, offsets))

    def rows(self, first: int, cells: int) -> Floats:
        """Return the level of each spectrum, float64 (T, cells); NaN where samples are lost."""
        rows = np.empty((len(self._x), cells))
        kernels.row_levels(self._x, first, rows)
        return rows

    def smooth_rows(self, rows: Floats) -> Floats:
        """Return the running median of each spectrum; 0 where samples are lost."""
        return np.nan_to_num(np.stack(together(self._pool, self._smooth, [(row,) for row in rows])))

    def _scatter(self, first: int, cells: int, offsets: Indices) -> Floats:
        changes = np.empty((len(self._x) - 1, cells))
        kernels.row_changes(self._x, first, offsets, changes)
        scatter = self._means(changes) / self._reference.change
        # Where no two spectra in a row are left, there are no changes to measure.
        return np.where(scatter > 0, scatter, 1.0)

    def _means(self, rows: Floats, most: int = MOST_ROWS) -> Floats:
        """Return the mean over all spectra of running medians, in each run of cells that are there."""
        means = np.full(rows.shape[1], np.nan)
        there: Flags = np.asarray(np.isfinite(rows).any(axis=0), np.uint8)
        for low, high in runs(there, gap=0):
            means[low:high] = self._mean_of_medians(_fewer(rows[:, low:high], most), 1, even=True)
        return means

    def _mean_of_medians(self, rows: Floats, stride: int, *, even: bool) -> Floats:
        means = np.empty(-(-rows.shape[1] // stride))

        def measure(low: int, high: int) -> None:
            kernels.mean_of_medians(rows, self._half, stride, even, low, means[low:high])

        together(self._pool, measure, slices(0, len(means), WINDOWS_PER_TASK))
        return means

    def _smooth(self, values: Floats) -> Floats:
        smooth = np.full_like(values, np.nan)
        for low, high in runs(np.isfinite(values).astype(np.uint8), gap=0):
            smooth[low:high] = kernels.running_median(values[low:high], self._half)
        return smooth

    def take_off(self, levels: Levels, stop: int) -> tuple[Power, Power]:
        """Bring the columns from levels.first up to `stop` to level 0 and sigma 1.

        Returns
        -------
        tuple of float32 (columns,), float32 (columns,)
            What was subtracted, and what was multiplied by then.
        """
        known = np.flatnonzero(np.isfinite(levels.level))
        centres: Floats = np.asarray((known + 0.5) * CELL_CHANNELS - 0.5, np.float64)
        channels = np.arange(stop - levels.first, dtype=np.float64)
        values = np.asarray(levels.level[known], np.float64)
        level = np.interp(channels, centres, values) + _beyond(channels, centres, values)
        gain = 1 / np.interp(channels, centres, levels.scatter[known])
        # Beyond the outer cells with a level, what samples there are count as lost.
        gain[_is_outside(channels, known)] = 0.0
        for low, high in runs(self._steep(levels), gap=0):
            begin, end = low * CELL_CHANNELS, min(high * CELL_CHANNELS, len(level))
            level[begin:end] = self._by_channel(levels.first + begin, end - begin, levels.offsets)
        flat, scale = level.astype(np.float32), gain.astype(np.float32)
        kernels.correct(self._x, levels.first, levels.offsets, flat, scale)
        return flat, scale

    def _steep(self, levels: Levels) -> Flags:
        """Return the cells in which the level changes too steeply for a line between their centres."""
        steep = np.zeros(len(levels.level), np.uint8)
        for low, high in runs(np.isfinite(levels.level).astype(np.uint8), gap=0):
            # At its ends a level goes on as it comes.
            change = 2 * np.abs(np.gradient(levels.level[low:high])) if high - low > 1 else np.zeros(1)
            steep[low:high] = change > STEEP * levels.scatter[low:high] / np.sqrt(len(self._x))
        return steep

    def _by_channel(self, first: int, channels: int, offsets: Indices) -> Floats:
        columns = first + np.arange(channels) + offsets[:, None]
        inside = (columns >= 0) & (columns < self._x.shape[1])
        samples = np.where(inside, self._x[np.arange(len(offsets))[:, None], np.clip(columns, 0, None) * inside], 0.0)
        number = np.count_nonzero(samples, axis=0)
        mean: Floats = samples.sum(axis=0, dtype=np.float64) / np.maximum(number, 1)
        return mean


def centres_of(first: int, cells: int) -> Floats:
    """Return the middle of each cell, columns."""
    return np.arange(cells, dtype=np.float64) * CELL_CHANNELS + (first + 0.5 * CELL_CHANNELS - 0.5)


def _fewer(rows: Floats, most: int) -> Floats:
    """Return averages of several spectra each, no more than `most`; what is lost in some of them is left out."""
    if len(rows) <= most:
        return np.ascontiguousarray(rows)
    edges = np.unique(np.linspace(0, len(rows), most + 1).astype(int))
    is_there = np.isfinite(rows)
    number = np.add.reduceat(is_there, edges[:-1], axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(is_there, rows, 0.0), edges[:-1], axis=0)
    fewer: Floats = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
    return fewer


def _is_outside(channels: Floats, known: Indices) -> Truth:
    """Return which channels lie more than a cell beyond the first and the last of the known cells."""
    if not len(known):
        return np.ones(len(channels), np.bool_)
    low, high = (known[0] - 1) * CELL_CHANNELS, (known[-1] + 2) * CELL_CHANNELS
    outside: Truth = (channels < low) | (channels >= high)
    return outside


def _beyond(channels: Floats, centres: Floats, level: Floats) -> Floats:
    """Return how much the level goes on to change from the outer centres to the ends, along the slopes there."""
    if len(centres) < 2:
        return np.zeros_like(channels)
    left, right = np.diff(level[:2])[0] / np.diff(centres[:2])[0], np.diff(level[-2:])[0] / np.diff(centres[-2:])[0]
    beyond: Floats = left * np.minimum(channels - centres[0], 0.0) + right * np.maximum(channels - centres[-1], 0.0)
    return beyond
