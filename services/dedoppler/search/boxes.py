"""From normalised power to one box per emitter.

A bright tone also lifts every path that crosses its track, and may hide a fainter one beside it. So the strongest seed
of the coarse search is refined first and its track set to zero, which removes the crossings as well. Where the coarse
search was above the threshold it runs again, for each class of strength, until it finds nothing new.
"""

import math
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import numpy as np

from services.dedoppler.kernels.curves import Track, bend_track, blank_track, restore_track
from services.dedoppler.kernels.refine import Limits, Place, box_statistic, refine
from services.dedoppler.search.chirps import FEWEST_SPECTRA, ChirpSearch, extended
from services.dedoppler.search.coarse_search import Seed, seed_threshold
from services.dedoppler.search.leakage import flank_channels, leakage_channels
from services.dedoppler.search.many_spectra import coarse_search_of
from services.dedoppler.search.matched_snr import MatchedSnr
from services.dedoppler.search.width_trials import WidthTrial, widest_box
from services.dedoppler.slices import runs, slices
from services.dedoppler.uncertainties import bandwidth_channels, bend_error
from shared.arrays import Flags, Power

# Small enough for a piece to stay in the cache during all width trials.
COLUMNS_PER_TASK = 2**15
MOST_PASSES = 16
MOST_BOXES = 10_000
# A seed that keeps so much of its statistic keeps its turn; the rest is rounding.
KEPT_SHARE = 0.95
# Strengths of one class differ by less than this ratio. A slow tone that is so much stronger lifts a path that crosses
# it in one of 16 spectra by as much as a seed of the class below.
CLASS_RATIO = 16.0
# A parabola replaces the straight path if it gains so many sigma, more than noise gives it, and bends by so many of its
# errors, more than a tone between channels. Of 1800 straight tones of SNR 11 to 400 and 8 to 60 spectra, none did both.
CURVE_SIGMA, CURVE_ERRORS = 1.5, 3.0
# Half channels: 16 channels between the parabola and its chord. Straight paths hold too little of more.
MOST_BEND = 32


@dataclass(frozen=True)
class Box:
    """The best straight box of one emitter, and the parabola that follows it where it does not drift evenly.

    Attributes
    ----------
    column, steps, width : int
        First column in the first spectrum, drift steps, and columns of the straight box.
    snr : float
        Statistic of the straight box.
    curve : Track or None
        The parabola that is clearly better, or None.
    curve_snr : float
        Statistic of the parabola; that of the box if there is none.
    """

    column: int
    steps: int
    width: int
    snr: float
    curve: Track | None = None
    curve_snr: float = 0.0

    @property
    def track(self) -> Track:
        """The better of the box and the parabola."""
        return self.curve or Track(self.column, self.steps, self.width)

    @property
    def best_snr(self) -> float:
        """The statistic of the better of the two."""
        return self.curve_snr if self.curve else self.snr


@dataclass(frozen=True)
class Region:
    """Columns that were read, `stop` excluded; a box starts with at least one of its columns among them."""

    first: int
    stop: int


class Search:
    """The search of one chunk."""

    def __init__(
        self,
        x: Power,
        region: Region,
        trials: tuple[WidthTrial, ...],
        snr_threshold: float,
        pool: Executor,
        matched_snr: MatchedSnr | None = None,
        *,
        chirps: bool = False,
    ) -> None:
        """Prepare the search.

        Parameters
        ----------
        x : float32 (T, columns)
            Normalised power of mean 0 and sigma 1, with zeros as far beyond `region` as any box may reach.
        region : Region
            Columns to search.
        trials : tuple of WidthTrial
            Boxes and drifts of the coarse search.
        snr_threshold : float
            Smallest SNR of a box.
        pool : Executor
            Threads to work on; the result does not depend on their number.
        matched_snr : MatchedSnr or None
            Computes the SNR of a refined box; None if no sample is lost and all spectra are alike.
        chirps : bool
            Whether to search for changing drift rates too.
        """
        self._x = x
        self._matched_snr = matched_snr
        self._region = region
        self._trials = trials
        self._threshold = snr_threshold
        self._pool = pool
        max_steps = max(int(trial.steps[-1]) for trial in trials)
        self._limits = Limits(region.first, region.stop, max_steps, widest_box(trials))
        self._chirps = ChirpSearch(len(x), max_steps, snr_threshold) if chirps and len(x) >= FEWEST_SPECTRA else None
        self._seed_threshold = seed_threshold(snr_threshold)
        self._coarse_search = coarse_search_of(trials, len(x), self._seed_threshold)
        self._blanked: list[tuple[Box, int, Power]] = []

    def boxes(self) -> tuple[list[Box], bool]:
        """Return all boxes above the threshold, strongest emitters first, and whether the search stopped early.

        `x` is blanked during the search and restored before this returns.
        """
        regions = slices(self._region.first, self._region.stop, COLUMNS_PER_TASK)
        complete = False
        for _ in range(MOST_PASSES):
            above_threshold = np.zeros(self._x.shape[1], np.uint8)
            before = len(self._blanked)
            self._take(self._seeds(regions, above_threshold))
            if len(self._blanked) >= MOST_BOXES:
                break
            if len(self._blanked) == before:
                complete = True
                break
            regions = self._around(above_threshold)
        if self._chirps and complete:
            self._take_chirps(self._chirps)
        boxes = [box for box, _, _ in self._blanked]
        self._restore()
        return boxes, not complete

    def _around(self, above_threshold: Flags) -> list[tuple[int, int]]:
        reach = self._trials[-1].width
        first, stop = self._region.first, self._region.stop
        wide = [
            (max(first, low - reach), min(stop, high + reach)) for low, high in runs(above_threshold, gap=2 * reach)
        ]
        return [piece for low, high in wide for piece in slices(low, high, COLUMNS_PER_TASK)]

    def _seeds(self, regions: list[tuple[int, int]], above_threshold: Flags) -> list[Seed]:
        found = self._coarse_search.seeds(self._x, regions, above_threshold, self._pool)
        return sorted(found, key=lambda seed: seed.order)

    def _take(self, seeds: list[Seed]) -> None:
        """Refine the seeds that still exceed the threshold, strongest first, and blank each box found.

        What is left of a seed beside the blanked tracks decides its turn. Seeds of a lower class of strength than the
        first box wait for the next pass: its coarse search finds them without the crossings of what is blanked.
        """
        waiting, least = [(*seed.order, seed.steps_reach) for seed in seeds], self._seed_threshold
        heapify(waiting)
        while waiting and len(self._blanked) < MOST_BOXES:
            value, column, steps, width, reach = heappop(waiting)
            place = Place(min(column, self._region.stop - 1), steps, width)
            left = float(box_statistic(self._x, *place))
            if left < least:
                continue
            if left < KEPT_SHARE * -value and waiting and -left > waiting[0][0]:
                heappush(waiting, (-left, column, steps, width, reach))
                continue
            box, statistic = self._refined(place, reach)
            if box.snr >= self._threshold:
                least = max(least, self._class_of(left))
                self._blank(self._bent(box, statistic))

    def _refined(self, place: Place, reach_steps: int) -> tuple[Box, float]:
        """Return the best box near a place, and its statistic."""
        statistic, column, steps, width = refine(self._x, place, reach_steps, self._limits)
        snr = self._matched_snr(column, steps, width) if self._matched_snr is not None else statistic
        return Box(int(column), int(steps), int(width), float(snr)), float(statistic)

    def _class_of(self, value: float) -> float:
        """Return the least value of the class of strength; classes are alike however the observation is cut."""
        powers = math.floor(math.log(value / self._seed_threshold, CLASS_RATIO))
        return float(self._seed_threshold * CLASS_RATIO**powers)

    def _take_chirps(self, chirps: ChirpSearch) -> None:
        """Extend the seeds of each half of the observation to parabolas, and take those above the threshold."""
        regions = slices(self._region.first, self._region.stop, COLUMNS_PER_TASK)
        for seed, span in chirps.seeds(self._x, regions, self._pool):
            if len(self._blanked) >= MOST_BOXES:
                return
            if box_statistic(self._x[span[0] : span[1] + 1], seed.column, seed.steps, seed.width) < seed.value / 2:
                continue  # blanked since
            curve_statistic, curve = extended(self._x, seed, span, self._limits)
            # The straight line of least squares lies two thirds of the bend from the chord.
            near = Place(curve.column + round(curve.bend / 3), curve.steps, curve.width)
            statistic, column, steps, width = refine(self._x, near, curve.width + 1, self._limits)
            snr = self._matched_snr(column, steps, width) if self._matched_snr is not None else statistic
            # What weights and lost samples do to the SNR of the line they do to that of the curve.
            curve_snr = curve_statistic * (snr / statistic if statistic > 0 else 1.0)
            if curve_snr >= self._threshold:
                self._blank(Box(int(column), int(steps), int(width), float(snr), curve, float(curve_snr)))

    def _bent(self, box: Box, statistic: float) -> Box:
        """Return the box, whose statistic is given, with a parabola if one fits clearly better."""
        # At the end of the range the drift may be beyond it, and a parabola would only be nearer to it.
        if len(self._x) < FEWEST_SPECTRA or abs(box.steps) >= self._limits.max_steps:
            return box
        curved, track = bend_track(self._x, box.track, statistic + CURVE_SIGMA, MOST_BEND, self._limits)
        bandwidth = bandwidth_channels(track.width, track.steps, len(self._x))
        if abs(track.bend) / 2 < CURVE_ERRORS * bend_error(curved, track.width, bandwidth, len(self._x)):
            return box
        return replace(box, curve=Track(*map(int, track)), curve_snr=float(box.snr * curved / statistic))

    def _blank(self, box: Box) -> None:
        track = box.track
        bandwidth = bandwidth_channels(track.width, track.steps, len(self._x))
        margin = max(
            leakage_channels(box.best_snr, track.width, self._threshold),
            flank_channels(box.best_snr, bandwidth, self._threshold),
        )
        # At the ends of the array there may be fewer columns than the wings need.
        left = track.column + min(track.steps, 0) - abs(track.bend)
        right = self._x.shape[1] - track.column - max(track.steps, 0) - track.width - abs(track.bend)
        margin = max(0, min(margin, left, right))
        kept = np.empty((len(self._x), track.width + 2 * margin), np.float32)
        blank_track(self._x, track, margin, kept)
        self._blanked.append((box, margin, kept))

    def _restore(self) -> None:
        for box, margin, kept in reversed(self._blanked):
            restore_track(self._x, box.track, margin, kept)
        self._blanked.clear()
