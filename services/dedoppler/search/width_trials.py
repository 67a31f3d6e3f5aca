"""Which box widths are tried along which drifts.

Channels count from the file's first; drift steps say how far a path moves from the first spectrum to the last.
"""

from dataclasses import dataclass

import numpy as np

from shared.arrays import Indices

# No box is wider than the larger of this and twice the widest trial.
WIDEST_BOX = 256


@dataclass(frozen=True)
class WidthTrial:
    """Boxes of `width` channels every `stride` channels, tried along paths of each of the drift steps `steps`."""

    width: int
    stride: int
    steps: Indices


@dataclass(frozen=True)
class TrialDensity:
    """How densely widths, starts and drifts are tried.

    Attributes
    ----------
    mantissas : tuple of int
        An octave of widths has these times a power of two (above the first few widths).
    strides_per_box : int
        Starts are at most this fraction of a width apart.
    drifts_per_width : int
        Drifts are this fraction of a width apart.
    """

    mantissas: tuple[int, ...] = (4, 6)
    strides_per_box: int = 6
    drifts_per_width: int = 2

    def widths(self) -> list[int]:
        """Return 1, 2, 3, then the octaves: 4, 6, 8, 12, ..."""
        return [1, 2, 3, *(mantissa << octave for octave in range(18) for mantissa in self.mantissas)]

    def stride(self, width: int) -> int:
        """Return the largest power of two that is small enough and divides the width.

        A power of two, because sums over a stride are made by adding halves.
        """
        stride = 1
        while 2 * stride * self.strides_per_box <= width and width % (2 * stride) == 0:
            stride *= 2
        return stride

    def drift_step(self, width: int) -> int:
        """Return the difference between the drift steps of neighbouring paths."""
        return 1 if width < 4 else max(1, width // self.drifts_per_width)


# Keeps 0.96 of a tone's SNR on average and 0.89 at least; finer densities cost more than they give: see
# `science.measure.width_trial_tradeoff`.
WIDTH_TRIALS = TrialDensity()


def plan_width_trials(n_spectra: int, max_steps: int, density: TrialDensity = WIDTH_TRIALS) -> tuple[WidthTrial, ...]:
    """Plan the width trials for every drift from -max_steps to max_steps, zero and both ends included.

    A tone that moves by `r = |steps| / (T - 1)` channels per spectrum is smeared over about `r + 1` of them, so each
    part of an octave of `r` has boxes of about that width, at a drift step of half of it. Single channels and pairs
    are tried along all slow drifts: a tone between two channels needs both.

    Parameters
    ----------
    n_spectra : int
        T, at least 2.
    max_steps : int
        Largest drift steps, in either direction.
    density : TrialDensity
        How densely to try.

    Returns
    -------
    tuple of WidthTrial
        In order of width.
    """
    widths, moves = density.widths(), n_spectra - 1
    trials = [_trial(density, 1, 0, min(moves, max_steps)), _trial(density, 2, 0, min(2 * moves, max_steps))]
    for width, (below, above) in zip(widths[2:], zip(widths[1:], widths[3:], strict=False), strict=False):
        # From the middle between the next smaller width and this one to the middle between this one and the next.
        low, high = ((below + width - 1) * moves) // 2, ((width + above - 1) * moves) // 2
        if low >= max_steps:
            break
        trials.append(_trial(density, width, low + 1, min(high, max_steps)))
    return tuple(trials)


def _trial(density: TrialDensity, width: int, low: int, high: int) -> WidthTrial:
    steps = np.arange(low, high + 1, density.drift_step(width))
    steps = np.append(steps, high)
    return WidthTrial(width, density.stride(width), np.unique(np.concatenate([-steps, steps])).astype(np.int64))


def widest_box(trials: tuple[WidthTrial, ...]) -> int:
    """Return the width of the widest box that refinement tries, channels."""
    return max(WIDEST_BOX, 2 * max(trial.width for trial in trials))
