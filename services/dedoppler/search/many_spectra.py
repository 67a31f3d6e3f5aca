"""The coarse search of observations with many spectra.

It finds what `coarse_search` finds, along paths that are straight to within a channel, at a cost that grows with the
logarithm of the number of spectra.
"""

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from services.dedoppler.kernels.segment_sums import Band, Boxes, best_per_start, local_maxima
from services.dedoppler.kernels.width_trial import Starts, halved
from services.dedoppler.search.coarse_search import CoarseSearch, Seed
from services.dedoppler.search.segment_paths import bands
from services.dedoppler.search.width_trials import WidthTrial, widest_box
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Indices, Power

# With more spectra, paths that share lines cost less than exact ones with an upper bound.
FEW_SPECTRA = 256
# Starts of one task, a multiple of a tile.
STARTS_PER_TASK = 2**12


@dataclass(frozen=True)
class _Shared:
    """Neighbouring drifts that one or several trials of a stride search: their widths, which boxes, and the paths."""

    trials: tuple[int, ...]
    band: Band


class ManySpectraSearch:
    """The width trials of a search, for one number of spectra and one threshold."""

    def __init__(self, trials: tuple[WidthTrial, ...], n_spectra: int, threshold: float) -> None:
        self._threshold = threshold
        self._n_spectra = n_spectra
        self._margin = max(int(trial.steps[-1]) for trial in trials)
        self._widest = widest_box(trials)
        # In order of stride: sums over wide strides are made from those over narrow ones.
        by_stride = groupby(sorted(trials, key=lambda trial: trial.stride), key=lambda trial: trial.stride)
        self._strides = [
            (stride, widths, [one for group in _same_drifts(widths) for one in _planned(group, widths, n_spectra)])
            for stride, widths in ((stride, list(of_stride)) for stride, of_stride in by_stride)
        ]

    def seeds(self, x: Power, regions: list[tuple[int, int]], above_threshold: Flags, pool: Executor) -> list[Seed]:
        """Find the local maxima of boxes that start in some columns; see `CoarseSearch.seeds`."""
        return [seed for low, high in regions for seed in self._seeds(x, low, high, above_threshold[low:], pool)]

    def _seeds(self, x: Power, low: int, high: int, above_threshold: Flags, pool: Executor) -> list[Seed]:
        # Enough columns for the steepest path, in whole strides, and for what lines are off.
        widest_stride = self._strides[-1][0]
        margin = (self._margin // widest_stride + 4) * widest_stride
        columns = high - low + margin + self._widest + 4 * widest_stride
        sums, first, done, found = x, low, 1, []
        for stride, trials, planned in self._strides:
            while done < stride:
                begin = first - margin // done
                stop = first + columns // done
                sums, first, done = halved(sums, begin, (stop - begin) // 2), margin // (2 * done), 2 * done
            starts = Starts(sums, first, -(-(high - low) // stride))
            best, best_steps = self._best(trials, planned, starts, pool)
            for k, trial in enumerate(trials):
                found += self._peaks(trial, best[k], best_steps[k], low, above_threshold)
        return found

    def _best(
        self, trials: list[WidthTrial], planned: list[_Shared], starts: Starts, pool: Executor
    ) -> tuple[Power, Indices]:
        """Return the best sum of each trial and start, (trials, starts), and its drift steps.

        Drifts and starts are shared among the threads in the same parts, whatever their number.
        """
        least = np.array([[self._sum_threshold(trial)] for trial in trials], np.float32)
        best = np.repeat(least, starts.number, axis=1)
        best_steps = np.zeros(best.shape, np.int64)

        def search(one: _Shared, low: int, high: int) -> tuple[Power, Indices]:
            rows = list(one.trials)
            per_box = np.array([trials[k].width // trials[k].stride for k in rows])
            top, top_steps = np.repeat(least[rows], high - low, axis=1), np.zeros((len(rows), high - low), np.int64)
            best_per_start(Starts(starts.sums, starts.first + low, high - low), one.band, per_box, top, top_steps)
            return top, top_steps

        work = [(one, low, high) for low, high in slices(0, starts.number, STARTS_PER_TASK) for one in planned]
        for (one, low, high), (top, top_steps) in zip(work, together(pool, search, work), strict=True):
            for row, k in enumerate(one.trials):
                higher = top[row] > best[k, low:high]
                best[k, low:high][higher] = top[row][higher]
                best_steps[k, low:high][higher] = top_steps[row][higher]
        return best, best_steps

    def _sum_threshold(self, trial: WidthTrial) -> np.float32:
        return np.float32(self._threshold * math.sqrt(self._n_spectra * trial.width))

    def _peaks(
        self, trial: WidthTrial, best: Power, best_steps: Indices, low: int, above_threshold: Flags
    ) -> list[Seed]:
        of = Boxes(trial.width // trial.stride, trial.stride)
        root = math.sqrt(self._n_spectra * trial.width)
        peaks = local_maxima(best, best_steps, self._sum_threshold(trial), of, above_threshold)
        return [
            Seed(float(value) / root, low + int(start) * trial.stride, int(steps), trial.width, trial.width + 1)
            for start, steps, value in zip(*peaks, strict=True)
        ]


def _same_drifts(trials: list[WidthTrial]) -> list[tuple[tuple[int, ...], Indices]]:
    """Return drift steps by the trials that search them: a path is summed once for all of its boxes."""
    every = np.unique(np.concatenate([trial.steps for trial in trials]))
    searched_by = np.array([np.isin(every, trial.steps) for trial in trials])
    # Neighbouring drifts of the same trials.
    starts = np.flatnonzero(np.r_[True, (searched_by[:, 1:] != searched_by[:, :-1]).any(axis=0)])
    return [
        (tuple(np.flatnonzero(searched_by[:, part[0]]).tolist()), every[part])
        for part in np.split(np.arange(len(every)), starts[1:])
    ]


def _planned(group: tuple[tuple[int, ...], Indices], trials: list[WidthTrial], n_spectra: int) -> list[_Shared]:
    """Plan the paths of some drifts for the narrowest of their trials."""
    of, steps = group
    narrowest = trials[of[0]]
    planned = bands(WidthTrial(narrowest.width, narrowest.stride, steps), n_spectra)
    return [_Shared(of, band) for band in planned]


def coarse_search_of(
    trials: tuple[WidthTrial, ...], n_spectra: int, threshold: float
) -> CoarseSearch | ManySpectraSearch:
    """Return the coarse search that costs less for a number of spectra."""
    kind = CoarseSearch if n_spectra <= FEW_SPECTRA else ManySpectraSearch
    return kind(trials, n_spectra, threshold)
