"""The coarse search: all width trials over some columns.

The upper bound says which drifts may exceed the threshold in which tiles, and the width trials look only there. Their
local maxima are the seeds of refinement.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from services.dedoppler.kernels.pair_sums import pair_sums
from services.dedoppler.kernels.upper_bound import Bound, QuantisedStarts, drift_groups, may_exceed, quantised
from services.dedoppler.kernels.width_trial import TILE_STARTS, Starts, Trial, halved, search_width_trial
from services.dedoppler.search.upper_bound import Quantisation, plan_bound, quantisation
from services.dedoppler.search.width_trials import WidthTrial, widest_box
from services.dedoppler.threads import together
from shared.arrays import Flags, Power

# The coarse search finds at least this part of the statistic of a tone that refinement then finds.
COARSE_EFFICIENCY = 0.8
# Starts that share a flag of the upper bound: more would make its loops cheaper, and rule out less.
BOUND_STARTS = 2 * TILE_STARTS


def seed_threshold(snr_threshold: float) -> float:
    """Return the threshold of the coarse search below which no signal can prove to be above `snr_threshold`."""
    return COARSE_EFFICIENCY * snr_threshold


@dataclass(frozen=True)
class Seed:
    """A local maximum of a width trial above the threshold, and how far off its drift steps may be."""

    value: float
    column: int
    steps: int
    width: int
    steps_reach: int

    @property
    def order(self) -> tuple[float, int, int, int]:
        """Sort key: the strongest first."""
        return -self.value, self.column, self.steps, self.width


class _PlannedTrial:
    """What one width trial needs, whatever the columns."""

    def __init__(self, trial: WidthTrial, quanta: Quantisation, n_spectra: int, threshold: float) -> None:
        self.width = trial.width
        per_box = trial.width // trial.stride
        self.trial = Trial(per_box, trial.stride, trial.steps, *pair_sums(trial.steps, n_spectra, trial.stride))
        self.plan = plan_bound(trial, quanta, n_spectra, threshold)
        self._bound = None
        if self.plan is not None:
            groups = drift_groups(trial.steps, n_spectra, trial.stride, self.plan.span)
            self._bound = Bound(per_box, *groups, quanta.largest_box, self.plan.limit)

    def may_exceed(self, starts: QuantisedStarts) -> Flags:
        """Return which drifts may exceed the threshold, for each `BOUND_STARTS` starts; all without a bound."""
        if self._bound is None:
            return np.ones((-(-starts.number // BOUND_STARTS), len(self.trial.steps)), np.uint8)
        return may_exceed(starts, BOUND_STARTS, self._bound)


@dataclass(frozen=True)
class _Stride:
    """The trials of one stride, which share columns and quanta."""

    channels: int
    quanta: Quantisation
    trials: list[_PlannedTrial]


class CoarseSearch:
    """The width trials of a search, for one number of spectra and one threshold."""

    def __init__(self, trials: tuple[WidthTrial, ...], n_spectra: int, threshold: float) -> None:
        self._threshold = threshold
        self._widest = widest_box(trials)
        self._max_steps = max(int(trial.steps[-1]) for trial in trials)
        # In order of stride: sums over wide strides are made from those over narrow ones.
        self._strides: list[_Stride] = []
        for channels, group in groupby(sorted(trials, key=lambda trial: trial.stride), key=lambda trial: trial.stride):
            of_stride = list(group)
            quanta = quantisation(of_stride, n_spectra)
            planned = [_PlannedTrial(trial, quanta, n_spectra, threshold) for trial in of_stride]
            self._strides.append(_Stride(channels, quanta, planned))
        plans = [one.plan for stride in self._strides for one in stride.trials if one.plan]
        self._widest_span = max((plan.span for plan in plans), default=0)

    def seeds(self, x: Power, regions: list[tuple[int, int]], above_threshold: Flags, pool: Executor) -> list[Seed]:
        """Find the local maxima of boxes that start in some columns.

        Parameters
        ----------
        x : float32 (T, columns)
            Normalised power of mean 0 and sigma 1, with zeros as far beyond these columns as any box may reach.
        regions : list of (int, int)
            Columns [low, high) in which boxes start.
        above_threshold : uint8 (columns,)
            Set to 1 where any statistic exceeds the threshold.
        pool : Executor
            Threads to work on.
        """
        found = together(pool, lambda low, high: self._seeds(x, low, high, above_threshold[low:]), regions)
        return [seed for seeds in found for seed in seeds]

    def _seeds(self, x: Power, low: int, high: int, above_threshold: Flags) -> list[Seed]:
        # Whole strides of every trial, and enough columns for the steepest path.
        widest_stride = self._strides[-1].channels
        margin = (self._max_steps // widest_stride + 2) * widest_stride
        columns = high - low + margin + self._widest + 2 * widest_stride
        sums, first, done, found = x, low, 1, []
        for stride in self._strides:
            channels = stride.channels
            while done < channels:
                begin = first - margin // done
                stop = first + columns // done
                sums, first, done = halved(sums, begin, (stop - begin) // 2), margin // (2 * done), 2 * done
            near = margin // channels
            quanta = quantised(
                sums,
                first - near,
                near + (columns + self._widest_span) // channels,
                np.float32(stride.quanta.quanta_per_sigma),
                np.float32(stride.quanta.lowest),
                np.float32(stride.quanta.highest),
            )
            n_starts = -(-(high - low) // channels)
            starts, bounded = Starts(sums, first, n_starts), QuantisedStarts(quanta, near, n_starts)
            for one in stride.trials:
                flags = one.may_exceed(bounded)
                if flags.any():
                    found += self._search(one, starts, flags, low, above_threshold)
        return found

    def _search(
        self, planned: _PlannedTrial, starts: Starts, flags: Flags, low: int, above_threshold: Flags
    ) -> list[Seed]:
        trial, width = planned.trial, planned.width
        peaks = search_width_trial(starts, trial, self._threshold, flags, BOUND_STARTS, above_threshold)
        return [
            Seed(float(value), low + int(start) * trial.stride, int(steps), width, width + 1)
            for start, steps, value in zip(*peaks, strict=True)
        ]
