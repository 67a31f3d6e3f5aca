"""The plan of the 16-bit upper bound: how power is quantised, and which drifts are bounded together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from services.dedoppler.search.width_trials import Rung

INT16_MAX = 2**15 - 1
# Above that a box is no noise, and where one is the screen does not look.
SCREEN_BOX_SIGMA = 10.0
# How far below the threshold noise must stay on average, so that few tiles of 2048 starts hold a suspect.
SCREEN_MARGIN_SIGMA = 3.6
# Beyond that a wider group saves nothing any more.
SCREEN_MOST_LIFT = 1.3


@dataclass(frozen=True)
class Quantisation:
    """How the columns of one hop (sums of its channels) are rounded to 16-bit integers, quanta, for the screen.

    Quanta per sigma of one channel, where columns are cut off, and the box that makes a tile suspect, all in quanta.
    """

    quanta_per_sigma: float
    lowest: int
    highest: int
    largest_box: int


def quantisation(rungs: Sequence[Rung], n_spectra: int) -> Quantisation:
    """That of rungs of one hop.

    T boxes of up to `largest_box` add up within int16, and that is `SCREEN_BOX_SIGMA` of the widest rung's boxes. A box
    of any rung that holds a column cut off at `highest` has at least as many quanta, as no other column is below
    `lowest`; so a tile that holds such a box is suspect.
    """
    hop, per_box = rungs[0].hop, max(rung.width // rung.hop for rung in rungs)
    highest = INT16_MAX // per_box
    largest_box = min(INT16_MAX // n_spectra, highest // 2)
    lowest = -((highest - largest_box) // (per_box - 1)) if per_box > 1 else -INT16_MAX
    return Quantisation(largest_box / (SCREEN_BOX_SIGMA * math.sqrt(per_box * hop)), lowest, highest, largest_box)


@dataclass(frozen=True)
class Screen:
    """How a rung's paths are bounded: drifts within `span` steps together, by sums of at least `limit` quanta."""

    span: int
    limit: int


def plan_screen(rung: Rung, quanta: Quantisation, n_spectra: int, snr_threshold: float) -> Screen | None:
    """The widest groups of drifts whose bound noise seldom lifts above the threshold; None if there are none.

    Each of the samples of a path is off by half a quantum at most, and the ladder's own float32 sums by far less than a
    thousandth per sample. A group's windows are span / 2 channels longer than a box on average over the spectra, and
    the mean of the largest box in one is about that of the largest of n = 1 + 1.5 (span / 2) / width normal deviates,
    which is the quantile of (n - 0.375) / (n + 0.25); Blom 1958, Statistical Estimates and Transformed Beta-Variables.
    """
    if not quanta.largest_box:
        return None
    samples = n_spectra * rung.width // rung.hop
    sigma = quanta.quanta_per_sigma * math.sqrt(n_spectra * rung.width)
    limit = math.floor(snr_threshold * sigma - 0.501 * samples) - 1
    room = (limit / sigma - SCREEN_MARGIN_SIGMA) / math.sqrt(n_spectra)
    probability = NormalDist().cdf(min(room, SCREEN_MOST_LIFT))
    deviates = (0.375 + 0.25 * probability) / (1 - probability)
    span = int((deviates - 1) / 0.75 * rung.width)
    # Where no two drifts go together, the bound costs as much as what it saves.
    return Screen(span, limit) if span >= np.diff(rung.steps).min(initial=span + 1) else None
