"""From raw power to noise of mean 0 and sigma 1.

Local level and scatter are measured on tiles of one (or a few) spectra by one block of channels, so that a change of
gain between spectra does not pass for scatter; `domain` joins them into a bandpass. Nothing is ever normalised along
the time of one channel: that would erase signals of slow drift.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Power = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

# Values per tile for the first guess of median and scatter.
GUESS_SAMPLES = 64
# The clipped mean and scatter leave out what is farther than this many sigmas.
CLIP_SIGMA = 6.0
CLIP_ROUNDS = 3
# The tile before in time is a good guess if clipping from there keeps this part of the samples, and sigma to a factor.
LIKE_BEFORE_KEPT = 0.75
LIKE_BEFORE_SIGMA = 2.0
# From a little below, as a median deviation would: an outlier at the limit must not hold itself inside.
LIKE_BEFORE_START = 0.8
MAD_TO_SIGMA = 1.4826
# Channels normalised at a time: long streams of memory, while their bandpass stays in the cache.
_STRIP = 8192
_LARGEST = np.finfo(np.float32).max


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _clipped_moments(row: Power, centre: np.float32, limit: np.float32) -> tuple[int, np.float32, np.float32]:
    """(number, sum, sum of squares) of (row - centre) / limit over the values up to 1 of it; NaN and Inf drop out.

    In units of the limit, because the squares of raw power may be beyond float32.
    """
    number, total, squares = 0, np.float32(0.0), np.float32(0.0)
    scale = np.float32(1.0) / limit
    for i in range(len(row)):
        deviation = (row[i] - centre) * scale
        inside = abs(deviation) <= np.float32(1.0)
        kept = deviation if inside else np.float32(0.0)
        number += inside
        total += kept
        squares += kept * kept
    return number, total, squares


@njit(cache=True, nogil=True)
def _is_constant(power: Power, first_row: int, stop_row: int, low: int, high: int) -> bool:
    """Whether all samples of a tile have one value."""
    value = power[first_row, low]
    for t in range(first_row, stop_row):
        for c in range(low, high):
            if power[t, c] != value:
                return False
    return True


@njit(cache=True, nogil=True)
def _first_guess(
    power: Power, first_row: int, stop_row: int, low: int, high: int, sample: Power
) -> tuple[np.float32, np.float32, int]:
    """(median, sigma, number) of at most GUESS_SAMPLES finite samples spread over the tile."""
    size = (stop_row - first_row) * (high - low)
    stride = max(1, size // GUESS_SAMPLES)
    if stride > 1 and stride % 2 == 0:
        stride -= 1  # an odd stride does not lock on to the structure of power-of-two channelisers
    number = 0
    for index in range(0, size, stride):
        if number == len(sample):
            break
        value = power[first_row + index // (high - low), low + index % (high - low)]
        if math.isfinite(value):
            sample[number] = value
            number += 1
    if number == 0:
        return np.float32(0.0), np.float32(0.0), 0
    kept = sample[:number]
    median = np.float32(np.median(kept))
    sigma = np.float32(MAD_TO_SIGMA * np.median(np.abs(kept - median)))
    if sigma == 0:
        # More than half of the values are the same, as with few bits.
        sigma = np.float32(np.std(kept))
    return median, sigma, number


@njit(cache=True, nogil=True)
def _clip(
    power: Power, first_row: int, stop_row: int, low: int, high: int, mean: float, deviation: float
) -> tuple[float, float, int]:
    """(mean, deviation, number) of a tile's samples within CLIP_SIGMA of the mean, by iteration from a first guess."""
    kept = 0
    for _ in range(CLIP_ROUNDS):
        # Float32 on purpose: the loops stay vectors, and deviations from the centre keep their digits.
        centre, limit = np.float32(mean), np.float32(CLIP_SIGMA * deviation)
        kept, total, squares = 0, np.float64(0.0), np.float64(0.0)
        for t in range(first_row, stop_row):
            n, s, q = _clipped_moments(power[t, low:high], centre, limit)
            kept, total, squares = kept + n, total + s, squares + q
        if kept == 0:
            break
        shift = total / kept
        mean = float(centre) + float(limit) * shift
        previous = deviation
        deviation = float(limit) * math.sqrt(max(squares / kept - shift * shift, 0.0))
        if deviation == 0 or abs(deviation - previous) < 1e-3 * previous:
            break
    return mean, deviation, kept


@njit(cache=True, nogil=True)
def tile_statistics(
    power: Power, edges: Indices, rows_per_tile: int, level: Floats, scatter: Floats, number: Indices
) -> None:
    """Clipped mean and standard deviation of every tile.

    Args:
        power: float32 (T, channels), raw; NaN and Inf drop out.
        edges: int64 (blocks + 1,), channels where the blocks begin and end.
        rows_per_tile: spectra per tile.
        level, scatter: float64 (tiles in time, blocks), filled in.
        number: int64 of the same shape, filled in: samples kept; 0 for a tile of one constant value or no finite one.
    """
    sample = np.empty(2 * GUESS_SAMPLES + 2, np.float32)
    for k in range(level.shape[0]):
        first_row, stop_row = k * rows_per_tile, min((k + 1) * rows_per_tile, power.shape[0])
        for b in range(len(edges) - 1):
            low, high = edges[b], edges[b + 1]
            level[k, b], scatter[k, b], number[k, b] = 0.0, 0.0, 0
            if _is_constant(power, first_row, stop_row, low, high):
                continue
            if k > 0 and number[k - 1, b] > 0:
                # Most tiles are like the one before: a closer guess than a few samples give, and at hand.
                before = scatter[k - 1, b]
                start = LIKE_BEFORE_START * before
                mean, deviation, kept = _clip(power, first_row, stop_row, low, high, level[k - 1, b], start)
                if (
                    kept > LIKE_BEFORE_KEPT * (stop_row - first_row) * (high - low)
                    and before < LIKE_BEFORE_SIGMA * deviation
                    and deviation < LIKE_BEFORE_SIGMA * before
                ):
                    level[k, b], scatter[k, b], number[k, b] = mean, deviation, kept
                    continue
            centre, sigma, finite = _first_guess(power, first_row, stop_row, low, high, sample)
            if finite == 0 or sigma == 0:
                continue
            mean, deviation, kept = _clip(power, first_row, stop_row, low, high, float(centre), float(sigma))
            if deviation > 0:
                level[k, b], scatter[k, b], number[k, b] = mean, deviation, kept


@njit(cache=True, nogil=True)
def dead_channels(power: Power, zero_is_lost: bool, dead: Flags) -> int:
    """Set dead[c] = 1 where channel `c` has one value in all spectra that are not lost, at least two, or none at all.

    `power` is float32 (T, channels), T at least 2.

    Returns:
        Number of the other channels whose first two samples are equal: how often that happens by chance.
    """
    by_chance = 0
    first, second = power[0], power[1]
    # Nearly all are alive by their first two samples; that loop compiles to vectors.
    for c in range(power.shape[1]):
        lost = zero_is_lost & ((first[c] == 0) | (second[c] == 0))
        finite = (abs(first[c]) <= _LARGEST) & (abs(second[c]) <= _LARGEST)
        dead[c] = np.uint8(0) if finite & (first[c] != second[c]) & (not lost) else np.uint8(1)
    for c in range(power.shape[1]):
        if dead[c] == 0:
            continue
        seen, value, differs = 0, np.float32(0.0), False
        for t in range(power.shape[0]):
            sample = power[t, c]
            if not math.isfinite(sample) or (zero_is_lost and sample == 0):
                continue
            if seen > 0 and sample != value:
                differs = True
                break
            value = sample
            seen += 1
        dead[c] = not differs and seen != 1
        by_chance += differs and seen > 1
    return by_chance


@njit(cache=True, nogil=True)
def _interpolate(channel_0: int, count: int, centres: Floats, nodes: Floats, out: Floats) -> None:
    """out[i] = `nodes` interpolated at channel_0 + i, flat beyond the outer centres."""
    done, last = 0, len(centres) - 1
    for k in range(last):
        stop = min(count, math.floor(centres[k + 1]) - channel_0 + 1)
        if stop <= done:
            continue
        width, rise = centres[k + 1] - centres[k], nodes[k + 1] - nodes[k]
        for i in range(done, stop):
            share = max(0.0, (channel_0 + i - centres[k]) / width)
            out[i] = nodes[k] + share * rise
        done = stop
    out[done:count] = nodes[last]


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _normalise_row(
    source: Power, base: Power, gain: Power, offset: np.float32, floor: np.float32, target: Power
) -> np.float32:
    """target = (source - base) * gain - offset, 0 for what is lost; returns how many are, of a row of at most 2^24."""
    lost = np.float32(0.0)
    for i in range(len(source)):
        value = source[i]
        scaled = (value - base[i]) * gain[i] - offset
        # Comparisons with NaN are false, so this also drops NaN and Inf (and values so large that sums overflow).
        good = (abs(scaled) <= np.float32(1e15)) & (gain[i] > 0) & (value != floor)
        target[i] = scaled if good else np.float32(0.0)
        # A float32 counts in as many lanes as the samples have.
        lost += np.float32(0.0) if good else np.float32(1.0)
    return lost


@njit(cache=True, nogil=True)
def normalise(
    power: Power,
    low: int,
    high: int,
    centres: Floats,
    level: Floats,
    sigma: Floats,
    row_offset: Power,
    dead: Flags,
    zero_is_lost: bool,
    x: Power,
    pad: int,
) -> int:
    """Write x = (power - level) / sigma - row offset for channels [low, high); what is lost becomes 0.

    Args:
        power: float32 (T, channels), raw.
        centres: float64 (blocks,), channels that the nodes belong to.
        level, sigma: float64 (blocks,), bandpass and scatter at `centres`.
        row_offset: float32 (T,), common offset of each spectrum in units of sigma.
        dead: uint8 (channels,): 1 where a whole channel is lost.
        zero_is_lost: whether a sample of exactly 0 is a lost one.
        x: float32 (T, channels + 2 * pad), filled in at columns [pad + low, pad + high).

    Returns:
        Number of samples lost, dead channels included.
    """
    mean, spread = np.empty(_STRIP, np.float64), np.empty(_STRIP, np.float64)
    base, gain = np.empty(_STRIP, np.float32), np.empty(_STRIP, np.float32)
    lost = 0
    floor = np.float32(0.0) if zero_is_lost else np.float32(np.nan)
    for begin in range(low, high, _STRIP):
        count = min(_STRIP, high - begin)
        _interpolate(begin, count, centres, level, mean)
        _interpolate(begin, count, centres, sigma, spread)
        for i in range(count):
            base[i] = mean[i]
            gain[i] = 0.0 if dead[begin + i] else 1.0 / spread[i]
        for t in range(power.shape[0]):
            source, target = power[t, begin : begin + count], x[t, pad + begin : pad + begin + count]
            lost += int(_normalise_row(source, base, gain, row_offset[t], floor, target))
    return lost


@njit(cache=True, nogil=True)
def blank_tiles(x: Power, pad: int, edges: Indices, row_ok: npt.NDArray[np.bool_]) -> int:
    """Set to 0 the tiles (one spectrum by one block) that are lost; returns the number of samples that were not 0."""
    lost = 0
    for t in range(x.shape[0]):
        for b in range(len(edges) - 1):
            if not row_ok[t, b]:
                for i in range(pad + edges[b], pad + edges[b + 1]):
                    lost += x[t, i] != 0
                    x[t, i] = np.float32(0.0)
    return lost


@njit(cache=True, nogil=True)
def repair_spikes(x: Power, columns: Indices, first: int, stop: int) -> None:
    """Replace the columns of DC spikes by the mean of their neighbours within columns [first, stop)."""
    for t in range(x.shape[0]):
        for c in columns:
            left = x[t, c - 1] if c > first else np.float32(0.0)
            right = x[t, c + 1] if c + 1 < stop else np.float32(0.0)
            both = (c > first) + (c + 1 < stop)
            x[t, c] = (left + right) / max(both, 1)
