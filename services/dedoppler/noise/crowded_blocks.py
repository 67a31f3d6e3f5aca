"""Level and scatter of the noise in blocks where many channels hold lines.

There, clipping at six sigma keeps most lines, and the noise seems several times too strong. Lines only add power: the
lower samples, and the channels between the lines, are the noise's.
"""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from services.dedoppler.kernels.conditioning import TileStatistics
from services.dedoppler.kernels.crowding import LEAST_RATIO, LOW_SHARE_OF_LEVEL, low_limit
from services.dedoppler.threads import together
from shared.arrays import Flags, Floats, Indices, Power
from shared.header import Header

# Samples of fewer bits don't show the shape of the noise; those of fewer than 32 are whole numbers.
FEWEST_BITS, FLOAT_BITS = 8, 32
# A block is looked at closely if so many times fewer of its samples are low than noise has, or if its skewness exceeds
# the noise's by so much; each by at least so many of its errors.
FEWER_LOW, EXCESS_SKEWNESS, SURE_ERRORS = 0.85, 0.15, 5.0
# The skewness of a mean of fewer exponential deviates scatters too much, that is of a level below so many scatters.
LEAST_RATIO_SKEWNESS = 3.0
# Lines count as such if the noise between them is so many times fainter than what was measured with them.
FAINTER = 0.97
# Wide structure can't be told from lines where they hold so large a part of the samples.
CROWDED_SHARE = 0.02
# Below a level of two scatters the cube root of power is no longer normal.
LEAST_RATIO_FIT = 2.0
# Two polarisations that are summed have a ratio sqrt(2) times as large as the header says.
MOST_RATIO = 2.0
# Rounds in which the constant that was added to the power is found.
SHIFTS = 3
# The noise is fitted to samples below its mean plus so many sigma: the most that agree with the fit before.
CUTS = (0.0, 0.5, 1.0, 2.0, 3.0)
AGREEMENT_ERRORS, AGREEMENT_SHARE = 4.0, 0.03
FIT_ROUNDS, FEWEST_SAMPLES = 40, 256
# A channel whose mean over time lies above the level by so many of its errors holds a line.
LINE_ERRORS, MOST_ROUNDS = 3.5, 4
# This part of a spectrum's samples lies below the value by which spectra, and parts of a block, are compared.
LOW_SHARE = 0.3
# A spectrum below this part of the usual level holds no signal.
FAINTEST_GAIN = 0.02
# Spectra that are fitted, parts of a block, and how many sigma a part may be off a straight bandpass.
MOST_ROWS, PARTS, MOST_BEND_SIGMA = 32, 16, 0.5
# In a single spectrum so many neighbouring parts may be off by twice as much.
WIDE_PARTS = 4
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Noise:
    """Level and scatter of each spectrum, NaN where it holds none; and the part of the samples that is not noise."""

    level: Floats
    sigma: Floats
    share_of_lines: float


@dataclass(frozen=True)
class Fit:
    """Level, scatter and part of the samples of the noise that was fitted, and whether its upper tail agrees too."""

    level: float
    sigma: float
    share: float
    is_whole: bool


def take_out_lines(
    power: Power, tiles: TileStatistics, edges: Indices, tile_rows: int, header: Header, pool: Executor
) -> Flags:
    """Set level and scatter of crowded tiles to those of the noise between the lines; return the crowded blocks.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power; NaN where samples are lost.
    tiles : TileStatistics
        Of this power; changed in place where lines raise the scatter.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    tile_rows : int
        Spectra per tile.
    header : Header
        Of the whole file.
    pool : Executor
        Threads to work on.

    Returns
    -------
    uint8 (blocks,)
        1 where more than `CROWDED_SHARE` of the samples are lines'.
    """
    crowded = np.zeros(len(edges) - 1, np.uint8)
    if header.n_bits < FEWEST_BITS:
        return crowded
    averaged, is_whole = _spectra_in_sample(header), header.n_bits < FLOAT_BITS
    uneven = np.flatnonzero(_may_hold_lines(tiles, averaged))

    def measure(block: int) -> Noise | None:
        return noise_between_lines(power[:, edges[block] : edges[block + 1]], averaged, is_whole_numbers=is_whole)

    first_rows = np.arange(0, len(power), tile_rows)
    for block, noise in zip(uneven, together(pool, measure, [(int(block),) for block in uneven]), strict=True):
        if noise is None:
            continue
        known = np.isfinite(noise.level).astype(np.int64)
        number = np.maximum(np.add.reduceat(known, first_rows), 1)
        level, sigma = (np.add.reduceat(np.nan_to_num(of), first_rows) / number for of in (noise.level, noise.sigma))
        there = (tiles.number[:, block] > 0) & (sigma > 0)
        is_crowded = noise.share_of_lines > CROWDED_SHARE
        if there.any() and (is_crowded or np.median(sigma[there] / tiles.scatter[there, block]) < FAINTER):
            tiles.level[there, block], tiles.scatter[there, block] = level[there], sigma[there]
        crowded[block] = is_crowded
    return crowded


def _spectra_in_sample(header: Header) -> float:
    """Return how many spectra of one polarisation a sample is the mean of, for channels as wide as their spacing."""
    return max(1.0, abs(header.foff_mhz) * 1e6 * header.tsamp_s)


def _may_hold_lines(tiles: TileStatistics, averaged: float) -> Flags:
    """Return the blocks whose samples are not distributed as noise is."""
    there = tiles.number > 0
    ratio = np.where(there, tiles.level, 0.0) / np.where(there, tiles.scatter, 1.0)
    ratio = ratio.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    beyond, counted, low, *moments = tiles.counts.sum(axis=0).T
    number = np.maximum(counted, 1)
    expected = _low_share(ratio)
    likely = np.minimum(FEWER_LOW * expected, expected - SURE_ERRORS * np.sqrt(expected * (1 - expected) / number))
    mean, square, cube = moments / number
    variance = np.maximum(square - mean**2, 1e-6)
    skewness = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
    of_noise = np.where(ratio > LEAST_RATIO_SKEWNESS, 2 / np.clip(ratio, 1.0, math.sqrt(averaged)), np.inf)
    uneven = low < likely * number
    uneven |= beyond > CROWDED_SHARE * number
    uneven |= skewness > of_noise + np.maximum(EXCESS_SKEWNESS, SURE_ERRORS * np.sqrt(6 / number))
    flags: Flags = (uneven & (counted >= FEWEST_SAMPLES)).astype(np.uint8)
    return flags


def _low_share(ratio: Floats) -> Floats:
    """Return the share of noise below the limit of low samples.

    Averages of N spectra are gamma deviates with N = (level / sigma)^2, and their cube root is about normal with mean
    1 - 1 / (9 N) and variance 1 / (9 N) (Wilson & Hilferty 1931).
    """
    number = np.maximum(ratio, 1.0) ** 2
    limit = np.array([low_limit(value) for value in ratio.tolist()])
    cube_root = np.cbrt(np.clip(1 + limit / np.maximum(ratio, LEAST_RATIO), LOW_SHARE_OF_LEVEL, None))
    deviate = np.where(ratio > LEAST_RATIO, (cube_root - 1 + 1 / (9 * number)) * 3 * np.sqrt(number), limit)
    return np.array([_NORMAL.cdf(value) for value in deviate.tolist()])


def noise_between_lines(power: Power, averaged: float, *, is_whole_numbers: bool) -> Noise | None:
    """Measure the noise of a block without its lines.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power; NaN and Inf where samples are lost.
    averaged : float
        Spectra that are averaged in a sample, as the header has it.
    is_whole_numbers : bool
        Whether power was rounded to whole numbers.

    Returns
    -------
    Noise or None
        None if the block has a shape of its own, such as a notch, or if its noise can't be told.
    """
    values = np.where(np.isfinite(power), power, np.float32(np.nan))
    if np.isfinite(values).sum() < FEWEST_SAMPLES:
        return None
    # If a mean was subtracted, gains can't be told.
    is_power = bool(np.nanmin(values) >= 0)
    if is_whole_numbers:
        # Whole numbers are spread over the step that they were rounded to.
        values += np.random.default_rng(0).uniform(-0.5, 0.5, values.shape).astype(np.float32)
    low = _low_values(values)
    usual = float(np.nanmedian(low))
    is_power &= usual > 0
    if is_power:
        # A gain acts on lines and noise alike; what it leaves of a dead spectrum is none of either.
        gain, offset = np.where(low > FAINTEST_GAIN * usual, low / usual, np.nan), np.zeros(len(low))
    else:
        gain, offset = np.where(np.isfinite(low), 1.0, np.nan), low - usual
    values = ((values - offset[:, None]) / gain[:, None]).astype(np.float32)
    fit = _fit_between_lines(values[np.isfinite(gain)], averaged, is_power=is_power)
    if fit is None:
        return None
    sigma = math.sqrt(max(fit.sigma**2 - 1 / 12, 0.0)) if is_whole_numbers else fit.sigma
    return Noise(fit.level * gain + offset, sigma * gain, 1 - fit.share)


def _fit_between_lines(values: Power, averaged: float, *, is_power: bool) -> Fit | None:
    """Fit the noise of spectra of one gain, first to all channels, then to those that seem to hold no line."""
    straight, bend = _straightened(values)
    found = _fit(straight[:: -(-len(straight) // MOST_ROWS)], CUTS[:1], is_power=is_power)
    if found is None or not bend < MOST_BEND_SIGMA * found.sigma:
        return None
    if is_power and found.level < MOST_RATIO * math.sqrt(averaged) * found.sigma:
        return _fit_without_line_channels(straight, found)
    # A constant was added or subtracted, so the shape of the noise is that of the header's averages.
    shape = math.sqrt(max(averaged, LEAST_RATIO_FIT**2 + 1))
    constant = 0.0
    for _ in range(SHIFTS):
        constant += shape * found.sigma - found.level
        straight += np.float32(shape * found.sigma - found.level)
        again = _fit_without_line_channels(straight, replace(found, level=shape * found.sigma))
        # If the noise has another shape after all, its upper half must agree to say so.
        if again is None or not again.is_whole:
            return None
        found = again
    return replace(found, level=found.level - constant)


def _fit_without_line_channels(values: Power, found: Fit) -> Fit | None:
    """Fit the noise of the channels without lines, from a first fit to all of them."""
    there = np.isfinite(values)
    number = there.sum(axis=0)
    mean = np.where(there, values, 0.0).sum(axis=0) / np.maximum(number, 1)
    fitted, empty = values[:: -(-len(values) // MOST_ROWS)], number > 0
    for _ in range(MOST_ROUNDS):
        limit = found.level + LINE_ERRORS * found.sigma / np.sqrt(np.maximum(number, 1))
        before, empty = empty, (mean < limit) & (number > 0)
        again = _fit(fitted[:, empty], CUTS, is_power=True)
        if again is None:
            return None
        found = again
        if (empty == before).all():
            break
    return replace(found, share=found.share * float(number[empty].sum() / number.sum()))


def _low_values(rows: Power) -> Floats:
    """Return the value below which `LOW_SHARE` of each row's samples lie; NaN without samples."""
    rising = np.sort(rows, axis=1)
    number = np.isfinite(rising).sum(axis=1)
    at = (LOW_SHARE * np.maximum(number - 1, 0)).astype(np.int64)
    low: Floats = np.where(number > 0, rising[np.arange(len(rows)), at], np.nan)
    return low


def _straightened(values: Power) -> tuple[Power, float]:
    """Return the block without the slope of its bandpass, and by how much its parts lie off that slope at most.

    A part of the band that changes with time counts too.
    """
    edges = np.linspace(0, values.shape[1], PARTS + 1).astype(np.int64)
    low = np.stack([_low_values(values[:, begin:end]) for begin, end in pairwise(edges)], axis=1)
    seen = np.isfinite(low).any(axis=0)
    if seen.sum() < PARTS // 2:
        return values, math.inf
    low, centres = low[:, seen], ((edges[1:] + edges[:-1] - 1) / 2)[seen]
    of_part = np.nanmean(low, axis=0)
    slope, height = np.polyfit(centres, of_part, 1)
    change = np.nan_to_num(low - of_part)
    wide = np.lib.stride_tricks.sliding_window_view(change, WIDE_PARTS, axis=1).mean(axis=2)
    bend = max(float(np.abs(of_part - (height + slope * centres)).max()), float(np.abs(wide).max()) / 2)
    channels = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    return values - (slope * channels).astype(np.float32), bend


def _fit(values: Power, cuts: Sequence[float], *, is_power: bool) -> Fit | None:
    """Fit noise to the lower samples: gamma deviates by their cube roots, or normal ones if a mean was subtracted."""
    samples = values[np.isfinite(values)]
    if len(samples) < FEWEST_SAMPLES:
        return None
    rising = np.sort(np.cbrt(samples) if is_power else samples).astype(np.float64)
    fitted = _normal_below(rising, cuts)
    if fitted is None:
        return None
    mean, sigma, number, is_whole = fitted
    share = min(1.0, number / len(samples))
    if not is_power:
        return Fit(mean, sigma, share, is_whole)
    # mean = level^(1/3) (1 - u^2) and sigma = level^(1/3) u, with u = 1 / (3 sqrt(N)).
    relative = sigma / mean
    u = (math.sqrt(1 + 4 * relative**2) - 1) / (2 * relative)
    level = (mean / (1 - u**2)) ** 3
    return Fit(level, 3 * u * level, share, is_whole) if mean > 0 and 3 * u * LEAST_RATIO_FIT < 1 else None


def _normal_below(rising: Floats, cuts: Sequence[float]) -> tuple[float, float, float, bool] | None:
    """Return mean, sigma and number of the normal deviates among rising values, and whether the last cut agrees.

    Only the lower values are known to be normal deviates.
    """
    sums = np.concatenate([[0.0], np.cumsum(rising - rising[0])])
    squares = np.concatenate([[0.0], np.cumsum((rising - rising[0]) ** 2)])
    middle, low = rising[int(LOW_SHARE * len(rising))], rising[int(LOW_SHARE**2 * len(rising))]
    mean, sigma = float(middle), float(middle - low)
    number, reached = 0.0, -1
    for cut, following in zip(cuts, (*cuts[1:], math.inf), strict=True):
        fitted = _truncated(rising, (sums, squares), cut, (mean, sigma))
        if fitted is None:
            break
        (mean, sigma, number), reached = fitted, reached + 1
        if following == math.inf:
            break
        inside = float(np.diff(np.searchsorted(rising, [mean + cut * sigma, mean + following * sigma]))[0])
        likely = number * (_NORMAL.cdf(following) - _NORMAL.cdf(cut))
        if inside > likely + max(AGREEMENT_ERRORS * math.sqrt(likely), AGREEMENT_SHARE * number):
            break
    return (mean, sigma, number, cuts[reached] == CUTS[-1]) if reached >= 0 else None


def _truncated(
    rising: Floats, sums: tuple[Floats, Floats], cut: float, start: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Return mean, sigma and number of normal deviates, of which those below mean + cut sigma are known.

    Below the cut c their mean is lower by sigma h with h = phi(c) / Phi(c), and their variance is
    sigma^2 (1 - c h - h^2).
    """
    mean, sigma = start
    h = _NORMAL.pdf(cut) / _NORMAL.cdf(cut)
    for _ in range(FIT_ROUNDS):
        kept = int(np.searchsorted(rising, mean + cut * sigma))
        if kept < FEWEST_SAMPLES // 4:
            return None
        of_kept = sums[0][kept] / kept
        variance = sums[1][kept] / kept - of_kept**2
        before = mean, sigma
        sigma = math.sqrt(max(variance, 0.0) / (1 - cut * h - h * h))
        mean = float(rising[0] + of_kept + h * sigma)
        if sigma == 0 or math.hypot(mean - before[0], sigma - before[1]) < 1e-3 * sigma:
            break
    return (mean, sigma, kept / _NORMAL.cdf(cut)) if sigma > 0 else None
