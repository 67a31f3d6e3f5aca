"""From normalised power to one box per emitter.

A bright tone also lifts every path that crosses its track, and may hide a fainter one beside it. So the strongest seed
of the coarse search is refined first and its track set to zero, which removes the crossings as well. Where the coarse
search was above the threshold it runs again, until it finds nothing new.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, replace

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
from services.dedoppler.threads import together
from services.dedoppler.uncertainties import bandwidth_channels, bend_error
from shared.arrays import Flags, Power

# Small enough for a piece to stay in the cache during all width trials.
COLUMNS_PER_TASK = 2**15
MOST_PASSES = 12
MOST_BOXES = 10_000
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
        self._coarse_search = coarse_search_of(trials, len(x), seed_threshold(snr_threshold))
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
        found = together(
            self._pool,
            lambda low, high: self._coarse_search.seeds(self._x, low, high, above_threshold[low:]),
            regions,
        )
        return sorted((seed for seeds in found for seed in seeds), key=lambda seed: seed.order)

    def _take(self, seeds: list[Seed]) -> None:
        """Refine the seeds that still exceed the threshold, strongest first, and blank each box found."""
        threshold = seed_threshold(self._threshold)
        for seed in seeds:
            place = Place(min(seed.column, self._region.stop - 1), seed.steps, seed.width)
            if box_statistic(self._x, *place) < threshold:
                continue
            statistic, column, steps, width = refine(self._x, place, seed.steps_reach, self._limits)
            snr = self._matched_snr(column, steps, width) if self._matched_snr is not None else statistic
            if snr < self._threshold:
                continue
            self._blank(self._bent(Box(int(column), int(steps), int(width), float(snr)), float(statistic)))
            if len(self._blanked) >= MOST_BOXES:
                return

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
