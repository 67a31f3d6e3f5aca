"""The coarse search of observations with many spectra.

It finds what `coarse_search` finds, along paths that are straight to within a channel, at a cost that hardly grows with
the number of spectra.
"""

import math
from itertools import groupby

import numpy as np

from services.dedoppler.kernels.segment_sums import Band, Boxes, best_per_start, local_maxima
from services.dedoppler.kernels.width_trial import Starts, halved
from services.dedoppler.search.coarse_search import CoarseSearch, Seed
from services.dedoppler.search.segment_paths import bands
from services.dedoppler.search.width_trials import WidthTrial, widest_box
from shared.arrays import Flags, Power

# With more spectra, paths that share lines cost less than exact ones with an upper bound.
FEW_SPECTRA = 256


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
            (stride, [(trial, bands(trial, n_spectra)) for trial in of_stride]) for stride, of_stride in by_stride
        ]

    def seeds(self, x: Power, low: int, high: int, above_threshold: Flags) -> list[Seed]:
        """Find the local maxima of boxes that start in columns [low, high); see `CoarseSearch.seeds`."""
        # Enough columns for the steepest path, in whole strides, and for what lines are off.
        widest_stride = self._strides[-1][0]
        margin = (self._margin // widest_stride + 4) * widest_stride
        columns = high - low + margin + self._widest + 4 * widest_stride
        sums, first, done, found = x, low, 1, []
        for stride, trials in self._strides:
            while done < stride:
                begin = first - margin // done
                stop = first + columns // done
                sums, first, done = halved(sums, begin, (stop - begin) // 2), margin // (2 * done), 2 * done
            starts = Starts(sums, first, -(-(high - low) // stride))
            for trial, planned in trials:
                found += self._search(trial, planned, starts, low, above_threshold)
        return found

    def _search(
        self, trial: WidthTrial, planned: list[Band], starts: Starts, low: int, above_threshold: Flags
    ) -> list[Seed]:
        of = Boxes(trial.width // trial.stride, trial.stride)
        root = math.sqrt(self._n_spectra * trial.width)
        threshold = np.float32(self._threshold * root)
        best = np.full(starts.number, threshold, np.float32)
        best_steps = np.zeros(starts.number, np.int64)
        for band in planned:
            best_per_start(starts, band, of, best, best_steps)
        peaks = local_maxima(best, best_steps, threshold, of, above_threshold)
        return [
            Seed(float(value) / root, low + int(start) * trial.stride, int(steps), trial.width, trial.width + 1)
            for start, steps, value in zip(*peaks, strict=True)
        ]


def coarse_search_of(
    trials: tuple[WidthTrial, ...], n_spectra: int, threshold: float
) -> CoarseSearch | ManySpectraSearch:
    """Return the coarse search that costs less for a number of spectra."""
    kind = CoarseSearch if n_spectra <= FEW_SPECTRA else ManySpectraSearch
    return kind(trials, n_spectra, threshold)
