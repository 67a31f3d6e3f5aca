"""Finds lost samples and marks them as NaN, so that every statistic and sum leaves them out.

A sample is lost if it is NaN or infinite, if it is exactly zero in a file whose noise never gets there, or if it is
part of a run of one value along frequency, or of a channel of one value, that chance does not explain.
"""

import math
from concurrent.futures import Executor

import numpy as np

from services.dedoppler.kernels import lost_samples as kernels
from services.dedoppler.kernels.conditioning import MAD_TO_SIGMA
from services.dedoppler.kernels.lost_samples import is_regular
from services.dedoppler.noise.bandpass import POSITIVE_POWER_SIGMA
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Floats, Power
from shared.header import Header

# Channels in which runs are looked for together: their noise is much the same.
CHANNELS_PER_TASK = 8192
# Channels that one task checks for change.
CHECKED_PER_TASK = 2**17
# Places at which level and scatter are sampled, and samples at each.
PROBES, PROBE_SAMPLES, FEWEST_PROBE_SAMPLES = 32, 128, 16
PROBE_CHANNELS = 2048
# False runs that are expected in one block of samples, at most.
FALSE_RUNS = 0.01
# With so many pairs, the probability of an equal pair is known; with fewer, it is estimated from above.
MANY_PAIRS = 10_000
SHORTEST_RUN = 3
# Where samples hardly ever change, only very long runs are lost ones.
LARGEST_PROBABILITY = 0.998
# If neighbours are equal more often, one value may be much more frequent than others. It is looked for in so many
# channels at a time, where samples changed to it so often at least.
OFTEN_EQUAL, CHANNELS_OF_ONE_LEVEL, FEWEST_CHANGES, VALUES = 0.25, 1024, 16, 256
# Spectra that show whether chance explains equal samples of few bits in one channel.
FEWEST_SPECTRA_TO_CALL_DEAD = 4


def mark_lost_samples(power: Power, header: Header, pool: Executor) -> None:
    """Set to NaN the lost samples of consecutive spectra that are about to be averaged.

    Parameters
    ----------
    power : float32 (rows, channels)
        Raw power, changed in place.
    header : Header
        Of the whole file.
    pool : Executor
        Threads to work on.
    """
    ranges = slices(0, power.shape[1], CHANNELS_PER_TASK)
    if header.n_bits >= 32:
        # Without zeros and equal neighbours, as in nearly all of them, nothing is lost.
        regular = together(pool, lambda low, high: is_regular(power, 0, len(power), low, high), ranges)
        ranges = [piece for piece, is_clean in zip(ranges, regular, strict=True) if not is_clean]
    if ranges:
        mark_zeros_and_runs(power, header, ranges, pool)


def mark_zeros_and_runs(power: Power, header: Header, ranges: list[tuple[int, int]], pool: Executor) -> None:
    """Set to NaN the zeros that no noise explains, and the runs of one value that chance does not explain.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, changed in place.
    header : Header
        Of the whole file.
    ranges : list of (int, int)
        Channels to look at, each (low, high), high excluded; ranges don't overlap.
    pool : Executor
        Threads to work on.
    """
    zero_is_lost = is_far_above_zero(power)
    saturated = np.float32(np.nan)
    if header.n_bits < 32:
        saturated = np.float32(2 ** (header.n_bits - header.signed) - 1)
    # A quarter of the spectra, or four, show well enough how often chance makes neighbours equal.
    step = max(1, len(power) // 4)

    pieces = [piece for low, high in ranges for piece in slices(low, high, CHANNELS_PER_TASK)]

    def shortest_run(low: int, high: int) -> int:
        equal, pairs = kernels.chance_equality(power, low, high, step)
        return shortest_lost_run(equal, pairs, power.size, _most_repeated(power, low, high, equal / max(pairs, 1)))

    shortest = together(pool, shortest_run, pieces)
    across = [
        kernels.runs_across(power, low, min(shortest[k], shortest[k + 1]), saturated)
        for k, (low, _) in enumerate(pieces[1:])
        if pieces[k][1] == low
    ]
    work = [(power, *piece, zero_is_lost, run, saturated) for piece, run in zip(pieces, shortest, strict=True)]
    together(pool, kernels.mark_lost, work)
    for t, start, stop in np.concatenate(across).tolist() if across else []:
        power[t, start:stop] = np.nan


def _most_repeated(power: Power, low: int, high: int, usual: float) -> float:
    """Return how often the value that does so most often repeats itself by chance; 0 if none does so usually."""
    most = 0.0
    if usual < OFTEN_EQUAL:
        return most
    for start, stop in slices(low, high, CHANNELS_OF_ONE_LEVEL):
        equal, changes = np.zeros((2, VALUES), np.int64)
        kernels.repeats_by_value(power, start, stop, equal, changes)
        known = changes >= FEWEST_CHANGES
        most = max(most, float(np.max((equal[known] + 1) / (changes[known] + 2), initial=0.0)))
    return most if most > 0.5 else 0.0


def shortest_lost_run(equal: int, pairs: int, samples: int, most_repeated: float = 0.0) -> int:
    """Return the length of a run of equal samples from which on chance does not explain it.

    With probability p of an equal neighbour, `samples` hold samples * p^(n - 1) runs of n or more.

    Parameters
    ----------
    equal, pairs : int
        Neighbours that are equal by chance, of how many.
    samples : int
        Number of samples of the block.
    most_repeated : float
        Probability that the most frequent value is followed by itself, if that is known.
    """
    probability = max(equal, 0.5) / pairs if pairs > MANY_PAIRS else (equal + 1) / (pairs + 2)
    probability = min(max(probability, most_repeated), LARGEST_PROBABILITY)
    return max(SHORTEST_RUN, 1 + math.ceil(math.log(FALSE_RUNS / samples) / math.log(probability)))


def is_far_above_zero(power: Power) -> bool:
    """Return whether noise never comes to zero: its level is above five sigma, by samples from all over the block.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power. Zeros and what is not finite are not looked at.
    """
    n_spectra, n_channels = power.shape
    rows = np.linspace(0, n_spectra - 1, min(n_spectra, 4)).astype(int)
    width = min(PROBE_CHANNELS, n_channels)
    places = np.linspace(0, n_channels - width, max(1, PROBES // len(rows))).astype(int)
    # An odd stride does not repeat the structure of channelisers, whose sizes are powers of two.
    stride = max(1, width // PROBE_SAMPLES) | 1
    ratios = [
        ratio
        for row in rows
        for place in places
        if (ratio := _level_in_sigma(power[row, place : place + width : stride]))
    ]
    return bool(ratios) and float(np.median(ratios)) > POSITIVE_POWER_SIGMA


def _level_in_sigma(values: Floats | Power) -> float | None:
    """Return the median in units of the scatter; None if too few samples are left, or they are all equal."""
    values = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    if len(values) < FEWEST_PROBE_SAMPLES:
        return None
    median = float(np.median(values))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(values - median)))
    # More than half of the values are equal if the samples have few bits.
    sigma = sigma or float(values.std())
    return median / sigma if sigma > 0 else None


def mark_dead_channels(power: Power, n_bits: int, pool: Executor) -> Flags:
    """Set to NaN the channels that keep one value, unless chance explains that in samples of few bits.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, changed in place.
    n_bits : int
        Bits of a sample in the file.
    pool : Executor
        Threads to work on.

    Returns
    -------
    uint8 (channels,)
        1 where a whole channel is lost, else 0.
    """
    n_channels = power.shape[1]
    dead = np.zeros(n_channels, np.uint8)
    spectra = kernels.spectra_with_samples(power)
    # The last piece of an observation may be a single spectrum.
    if len(power) < 2 or (spectra < FEWEST_SPECTRA_TO_CALL_DEAD and n_bits < 32):
        return dead
    # The chance is that of channels of one level: at a band's edge, most samples of few bits are equal.
    parts = slices(0, n_channels, CHECKED_PER_TASK if n_bits >= 32 else CHANNELS_OF_ONE_LEVEL)
    equal = together(pool, lambda low, high: kernels.dead_channels(power[:, low:high], dead[low:high]), parts)
    usual = sum(equal) / n_channels
    for (low, high), equal_here in zip(parts, equal, strict=True):
        alive = high - low - int(dead[low:high].sum())
        chance = (equal_here + FEWEST_CHANGES * usual) / (alive + FEWEST_CHANGES)
        if n_channels * chance ** max(1, spectra - 1) > FALSE_RUNS:
            dead[low:high] = 0
    if dead.any():
        power[:, np.flatnonzero(dead != 0)] = np.nan
    return dead
