"""The coarse search for tones whose drift rate changes.

A parabola whose middle is `b` channels from its chord is only `b` / 4 from the chord of each half of the observation.
So each half is searched for straight paths, and what is found there is extended to a parabola over all spectra. A half
holds 1 / sqrt(2) of the SNR, so its threshold is lower.
"""

import math
from concurrent.futures import Executor

import numpy as np

from services.dedoppler.kernels.curves import Track, extend
from services.dedoppler.kernels.refine import Limits
from services.dedoppler.search.coarse_search import Seed, seed_threshold
from services.dedoppler.search.many_spectra import coarse_search_of
from services.dedoppler.search.width_trials import plan_width_trials
from shared.arrays import Power

# Half channels: the parabola's middle is at most 4 channels from its chord. Of more, a straight path in one half holds
# too little.
MOST_SEARCHED_BEND = 8
# Below this, noise would give so many seeds that they cost more than the search.
LOWEST_THRESHOLD = 5.5
# A half of fewer spectra has no slope to speak of.
FEWEST_SPECTRA = 8


class ChirpSearch:
    """The search of both halves of an observation."""

    def __init__(self, n_spectra: int, max_steps: int, snr_threshold: float) -> None:
        """Prepare the search.

        Parameters
        ----------
        n_spectra : int
            T of the whole observation, at least `FEWEST_SPECTRA`.
        max_steps : int
            Largest drift steps over the whole observation.
        snr_threshold : float
            Smallest SNR over the whole observation.
        """
        half = n_spectra // 2
        self._spans = ((0, half - 1), (n_spectra - half, n_spectra - 1))
        trials = plan_width_trials(half, math.ceil(max_steps * (half - 1) / (n_spectra - 1)))
        threshold = max(LOWEST_THRESHOLD, seed_threshold(snr_threshold) / math.sqrt(2))
        self._coarse_search = coarse_search_of(trials, half, threshold)

    def seeds(self, x: Power, regions: list[tuple[int, int]], pool: Executor) -> list[tuple[Seed, tuple[int, int]]]:
        """Return the seeds of both halves with their first and last spectrum, strongest first.

        Parameters
        ----------
        x : float32 (T, columns)
            Normalised power in which all straight tracks are blanked.
        regions : list of (int, int)
            Columns in which boxes start.
        pool : Executor
            Threads to work on.
        """
        above_threshold = np.zeros(x.shape[1], np.uint8)
        found = []
        for first, last in self._spans:
            part = x[first : last + 1]
            seeds = self._coarse_search.seeds(part, regions, above_threshold, pool)
            found += [(seed, (first, last)) for seed in seeds]
        return sorted(found, key=lambda item: (item[0].order, item[1]))


def extended(x: Power, seed: Seed, span: tuple[int, int], limits: Limits) -> tuple[float, Track]:
    """Return the statistic of the best parabola through a seed of some of the spectra, and the parabola."""
    part = Track(seed.column, seed.steps, seed.width)
    snr, track = extend(x, part, span, MOST_SEARCHED_BEND, limits)
    return float(snr), Track(*map(int, track))
