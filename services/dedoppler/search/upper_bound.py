"""The plan of the 16-bit upper bound: how power is quantised, and which drifts are bounded together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from services.dedoppler.search.width_trials import WidthTrial

INT16_MAX = 2**15 - 1
# A box above this is no noise; the bound rules out nothing in a tile with such a box.
BOUND_BOX_SIGMA = 10.0
# Noise must stay this far below the threshold on average, so that few tiles of 2048 starts are flagged.
BOUND_MARGIN_SIGMA = 3.6
# A wider group saves nothing more once its largest box is this far above the mean.
BOUND_MOST_LIFT = 1.3


@dataclass(frozen=True)
class Quantisation:
    """How columns (sums over one stride) are rounded to 16-bit integers, called quanta.

    Attributes
    ----------
    quanta_per_sigma : float
        Quanta per sigma of one channel.
    lowest, highest : int
        Columns are clipped to these, in quanta.
    largest_box : int
        A box of so many quanta flags all drifts of its tile.
    """

    quanta_per_sigma: float
    lowest: int
    highest: int
    largest_box: int


def quantisation(trials: Sequence[WidthTrial], n_spectra: int) -> Quantisation:
    """Choose the quantisation of width trials that have one stride.

    T boxes of up to `largest_box` add up within int16; `largest_box` is `BOUND_BOX_SIGMA` of the widest trial's boxes.
    In any trial, a box with a column clipped at `highest` has at least `largest_box` quanta, because no other column is
    below `lowest`; so a tile with such a box is flagged.
    """
    stride, per_box = trials[0].stride, max(trial.width // trial.stride for trial in trials)
    highest = INT16_MAX // per_box
    largest_box = min(INT16_MAX // n_spectra, highest // 2)
    lowest = -((highest - largest_box) // (per_box - 1)) if per_box > 1 else -INT16_MAX
    return Quantisation(largest_box / (BOUND_BOX_SIGMA * math.sqrt(per_box * stride)), lowest, highest, largest_box)


@dataclass(frozen=True)
class BoundPlan:
    """How a trial's paths are bounded: drifts within `span` steps together, by sums of at least `limit` quanta."""

    span: int
    limit: int


def plan_bound(trial: WidthTrial, quanta: Quantisation, n_spectra: int, snr_threshold: float) -> BoundPlan | None:
    """Plan the widest groups of drifts whose bound noise seldom lifts above the threshold.

    Each of the samples of a path is off by half a quantum at most, and the coarse search's float32 sums by far less
    than a thousandth per sample. A group's windows are span / 2 channels longer than a box on average over the spectra,
    and the mean of the largest box in one is about that of the largest of n = 1 + 1.5 (span / 2) / width normal
    deviates, which is the quantile of (n - 0.375) / (n + 0.25); Blom 1958, Statistical Estimates and Transformed
    Beta-Variables.

    Parameters
    ----------
    trial : WidthTrial
        The trial.
    quanta : Quantisation
        Of the trials with the same stride.
    n_spectra : int
        T.
    snr_threshold : float
        Threshold of the coarse search.

    Returns
    -------
    BoundPlan or None
        None if the bound saves nothing.
    """
    if not quanta.largest_box:
        return None
    samples = n_spectra * trial.width // trial.stride
    sigma = quanta.quanta_per_sigma * math.sqrt(n_spectra * trial.width)
    limit = math.floor(snr_threshold * sigma - 0.501 * samples) - 1
    lift = (limit / sigma - BOUND_MARGIN_SIGMA) / math.sqrt(n_spectra)
    probability = NormalDist().cdf(min(lift, BOUND_MOST_LIFT))
    deviates = (0.375 + 0.25 * probability) / (1 - probability)
    span = int((deviates - 1) / 0.75 * trial.width)
    # Where no two drifts form a group, the bound costs as much as it saves.
    return BoundPlan(span, limit) if span >= np.diff(trial.steps).min(initial=span + 1) else None
