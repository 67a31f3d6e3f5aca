"""From raw power to noise of mean 0 and sigma 1.

Local level and scatter are measured on tiles of one (or a few) spectra by one block of channels, so that a change of
gain between spectra is not mistaken for scatter; `noise.bandpass` joins them into a bandpass. Nothing is normalised
along the time axis of one channel: that would erase signals of slow drift.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.crowding import count_samples
from services.dedoppler.kernels.lost_samples import is_regular
from shared.arrays import Floats, Indices, Power

# Values per tile for the first guess of median and scatter.
GUESS_SAMPLES = 64
# The clipped mean and scatter leave out samples farther away than this many sigmas.
CLIP_SIGMA = 6.0
CLIP_ROUNDS = 3
# The previous tile in time is a good first guess if clipping from there keeps this part of the samples and changes
# sigma by less than this factor.
LIKE_BEFORE_KEPT = 0.75
LIKE_BEFORE_SIGMA = 2.0
# Start a little below the previous sigma, as a median deviation would: an outlier at the limit must not keep itself in.
LIKE_BEFORE_START = 0.8
MAD_TO_SIGMA = 1.4826
# Channels normalised at a time: long streams of memory, while their bandpass stays in the cache.
_STRIP = 8192


class Tile(NamedTuple):
    """Samples of the spectra [first_row, stop_row) and the channels [low, high)."""

    first_row: int
    stop_row: int
    low: int
    high: int


class Nodes(NamedTuple):
    """The bandpass of one segment as a polygon.

    Attributes
    ----------
    centres : float64 (nodes,)
        Channels of the nodes, rising.
    level, sigma : float64 (nodes,)
        Level and scatter there, raw units.
    """

    centres: Floats
    level: Floats
    sigma: Floats


class TileStatistics(NamedTuple):
    """What is measured of each tile.

    Attributes
    ----------
    level, scatter : float64 (tiles in time, blocks)
        Clipped mean and standard deviation, raw units.
    number : int64 (tiles in time, blocks)
        Samples kept: 0 for a tile of one constant value or without a finite one.
    irregular : bool (tiles in time, blocks)
        Whether there are zeros, or equal neighbours in one spectrum: some of these samples may be lost.
    counts : float64 (tiles in time, blocks, 6)
        How some samples are distributed (`crowding.count_samples`).
    """

    level: Floats
    scatter: Floats
    number: Indices
    irregular: npt.NDArray[np.bool_]
    counts: Floats


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _clipped_moments(row: Power, centre: np.float32, limit: np.float32) -> tuple[int, np.float32, np.float32]:
    """Return (number, sum, sum of squares) of (row - centre) / limit where that is within ±1; NaN and Inf drop out.

    The unit is the limit, because the squares of raw power may exceed float32.
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
def _is_constant(power: Power, tile: Tile) -> bool:
    """Return whether all samples of a tile have one value."""
    first_row, stop_row, low, high = tile
    value = power[first_row, low]
    for t in range(first_row, stop_row):
        for c in range(low, high):
            if power[t, c] != value:
                return False
    return True


@njit(cache=True, nogil=True)
def _first_guess(power: Power, tile: Tile, sample: Power) -> tuple[np.float32, np.float32, int]:
    """Return (median, sigma, number) of some finite samples spread over the tile, about GUESS_SAMPLES."""
    first_row, stop_row, low, high = tile
    size = (stop_row - first_row) * (high - low)
    apart = max(1, size // GUESS_SAMPLES)
    if apart > 1 and apart % 2 == 0:
        apart -= 1  # an odd distance does not lock on to the structure of power-of-two channelisers
    number = 0
    for index in range(0, size, apart):
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
def _clip(power: Power, tile: Tile, mean: float, deviation: float) -> tuple[float, float, int]:
    """Return (mean, deviation, number) of the samples within CLIP_SIGMA of the mean, iterating from a first guess."""
    first_row, stop_row, low, high = tile
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
def _clipped(power: Power, tile: Tile, before: tuple[float, float, int], sample: Power) -> tuple[float, float, int]:
    """Return (mean, deviation, number) of a tile, or zeros if it holds no noise; `before` is the previous tile's."""
    if _is_constant(power, tile):
        return 0.0, 0.0, 0
    if before[2] > 0:
        # Most tiles are like the previous one, which is a better guess than a few samples.
        mean, deviation, kept = _clip(power, tile, before[0], LIKE_BEFORE_START * before[1])
        if (
            kept > LIKE_BEFORE_KEPT * (tile.stop_row - tile.first_row) * (tile.high - tile.low)
            and before[1] < LIKE_BEFORE_SIGMA * deviation
            and deviation < LIKE_BEFORE_SIGMA * before[1]
        ):
            return mean, deviation, kept
    centre, sigma, finite = _first_guess(power, tile, sample)
    if finite == 0 or sigma == 0:
        return 0.0, 0.0, 0
    mean, deviation, kept = _clip(power, tile, float(centre), float(sigma))
    return (mean, deviation, kept) if deviation > 0 else (0.0, 0.0, 0)


@njit(cache=True, nogil=True)
def tile_statistics(power: Power, edges: Indices, rows_per_tile: int, tiles: TileStatistics) -> None:
    """Compute the clipped mean and standard deviation of every tile, and look for samples that may be lost.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power; NaN and Inf drop out.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    rows_per_tile : int
        Spectra per tile.
    tiles : TileStatistics
        Receives the result.
    """
    level, scatter, number = tiles.level, tiles.scatter, tiles.number
    sample = np.empty(2 * GUESS_SAMPLES + 2, np.float32)
    for k in range(level.shape[0]):
        first_row, stop_row = k * rows_per_tile, min((k + 1) * rows_per_tile, power.shape[0])
        for b in range(len(edges) - 1):
            tile = Tile(first_row, stop_row, edges[b], edges[b + 1])
            tiles.irregular[k, b] = not is_regular(power, first_row, stop_row, edges[b], edges[b + 1])
            before = (level[k - 1, b], scatter[k - 1, b], number[k - 1, b]) if k > 0 else (0.0, 0.0, 0)
            mean, deviation, kept = _clipped(power, tile, before, sample)
            level[k, b], scatter[k, b], number[k, b] = mean, deviation, kept
            # While the samples are in the cache.
            count_samples(power, (first_row, stop_row), (edges[b], edges[b + 1]), (mean, deviation), tiles.counts[k, b])


@njit(cache=True, nogil=True)
def _interpolate(channel_0: int, count: int, centres: Floats, nodes: Floats, out: Floats) -> None:
    """Set out[i] to `nodes` interpolated at channel_0 + i, constant beyond the outer centres."""
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
def _normalise_row(source: Power, base: Power, gain: Power, offset: np.float32, target: Power) -> np.float32:
    """Set target to (source - base) * gain - offset, 0 where lost; return the number lost, of at most 2^24."""
    lost = np.float32(0.0)
    for i in range(len(source)):
        scaled = (source[i] - base[i]) * gain[i] - offset
        # Comparisons with NaN are false, so this also drops NaN and Inf (and values so large that sums overflow).
        good = abs(scaled) <= np.float32(1e15)
        target[i] = scaled if good else np.float32(0.0)
        # A count in float32 uses vectors of the same length as the samples.
        lost += np.float32(0.0) if good else np.float32(1.0)
    return lost


@njit(cache=True, nogil=True)
def normalise(power: Power, channels: tuple[int, int], nodes: Nodes, row_offset: Power, x: Power, pad: int) -> int:
    """Compute x = (power - level) / sigma - row offset; lost samples become 0.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power; NaN and Inf are lost samples.
    channels : tuple of int
        Which channels: (low, high), high excluded.
    nodes : Nodes
        Level and sigma, interpolated linearly between their nodes and constant beyond the outer ones.
    row_offset : float32 (T,)
        Common offset of each spectrum in units of sigma.
    x : float32 (T, channels + 2 * pad)
        Receives the result in columns [pad + low, pad + high).
    pad : int
        Columns before the first channel.

    Returns
    -------
    int
        Number of samples lost.
    """
    low, high = channels
    mean, spread = np.empty(_STRIP, np.float64), np.empty(_STRIP, np.float64)
    base, gain = np.empty(_STRIP, np.float32), np.empty(_STRIP, np.float32)
    lost = 0
    for begin in range(low, high, _STRIP):
        count = min(_STRIP, high - begin)
        _interpolate(begin, count, nodes.centres, nodes.level, mean)
        _interpolate(begin, count, nodes.centres, nodes.sigma, spread)
        for i in range(count):
            base[i] = mean[i]
            gain[i] = 1.0 / spread[i]
        for t in range(power.shape[0]):
            source, target = power[t, begin : begin + count], x[t, pad + begin : pad + begin + count]
            lost += int(_normalise_row(source, base, gain, row_offset[t], target))
    return lost


@njit(cache=True, nogil=True)
def blank_tiles(x: Power, pad: int, edges: Indices, row_ok: npt.NDArray[np.bool_]) -> int:
    """Set lost tiles (one spectrum by one block) to 0; return the number of their samples that were not 0 before."""
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
    """Replace the columns of DC spikes by the mean of their neighbours within the columns [first, stop)."""
    for t in range(x.shape[0]):
        for c in columns:
            left = x[t, c - 1] if c > first else np.float32(0.0)
            right = x[t, c + 1] if c + 1 < stop else np.float32(0.0)
            both = (c > first) + (c + 1 < stop)
            x[t, c] = (left + right) / max(both, 1)
