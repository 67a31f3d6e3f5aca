"""Which box widths are tried along which drifts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
# A tone found by the ladder keeps at least this part of the statistic that refinement then finds.
LADDER_EFFICIENCY = 0.8
# No box is wider than the larger of this and twice the widest rung.
WIDEST_BOX = 256


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: boxes of `width` channels every `hop` channels, along paths of each of `steps`."""

    width: int
    hop: int
    steps: Indices


@dataclass(frozen=True)
class LadderShape:
    """How finely the ladder is made.

    An octave of widths has the `mantissas` times a power of two (above the first few widths). Starts are at most a
    `hops_per_box`th of a width apart, drifts a `drifts_per_width`th.
    """

    mantissas: tuple[int, ...] = (4, 6)
    hops_per_box: int = 6
    drifts_per_width: int = 2

    def widths(self) -> list[int]:
        """1, 2, 3, then the octaves: 4, 6, 8, 12, ..."""
        return [1, 2, 3, *(mantissa << octave for octave in range(18) for mantissa in self.mantissas)]

    def hop(self, width: int) -> int:
        """The largest power of two that is small enough and divides the width: sums of it are made by halving."""
        hop = 1
        while 2 * hop * self.hops_per_box <= width and width % (2 * hop) == 0:
            hop *= 2
        return hop

    def drift_step(self, width: int) -> int:
        """Steps between the drifts of a rung."""
        return 1 if width < 4 else max(1, width // self.drifts_per_width)


# Keeps 0.96 of a tone on average and 0.89 at least; finer shapes cost more than they give: see
# `science.measure.ladder_tradeoff`.
LADDER = LadderShape()


def plan_rungs(n_spectra: int, max_steps: int, shape: LadderShape = LADDER) -> tuple[Rung, ...]:
    """The ladder over every drift from -max_steps to max_steps, zero and both ends included.

    A tone that moves by `r = |steps| / (T - 1)` channels per spectrum is smeared over about `r + 1` of them, so each
    part of an octave of `r` has boxes of about that width, at a drift step of half of it. Single channels and pairs
    are searched over all slow drifts: a tone between two channels needs both.
    """
    widths, moves = shape.widths(), n_spectra - 1
    rungs = [_rung(shape, 1, 0, min(moves, max_steps)), _rung(shape, 2, 0, min(2 * moves, max_steps))]
    for width, (below, above) in zip(widths[2:], zip(widths[1:], widths[3:], strict=False), strict=False):
        # Between the middle of this width and the one below, and that of this and the one above.
        low, high = ((below + width - 1) * moves) // 2, ((width + above - 1) * moves) // 2
        if low >= max_steps:
            break
        rungs.append(_rung(shape, width, low + 1, min(high, max_steps)))
    return tuple(rungs)


def _rung(shape: LadderShape, width: int, low: int, high: int) -> Rung:
    steps = np.arange(low, high + 1, shape.drift_step(width))
    steps = np.append(steps, high)
    return Rung(width, shape.hop(width), np.unique(np.concatenate([-steps, steps])).astype(np.int64))


def widest_box(rungs: tuple[Rung, ...]) -> int:
    """Channels of the widest box that refinement tries."""
    return max(WIDEST_BOX, 2 * max(rung.width for rung in rungs))


def seed_threshold(snr_threshold: float) -> float:
    """What the ladder must see of a signal that may prove to be above the threshold."""
    return LADDER_EFFICIENCY * snr_threshold
