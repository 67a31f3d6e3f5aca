"""From raw power to noise of mean 0 and sigma 1, with a count of the lost samples."""

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from services.dedoppler.kernels import conditioning
from services.dedoppler.kernels.conditioning import Losses, Nodes
from services.dedoppler.noise.bandpass import POSITIVE_POWER_SIGMA, Bandpass, join_bandpass, nodes
from services.dedoppler.noise.blocks import noise_segments, rows_per_tile
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Indices, Power
from shared.header import Header
from shared.hits import ChunkNoise

BLOCKS_PER_TASK = 64
CHANNELS_PER_TASK = 2**17
FEWEST_SPECTRA_TO_CALL_DEAD = 4
# Part of the samples, and number of samples, whose loss is reported.
WORTH_A_WARNING = 1e-4
MANY_SAMPLES = 1000


@dataclass(frozen=True)
class Conditioned:
    """Normalised power, and statistics of the noise.

    Attributes
    ----------
    x : float32 (T, channels + 2 * pad)
        Power of mean 0 and sigma 1, with zeros beyond the channels.
    pad : int
        Columns before the first channel and after the last.
    noise : ChunkNoise
        Figures for the results.
    warnings : list of str
        Sentences for the user.
    """

    x: Power
    pad: int
    noise: ChunkNoise
    warnings: list[str]


def _padded(scratch: Scratch, n_spectra: int, columns: int, pad: int) -> Power:
    """Return float32 (T, columns): zeros in the first and last `pad` columns, arbitrary values between."""
    x = scratch.take(n_spectra * columns).reshape(n_spectra, columns)
    x[:, :pad] = 0.0
    x[:, columns - pad :] = 0.0
    return x


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


def _dead_channels(power: Power, n_bits: int, good_spectra: int, zero_is_lost: bool, pool: Executor) -> Flags:
    """Return 1 where a channel never changes, or all 0 if samples of few bits are likely to do that by chance."""
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
    power: Power, segments: list[Indices], bandpass: Bandpass, losses: Losses, target: tuple[Power, int], pool: Executor
) -> int:
    """Fill in `target`, (x, pad); return the number of samples lost."""
    x, pad = target
    work, block = [], 0
    for edges in segments:
        part = slice(block, block + len(edges) - 1)
        block = part.stop
        centres, level = nodes(edges, bandpass.level[part], positive=False)
        _, sigma = nodes(edges, bandpass.sigma[part], positive=True)
        of_segment = Nodes(centres, level, sigma)
        for low, high in slices(int(edges[0]), int(edges[-1]), CHANNELS_PER_TASK):
            work.append((power, (low, high), of_segment, losses, x, pad))
    return sum(together(pool, conditioning.normalise, work))


def condition(
    power: Power, header: Header, first_channel: int, pad: int, pool: Executor, scratch: Scratch
) -> Conditioned | None:
    """Remove bandpass, scatter and common changes of level from part of an observation.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, C-contiguous.
    header : Header
        Of the whole file.
    first_channel : int
        The file's channel of the first column.
    pad : int
        Columns of zeros to add on either side.
    pool : Executor
        Threads to work on.
    scratch : Scratch
        Lends the memory of the result; the caller gives `x` back to it.

    Returns
    -------
    Conditioned or None
        None if there is no noise (every sample is lost, or all are equal).
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
    # At a lower level, zeros may be valid samples.
    zero_is_lost = bool(np.median(bandpass.level) > POSITIVE_POWER_SIGMA * np.median(bandpass.sigma))
    dead = _dead_channels(power, header.n_bits, int(row_ok.any(axis=1).sum()), zero_is_lost, pool)
    row_offset = np.repeat(bandpass.tile_offset, tile_rows)[:n_spectra].astype(np.float32)
    x = _padded(scratch, n_spectra, n_channels + 2 * pad, pad)
    losses = Losses(row_offset, dead, zero_is_lost)
    lost = _normalise(power, segments, bandpass, losses, (x, pad), pool)
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
    if lost < WORTH_A_WARNING * samples and lost < MANY_SAMPLES:
        return []
    return [f"{100 * lost / samples:.3g} % of a chunk's samples are lost (NaN, zero or constant) and were left out."]
