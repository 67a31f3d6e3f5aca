"""From normalised power to one box per emitter.

A bright tone also lifts every path that crosses its track, and may hide a fainter one beside it. So the strongest seed
of the coarse search is refined first and its track set to zero, which removes the crossings as well. Where the coarse
search was above the threshold it runs again, until it finds nothing new.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from services.dedoppler.kernels.refine import Limits, Place, blank_track, box_statistic, refine, restore_track
from services.dedoppler.search.coarse_search import CoarseSearch, Seed, seed_threshold
from services.dedoppler.search.leakage import flank_channels, leakage_channels
from services.dedoppler.search.many_spectra import ManySpectraSearch
from services.dedoppler.search.matched_snr import MatchedSnr
from services.dedoppler.search.width_trials import WidthTrial, widest_box
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Power

# Small enough for a piece to stay in the cache during all width trials.
COLUMNS_PER_TASK = 2**15
# With more spectra, paths that share lines cost less than exact ones with an upper bound.
FEW_SPECTRA = 256
MOST_PASSES = 12
MOST_BOXES = 10_000


@dataclass(frozen=True)
class Box:
    """The best box of one emitter: its first column in the first spectrum, its drift steps, width and SNR."""

    column: int
    steps: int
    width: int
    snr: float


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
        """
        self._x = x
        self._matched_snr = matched_snr
        self._region = region
        self._trials = trials
        self._threshold = snr_threshold
        self._pool = pool
        max_steps = max(int(trial.steps[-1]) for trial in trials)
        self._limits = Limits(region.first, region.stop, max_steps, widest_box(trials))
        kind = CoarseSearch if len(x) <= FEW_SPECTRA else ManySpectraSearch
        self._coarse_search = kind(trials, len(x), seed_threshold(snr_threshold))
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
            snr, column, steps, width = refine(self._x, place, seed.steps_reach, self._limits)
            if self._matched_snr is not None:
                snr = self._matched_snr(column, steps, width)
            if snr < self._threshold:
                continue
            self._blank(Box(int(column), int(steps), int(width), float(snr)))
            if len(self._blanked) >= MOST_BOXES:
                return

    def _blank(self, box: Box) -> None:
        bandwidth = box.width - abs(box.steps) / (len(self._x) - 1)
        margin = max(
            leakage_channels(box.snr, box.width, self._threshold), flank_channels(box.snr, bandwidth, self._threshold)
        )
        # At the ends of the array there may be fewer columns than the wings need.
        left = box.column + min(box.steps, 0)
        right = self._x.shape[1] - box.column - max(box.steps, 0) - box.width
        margin = max(0, min(margin, left, right))
        kept = np.empty((len(self._x), box.width + 2 * margin), np.float32)
        blank_track(self._x, box.column, box.steps, box.width, margin, kept)
        self._blanked.append((box, margin, kept))

    def _restore(self) -> None:
        for box, margin, kept in reversed(self._blanked):
            restore_track(self._x, box.column, box.steps, margin, kept)
        self._blanked.clear()
