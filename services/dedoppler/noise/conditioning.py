"""From a block of raw power to noise of mean 0 and sigma 1, with an account of what was lost."""

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels import conditioning
from services.dedoppler.noise.bandpass import POSITIVE_POWER_SIGMA, Bandpass, join_bandpass, nodes
from services.dedoppler.noise.blocks import noise_segments, rows_per_tile
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.header import Header
from shared.hits import ChunkNoise

Power = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

BLOCKS_PER_TASK = 64
CHANNELS_PER_TASK = 2**17
FEWEST_SPECTRA_TO_CALL_DEAD = 4
WORTH_A_WARNING = 1e-4


@dataclass(frozen=True)
class Conditioned:
    """Normalised power and how it came about.

    `x` is float32 (T, channels + 2 * pad) with zeros beyond the channels; `noise` goes into the results.
    """

    x: Power
    pad: int
    noise: ChunkNoise
    warnings: list[str]


# The block of normalised power that was given back last: to have fresh pages takes as long as to fill them.
_spare: list[Power] = []


def _block(n_spectra: int, columns: int, pad: int) -> Power:
    """float32 (T, columns), zeros in the first and last `pad` columns, anything between."""
    size = n_spectra * columns
    try:
        memory = _spare.pop()
    except IndexError:
        memory = np.empty(size, np.float32)
    if len(memory) < size:
        memory = np.empty(size, np.float32)
    block = memory[:size].reshape(n_spectra, columns)
    block[:, :pad] = 0.0
    block[:, columns - pad :] = 0.0
    return block


def give_back(conditioned: Conditioned) -> None:
    """Let the next chunk have the memory of `conditioned.x`, which nothing may use from here on."""
    if conditioned.x.base is not None:
        _spare[:] = [conditioned.x.base]


def _measure(power: Power, segments: list[Indices], tile_rows: int, pool: Executor) -> Bandpass | None:
    edges = np.unique(np.concatenate(segments))
    tiles, blocks = math.ceil(len(power) / tile_rows), len(edges) - 1
    level, scatter = np.empty((tiles, blocks)), np.empty((tiles, blocks))
    number = np.empty((tiles, blocks), np.int64)

    def one(low: int, high: int) -> None:
        conditioning.tile_statistics(
            power, edges[low : high + 1], tile_rows, level[:, low:high], scatter[:, low:high], number[:, low:high]
        )

    together(pool, one, slices(0, blocks, BLOCKS_PER_TASK))
    return join_bandpass(level, scatter, number)


def _dead_channels(
    power: Power, n_bits: int, good_spectra: int, zero_is_lost: bool, pool: Executor
) -> npt.NDArray[np.uint8]:
    """1 where a channel never changes, unless coarse samples may well do that by chance."""
    n_channels = power.shape[1]
    dead = np.zeros(n_channels, np.uint8)
    if good_spectra < FEWEST_SPECTRA_TO_CALL_DEAD and n_bits < 32:
        return dead
    equal = together(
        pool,
        lambda low, high: conditioning.dead_channels(power[:, low:high], zero_is_lost, dead[low:high]),
        slices(0, n_channels, CHANNELS_PER_TASK),
    )
    if n_channels * (sum(equal) / n_channels) ** (good_spectra - 1) > 0.01:
        dead[:] = 0
    return dead


def _normalise(
    power: Power,
    segments: list[Indices],
    bandpass: Bandpass,
    row_offset: Power,
    dead: npt.NDArray[np.uint8],
    zero_is_lost: bool,
    conditioned: tuple[Power, int],
    pool: Executor,
) -> int:
    x, pad = conditioned
    work, block = [], 0
    for edges in segments:
        part = slice(block, block + len(edges) - 1)
        block = part.stop
        centres, level = nodes(edges, bandpass.level[part], positive=False)
        _, sigma = nodes(edges, bandpass.sigma[part], positive=True)
        for low, high in slices(int(edges[0]), int(edges[-1]), CHANNELS_PER_TASK):
            work.append((power, low, high, centres, level, sigma, row_offset, dead, zero_is_lost, x, pad))
    return sum(together(pool, conditioning.normalise, work))


def condition(power: Power, header: Header, first_channel: int, pad: int, pool: Executor) -> Conditioned | None:
    """Take bandpass, scatter and common changes of level out of a block of an observation.

    Args:
        power: float32 (T, channels), raw, C-contiguous.
        header: of the whole file.
        first_channel: the file's channel of the first column.
        pad: columns of zeros to have on either side.
        pool: threads to work on.

    Returns:
        None where the block holds no noise at all (every sample is lost, or all are equal).
    """
    n_spectra, n_channels = power.shape
    stop_channel = first_channel + n_channels
    grid = noise_segments(first_channel, stop_channel, header.n_channels, header.coarse_channel_width)
    segments = [edges - first_channel for edges in grid]
    edges = np.unique(np.concatenate(segments))
    tile_rows = rows_per_tile(n_spectra, int(np.median(np.diff(edges))))
    bandpass = _measure(power, segments, tile_rows, pool)
    if bandpass is None:
        return None
    row_ok = np.repeat(bandpass.tile_ok, tile_rows, axis=0)[:n_spectra]
    # Where the level is lower, zeros may be samples.
    zero_is_lost = bool(np.median(bandpass.level) > POSITIVE_POWER_SIGMA * np.median(bandpass.sigma))
    dead = _dead_channels(power, header.n_bits, int(row_ok.any(axis=1).sum()), zero_is_lost, pool)
    row_offset = np.repeat(bandpass.tile_offset, tile_rows)[:n_spectra].astype(np.float32)
    x = _block(n_spectra, n_channels + 2 * pad, pad)
    lost = _normalise(power, segments, bandpass, row_offset, dead, zero_is_lost, (x, pad), pool)
    lost += conditioning.blank_tiles(x, pad, edges, row_ok)
    spikes = dc_channels(header, first_channel, stop_channel) - first_channel + pad
    conditioning.repair_spikes(x, spikes, pad, pad + n_channels)
    return Conditioned(x, pad, _noise(bandpass, lost, power.size, int(dead.sum())), _warnings(lost, power.size))


def _noise(bandpass: Bandpass, lost: int, samples: int, dead: int) -> ChunkNoise:
    return ChunkNoise(
        level=float(np.median(bandpass.level)),
        sigma=float(np.median(bandpass.sigma)),
        largest_row_offset_sigma=float(np.abs(bandpass.tile_offset).max()),
        lost_fraction=lost / samples,
        dead_channels=dead,
    )


def _warnings(lost: int, samples: int) -> list[str]:
    if lost < WORTH_A_WARNING * samples and lost < 1000:
        return []
    return [f"{100 * lost / samples:.3g} % of a chunk's samples are lost (NaN, zero or constant) and were left out."]
