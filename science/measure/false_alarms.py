"""The number of hits in noise alone: an estimate from above, and counts in simulated observations.

`importance` predicts the number.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np
from scipy.special import gammaincc, ndtr

from science.measure.search import search
from science.simulator import Scene, simulate
from services.dedoppler.search.width_trials import plan_width_trials
from shared.header import Header


def exceedance(snr: np.ndarray | float, width: np.ndarray | int, n_spectra: int, averaged_spectra: float) -> np.ndarray:
    """Return the probability that the statistic of one box exceeds `snr`.

    Detected power is a gamma variable whose shape is the number of averaged spectra, and so is the sum over the box,
    with the shape of all its samples together.
    """
    shape = averaged_spectra * n_spectra * width
    chance: np.ndarray = gammaincc(shape, shape + np.asarray(snr) * np.sqrt(shape))
    return chance


def last_of_its_clump(x: np.ndarray | float) -> np.ndarray:
    """Return the share of the boxes above a level that no later box of their row exceeds: x^2 nu(x) / 2.

    `x` is the level times the standard deviation of the statistic's change from one box to the next; nu is Siegmund's
    correction for discrete steps in the approximation of Siegmund and Yakir (2007, The Statistics of Gene Mapping).
    It is 1 where neighbours are independent and falls with x^2 / 2 where they are nearly the same.
    """
    x = np.asarray(x, float)
    density = np.exp(-(x**2) / 8) / math.sqrt(2 * math.pi)
    share: np.ndarray = x * (ndtr(x / 2) - 0.5) / (x / 2 * ndtr(x / 2) + density)
    return share


@functools.cache
def seen_steps(n_spectra: int, max_steps: int) -> np.ndarray:
    """Return where the search finds a chance box: bool (widths from 0 channels on, steps -max_steps to max_steps).

    Width trials find a box that is up to twice as wide or half as wide as theirs.
    """
    trials = plan_width_trials(n_spectra, max_steps)
    widest = 2 * max(trial.width for trial in trials)
    slowness, widths = np.abs(np.arange(-max_steps, max_steps + 1)), np.arange(widest + 1)
    seen = np.zeros((widest + 1, 2 * max_steps + 1), bool)
    for trial in trials:
        near = (trial.width <= 2 * widths) & (widths <= 2 * trial.width)
        seen |= np.outer(near, (np.abs(trial.steps).min() <= slowness) & (slowness <= trial.steps.max()))
    return seen


def most_false_hits(
    snr: float, n_channels: int, n_spectra: int = 16, max_steps: int = 391, averaged_spectra: float = 51.0
) -> float:
    """Estimate the hits above `snr` in noise alone, from above: 1.1 to 2 times the prediction of `importance`.

    A box above the level comes in a clump of its neighbours, which make one hit. By the Poisson clumping heuristic
    (Aldous 1989) the clumps number as many as the boxes that are the last of theirs in each direction. Three changes
    of a box are treated as independent: one channel more or less at its left edge, the same at its right edge (each
    changes T of its T * width samples), and one step more or less (it moves half of the spectra, at both edges). Each
    changes the statistic by a standard deviation of 1 / sqrt(width). So

        channels * sum over widths of steps(width) * last(snr / sqrt(width))^3 * P(width, snr)

    where P is the tail of the gamma distribution. It is too high since changes of the steps are not independent of
    those of the edges, and clumps close to each other make one hit.
    """
    seen = seen_steps(n_spectra, max_steps).sum(axis=1)
    total = 0.0
    for width in range(1, len(seen)):
        clumps = last_of_its_clump(snr / math.sqrt(width)) ** 3
        total += seen[width] * float(clumps * exceedance(snr, width, n_spectra, averaged_spectra))
    return n_channels * total


def threshold_for(expected: float, n_channels: int, **grid: Any) -> float:
    """Return the SNR above which at most `expected` false hits are expected, to 0.01."""
    low, high = 4.0, 40.0
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if most_false_hits(middle, n_channels, **grid) > expected else (low, middle)
    return high


def counted(header: Header, seeds: Iterable[int], snr_threshold: float, pool: Executor) -> Iterator[np.ndarray]:
    """Yield the SNRs of the hits in each simulated observation of noise alone, one per seed."""
    for seed in seeds:
        power = simulate(Scene(header, seed=seed))
        yield search(power, header, pool, snr_threshold=snr_threshold).hits["snr"]
