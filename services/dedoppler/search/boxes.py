"""From normalised power to one box per emitter: the ladder sees, refinement measures, what was found is blanked.

A bright tone also lifts every path that crosses its track, and may hide a fainter one beside it. So the strongest place
is refined first and its track set to zero, which takes its crossings away; where the ladder was above the threshold it
looks again, until nothing new is found.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels.refine import blank_track, box_statistic, refine, restore_track
from services.dedoppler.search.coarse_search import Climb, Seed
from services.dedoppler.search.leakage import leakage_channels
from services.dedoppler.search.width_trials import Rung, seed_threshold, widest_box
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together

Power = npt.NDArray[np.float32]

# Small enough that a piece stays in the cache while all rungs go over it.
COLUMNS_PER_TASK = 2**15
MOST_PASSES = 12
MOST_BOXES = 10_000


@dataclass(frozen=True)
class Box:
    """The best box of one emitter: its first column in the first spectrum, the steps of its path, its width."""

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

    def __init__(self, x: Power, region: Region, rungs: tuple[Rung, ...], snr_threshold: float, pool: Executor) -> None:
        """`x` is float32 (T, columns) of mean 0 and sigma 1, with zeros as far beyond `region` as any box may reach."""
        self._x = x
        self._region = region
        self._rungs = rungs
        self._threshold = snr_threshold
        self._pool = pool
        self._widest = widest_box(rungs)
        self._max_steps = max(int(rung.steps[-1]) for rung in rungs)
        self._climb = Climb(rungs, len(x), seed_threshold(snr_threshold))
        self._blanked: list[tuple[Box, int, Power]] = []

    def boxes(self) -> tuple[list[Box], bool]:
        """All boxes above the threshold, strongest emitters first, and whether the search ended before it was done.

        `x` is blanked on the way, and as it was when this returns.
        """
        regions = slices(self._region.first, self._region.stop, COLUMNS_PER_TASK)
        complete = False
        for _ in range(MOST_PASSES):
            hot = np.zeros(self._x.shape[1], np.uint8)
            before = len(self._blanked)
            self._take(self._seeds(regions, hot))
            if len(self._blanked) >= MOST_BOXES:
                break
            if len(self._blanked) == before:
                complete = True
                break
            regions = self._around(hot)
        boxes = [box for box, _, _ in self._blanked]
        self._restore()
        return boxes, not complete

    def _around(self, hot: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
        reach = self._rungs[-1].width
        first, stop = self._region.first, self._region.stop
        wide = [(max(first, low - reach), min(stop, high + reach)) for low, high in runs(hot, gap=2 * reach)]
        return [piece for low, high in wide for piece in slices(low, high, COLUMNS_PER_TASK)]

    def _seeds(self, regions: list[tuple[int, int]], hot: npt.NDArray[np.uint8]) -> list[Seed]:
        found = together(self._pool, lambda low, high: self._climb.seeds(self._x, low, high, hot[low:]), regions)
        return sorted((seed for seeds in found for seed in seeds), key=lambda seed: seed.order)

    def _take(self, seeds: list[Seed]) -> None:
        """Refine the seeds that still stand out, from the strongest down, and blank what each turns out to be."""
        threshold = seed_threshold(self._threshold)
        for seed in seeds:
            column = min(seed.column, self._region.stop - 1)
            if box_statistic(self._x, column, seed.steps, seed.width) < threshold:
                continue
            snr, column, steps, width = refine(
                self._x,
                self._region.first,
                self._region.stop,
                column,
                seed.steps,
                seed.width,
                seed.steps_reach,
                self._max_steps,
                self._widest,
            )
            if snr < self._threshold:
                continue
            self._blank(Box(int(column), int(steps), int(width), float(snr)))
            if len(self._blanked) >= MOST_BOXES:
                return

    def _blank(self, box: Box) -> None:
        margin = leakage_channels(box.snr, box.width, self._threshold)
        # At the ends of the block there may be fewer columns than the wings would take.
        room = min(box.column + min(box.steps, 0), self._x.shape[1] - box.column - max(box.steps, 0) - box.width)
        margin = max(0, min(margin, room))
        kept = np.empty((len(self._x), box.width + 2 * margin), np.float32)
        blank_track(self._x, box.column, box.steps, box.width, margin, kept)
        self._blanked.append((box, margin, kept))

    def _restore(self) -> None:
        for box, margin, kept in reversed(self._blanked):
            restore_track(self._x, box.column, box.steps, margin, kept)
        self._blanked.clear()
