"""The number of hits in noise alone, by importance sampling, without fits and without waiting for rare hits.

Let N be how many boxes of a place lie above a level, and H how many hits the search reports there. Where there are
hits, H is the sum of H / N over these boxes, so the mean number of hits in noise is

    E[H] = sum over all boxes b of P(b above the level) * E[H / N, given that b is above the level]

The probability that a box is above the level is the tail of a gamma distribution. What remains is a mean that is not
small: boxes are drawn, each gets a sum from its tail, noise is made around it, searched as in a job, and all boxes of
the place are counted one by one. The search may miss boxes, merge them or measure the noise wrongly; H includes that.
The method is that of Naiman and Priebe (2001, J. Comput. Graph. Stat. 10, 296) for scan statistics.
"""

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import gammaincc, gammainccinv

from science.measure.false_alarms import exceedance, last_of_its_clump, seen_steps
from science.measure.search import search
from science.simulator import make_header
from services.dedoppler.kernels.pair_sums import path_offset
from shared.arrays import Floats
from shared.header import Header

# Enough blocks for the search to measure the noise as it does in a large file.
SCENE_CHANNELS = 2**14
# The search divides by the noise that it measured, so it may report a box below a threshold this far above it.
MARGIN_SNR = 0.25
# Wider boxes hardly differ from their neighbours and add less than 0.1 % to the hits.
WIDEST = 80
# Boxes that the search seldom finds are drawn less often than in proportion to their number, and weigh more.
UNSEEN = 0.1


@dataclass(frozen=True)
class Place:
    """The boxes around one box: starts, steps and widths in closed ranges."""

    starts: tuple[int, int]
    steps: tuple[int, int]
    widths: tuple[int, int]

    @classmethod
    def around(cls, start: int, steps: int, width: int, max_steps: int) -> "Place":
        """Return all boxes that are likely to be above a level because this one is."""
        reach = 3 * width + 20
        return cls(
            (start - reach, start + reach),
            (max(-max_steps, steps - reach), min(max_steps, steps + reach)),
            (max(1, width // 4), 4 * width + 8),
        )

    def holds(self, hits: np.ndarray) -> int:
        """Return the number of these hits that are in the place."""
        ranges = {"channel": self.starts, "steps": self.steps, "width": self.widths}
        inside = [(low <= hits[name]) & (hits[name] <= high) for name, (low, high) in ranges.items()]
        return int(np.all(inside, axis=0).sum())


@njit(nogil=True)
def boxes_above(
    x: Floats, level: float, starts: tuple[int, int], steps: tuple[int, int], widths: tuple[int, int]
) -> int:
    """Return how many boxes of a place have a statistic of `level` or more; `x` is float64 (T, columns), sigma 1."""
    n_spectra, above = x.shape[0], 0
    columns = starts[1] - starts[0] + widths[1] + 1
    prefix = np.zeros(columns + 1)
    for n in range(steps[0], steps[1] + 1):
        prefix[:] = 0.0
        for t in range(n_spectra):
            first = starts[0] + path_offset(n, t, n_spectra, 1)
            for i in range(columns):
                prefix[i + 1] += x[t, first + i]
        for i in range(columns):
            prefix[i + 1] += prefix[i]
        for width in range(widths[0], widths[1] + 1):
            least = level * math.sqrt(n_spectra * width)
            for i in range(starts[1] - starts[0] + 1):
                if prefix[i + width] - prefix[i] >= least:
                    above += 1
    return above


def noise_with_a_box(
    rng: np.random.Generator, header: Header, level: float, box: tuple[int, int, int], averaged: float
) -> np.ndarray:
    """Return noise, float32 (T, channels), in which the (start, steps, width) box has a statistic above `level`.

    Parts of a sum of gamma variables do not depend on the sum, so the sum is drawn from its tail and distributed over
    the box.
    """
    start, steps, width = box
    n_spectra = header.n_spectra
    shape = averaged * n_spectra * width
    total = gammainccinv(shape, rng.random() * gammaincc(shape, shape + level * math.sqrt(shape)))
    parts = rng.gamma(averaged, 1.0, (n_spectra, width))
    parts *= total / parts.sum()
    power = rng.gamma(averaged, 1.0, (n_spectra, header.n_channels)).astype(np.float32)
    for t in range(n_spectra):
        first = start + path_offset(steps, t, n_spectra, 1)
        power[t, first : first + width] = parts[t]
    return power


@dataclass(frozen=True)
class Grid:
    """Which noise is searched: the spectra, the largest drift rate, and the averaged samples of each sample."""

    n_spectra: int = 16
    max_drift_hz_s: float = 4.0
    averaged_spectra: float = 51.0


def sampled_hits_per_channel(
    snr: float, samples: int, seed: int, pool: Executor, grid: Grid = Grid()
) -> tuple[np.ndarray, np.ndarray]:
    """Return the width of each drawn box, and its estimate of the hits above `snr` per channel of noise alone.

    The mean of the estimates is the number of hits per channel. With 0 for all other widths, it is what boxes of some
    widths contribute.
    """
    header = make_header(SCENE_CHANNELS, grid.n_spectra)
    max_steps = header.max_drift_steps(grid.max_drift_hz_s)
    averaged = grid.averaged_spectra
    rng, level = np.random.default_rng(seed), snr - MARGIN_SNR
    chance, drawn = _boxes(level, grid.n_spectra, max_steps, averaged)
    widths, values = [], []
    for k in rng.choice(drawn.size, samples, p=drawn.ravel()):
        width, steps = int(k) // drawn.shape[1] + 1, int(k) % drawn.shape[1] - max_steps
        start = SCENE_CHANNELS // 2 + int(rng.integers(-2048, 2048))
        power = noise_with_a_box(rng, header, level, (start, steps, width), averaged)
        place = Place.around(start, steps, width, max_steps)
        hits = place.holds(search(power, header, pool, snr_threshold=snr, max_drift=grid.max_drift_hz_s).hits)
        share = 0.0
        if hits:
            x = (power.astype(np.float64) - averaged) / math.sqrt(averaged)
            # Rounding to float32 may have moved the box itself below the level.
            share = hits / boxes_above(x, level - 1e-4, place.starts, place.steps, place.widths)
        widths.append(width)
        values.append(share * chance[width - 1] / drawn.ravel()[k])
    return np.array(widths), np.array(values)


def sampled_false_hits(
    snr: float, n_channels: int, samples: int, seed: int, pool: Executor, grid: Grid = Grid()
) -> tuple[float, float]:
    """Return the expected number of hits above `snr` in noise alone, and its standard error."""
    _, per_channel = sampled_hits_per_channel(snr, samples, seed, pool, grid)
    return n_channels * float(per_channel.mean()), n_channels * float(per_channel.std() / math.sqrt(samples))


def _boxes(level: float, n_spectra: int, max_steps: int, averaged_spectra: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability that a box of each width is above the level, and that each (width, steps) is drawn."""
    widths = np.arange(1, WIDEST + 1)
    chance = exceedance(level, widths, n_spectra, averaged_spectra)
    seen = np.zeros((WIDEST, 2 * max_steps + 1), bool)
    of_trials = seen_steps(n_spectra, max_steps)[1 : WIDEST + 1]
    seen[: len(of_trials)] = of_trials
    clumps = chance * last_of_its_clump(level / np.sqrt(widths)) ** 3
    drawn = clumps[:, np.newaxis] * np.where(seen, 1.0, UNSEEN)
    return chance, drawn / drawn.sum()
