"""What all rungs of the ladder see in some columns: the screen says where to look, the rungs look there."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels.pair_sums import pair_sums
from services.dedoppler.kernels.upper_bound import drift_groups, quantised, suspects
from services.dedoppler.kernels.width_trial import TILE_STARTS, halved, search_rung
from services.dedoppler.search.upper_bound import Quantisation, plan_screen, quantisation
from services.dedoppler.search.width_trials import Rung, widest_box

Power = npt.NDArray[np.float32]
Quanta = npt.NDArray[np.int16]
Flags = npt.NDArray[np.uint8]

# Starts that the screen looks at together: more would cost less for its loops, and leave more suspects.
SCREEN_STARTS = 2 * TILE_STARTS


@dataclass(frozen=True)
class Seed:
    """A place where a rung's statistic is above the threshold and largest, and how far off its steps may be."""

    value: float
    column: int
    steps: int
    width: int
    steps_reach: int

    @property
    def order(self) -> tuple[float, int, int, int]:
        """The strongest come first."""
        return -self.value, self.column, self.steps, self.width


class _RungWork:
    """What the search of one rung needs, whatever the columns."""

    def __init__(self, rung: Rung, quanta: Quantisation, n_spectra: int, threshold: float) -> None:
        self.rung = rung
        self.per_box = rung.width // rung.hop
        self.largest_box = quanta.largest_box
        self.pairs, self.paths = pair_sums(rung.steps, n_spectra, rung.hop)
        self.screen = plan_screen(rung, quanta, n_spectra, threshold)
        self.groups = drift_groups(rung.steps, n_spectra, rung.hop, self.screen.span if self.screen else 0)

    def suspects(self, quanta: Quanta, first: int, n_starts: int) -> Flags:
        """Which drifts may exceed the threshold, for each `SCREEN_STARTS` starts; all, if the screen is of no use."""
        if self.screen is None:
            return np.ones((-(-n_starts // SCREEN_STARTS), len(self.rung.steps)), np.uint8)
        return suspects(
            quanta, first, n_starts, SCREEN_STARTS, self.per_box, *self.groups, self.largest_box, self.screen.limit
        )


class Climb:
    """The rungs of one ladder, for spectra of one number and one threshold."""

    def __init__(self, rungs: tuple[Rung, ...], n_spectra: int, threshold: float) -> None:
        self._threshold = threshold
        self._widest = widest_box(rungs)
        self._max_steps = max(int(rung.steps[-1]) for rung in rungs)
        # Sums of wider hops are made of those of narrower ones.
        self._hops: list[tuple[int, Quantisation, list[_RungWork]]] = []
        for hop, group in groupby(sorted(rungs, key=lambda rung: rung.hop), key=lambda rung: rung.hop):
            of_hop = list(group)
            quanta = quantisation(of_hop, n_spectra)
            self._hops.append((hop, quanta, [_RungWork(rung, quanta, n_spectra, threshold) for rung in of_hop]))
        screens = [work.screen for _, _, works in self._hops for work in works if work.screen]
        self._widest_span = max((screen.span for screen in screens), default=0)

    def seeds(self, x: Power, low: int, high: int, hot: Flags) -> list[Seed]:
        """Local maxima of boxes that start in columns [low, high); `hot` begins there and is set where any is above.

        `x` is float32 (T, columns) of mean 0 and sigma 1, with zeros as far beyond these columns as any box may reach.
        """
        # Whole hops of every rung, and room for the steepest path.
        widest_hop = self._hops[-1][0]
        margin = (self._max_steps // widest_hop + 2) * widest_hop
        columns = high - low + margin + self._widest + 2 * widest_hop
        sums, first, hop, found = x, low, 1, []
        for next_hop, quanta, work in self._hops:
            while hop < next_hop:
                begin = first - margin // hop
                stop = first + columns // hop
                sums, first, hop = halved(sums, begin, (stop - begin) // 2), margin // (2 * hop), 2 * hop
            near = margin // hop
            rounded = quantised(
                sums,
                first - near,
                near + (columns + self._widest_span) // hop,
                np.float32(quanta.quanta_per_sigma),
                np.float32(quanta.lowest),
                np.float32(quanta.highest),
            )
            for one in work:
                found += self._look(one, sums, first, rounded, near, low, -(-(high - low) // hop), hot)
        return found

    def _look(
        self,
        work: _RungWork,
        sums: Power,
        first: int,
        rounded: Quanta,
        first_rounded: int,
        low: int,
        n_starts: int,
        hot: Flags,
    ) -> list[Seed]:
        rung = work.rung
        suspect = work.suspects(rounded, first_rounded, n_starts)
        if not suspect.any():
            return []
        starts, steps, values = search_rung(
            sums,
            first,
            n_starts,
            work.per_box,
            rung.hop,
            rung.steps,
            work.pairs,
            work.paths,
            self._threshold,
            suspect,
            SCREEN_STARTS,
            hot,
        )
        return [
            Seed(float(value), low + int(start) * rung.hop, int(n), rung.width, rung.width + 1)
            for start, n, value in zip(starts, steps, values, strict=True)
        ]
