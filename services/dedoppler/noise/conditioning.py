"""From raw power to noise of mean 0 and sigma 1, with a count of the lost samples."""

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from services.dedoppler.kernels import conditioning
from services.dedoppler.kernels.conditioning import Nodes
from services.dedoppler.kernels.conditioning import TileStatistics as Tiles
from services.dedoppler.noise.bandpass import Bandpass, join_bandpass, nodes
from services.dedoppler.noise.blocks import noise_segments, rows_per_tile
from services.dedoppler.noise.crowded_blocks import take_out_lines
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.noise.gains import Gains, Spectra, equalise_spectra, take_out_gains
from services.dedoppler.noise.lost_samples import mark_dead_channels, mark_zeros_and_runs
from services.dedoppler.noise.quantum import quantum_of
from services.dedoppler.noise.raised_blocks import raised_blocks
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.noise.wide_structure import GROUP_CHANNELS, Stretch
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Indices, Power
from shared.header import Header
from shared.hits import ChunkNoise

BLOCKS_PER_TASK = 64
# Samples of fewer bits are often equal to their neighbours.
FLOAT_BITS = 32
CHANNELS_PER_TASK = 2**17


@dataclass(frozen=True)
class Conditioned:
    """Normalised power, and statistics of the noise.

    Attributes
    ----------
    x : float32 (T, channels + 2 * pad)
        Power of mean 0 and sigma 1, with zeros beyond the channels.
    pad : int
        Columns before the first channel and after the last.
    spectra : Spectra
        Gain and weight of each spectrum.
    noise : ChunkNoise
        Figures for the results.
    stretches : list of Stretch
        The coarse channels, and their bandpass.
    crowded : list of (int, int)
        Columns [first, stop) with so many lines that wide structure can't be told from them.
    """

    x: Power
    pad: int
    spectra: Spectra
    noise: ChunkNoise
    stretches: list[Stretch]
    crowded: list[tuple[int, int]]


def _padded(scratch: Scratch, n_spectra: int, columns: int, pad: int) -> Power:
    """Return float32 (T, columns): zeros in the first and last `pad` columns, arbitrary values between."""
    x = scratch.take(n_spectra * columns).reshape(n_spectra, columns)
    x[:, :pad] = 0.0
    x[:, columns - pad :] = 0.0
    return x


def _measure(power: Power, header: Header, edges: Indices, tile_rows: int, pool: Executor) -> tuple[Tiles, Flags]:
    """Measure the blocks between `edges` without lost samples, which become NaN; return also the dead channels."""
    shape = math.ceil(len(power) / tile_rows), len(edges) - 1
    tiles = Tiles(
        level=np.empty(shape),
        scatter=np.empty(shape),
        number=np.empty(shape, np.int64),
        irregular=np.empty(shape, np.bool_),
        counts=np.empty((*shape, 6)),
    )

    def measure(low: int, high: int) -> None:
        blocks = slice(low, high)
        part = Tiles(
            tiles.level[:, blocks],
            tiles.scatter[:, blocks],
            tiles.number[:, blocks],
            tiles.irregular[:, blocks],
            tiles.counts[:, blocks],
        )
        conditioning.tile_statistics(power, edges[low : high + 1], tile_rows, part)

    if header.n_bits < FLOAT_BITS:
        # Equal neighbours are common, so every block has to be looked at.
        mark_zeros_and_runs(power, header, [(0, power.shape[1])], pool)
    together(pool, measure, slices(0, shape[1], BLOCKS_PER_TASK))
    again = np.zeros(shape[1], np.uint8)
    if header.n_bits >= FLOAT_BITS:
        # A run may begin or end in the block beside the one that shows it.
        irregular = np.logical_or.reduce(tiles.irregular).astype(np.uint8)
        again |= irregular
        again[:-1] |= irregular[1:]
        again[1:] |= irregular[:-1]
        ranges = [(int(edges[low]), int(edges[high])) for low, high in runs(again, gap=0)]
        if ranges:
            mark_zeros_and_runs(power, header, ranges, pool)
    dead = mark_dead_channels(power, header.n_bits, pool)
    again[np.searchsorted(edges, np.flatnonzero(dead != 0), side="right") - 1] = 1
    together(pool, measure, [piece for low, high in runs(again, gap=0) for piece in slices(low, high, BLOCKS_PER_TASK)])
    return tiles, dead


def _normalise(
    power: Power, shapes: list[tuple[Indices, Nodes]], row_offset: Power, target: tuple[Power, int], pool: Executor
) -> int:
    """Fill in `target`, (x, pad); return the number of samples lost."""
    x, pad = target
    work = [
        (power, piece, shape, row_offset, x, pad)
        for edges, shape in shapes
        for piece in slices(int(edges[0]), int(edges[-1]), CHANNELS_PER_TASK)
    ]
    return sum(together(pool, conditioning.normalise, work))


def _shapes(segments: list[Indices], bandpass: Bandpass) -> list[tuple[Indices, Nodes]]:
    """Return each segment's edges and its bandpass."""
    shapes, block = [], 0
    for edges in segments:
        part = slice(block, block + len(edges) - 1)
        block = part.stop
        centres, level = nodes(edges, bandpass.level[part], positive=False)
        _, sigma = nodes(edges, bandpass.sigma[part], positive=True)
        shapes.append((edges, Nodes(centres, level, sigma)))
    return shapes


def _stretches(
    shapes: list[tuple[Indices, Nodes]], header: Header, first_channel: int, pad: int, quantum: float
) -> list[Stretch]:
    """Return the segments in columns of the normalised power."""
    width = header.coarse_channel_width or header.n_channels
    stretches = []
    for edges, shape in shapes:
        start = first_channel + int(edges[0])
        after = -(start % width) % GROUP_CHANNELS
        first, stop = int(edges[0]) + pad, int(edges[-1]) + pad
        bandpass = Nodes(shape.centres + pad, shape.level, shape.sigma)
        stretches.append(Stretch(first, stop, first + after, bandpass, quantum))
    return stretches


def _raised(tiles: Tiles, segments: list[Indices]) -> Flags:
    """Return the blocks that an emission raises."""
    number = tiles.number
    kept = np.maximum(np.count_nonzero(number, axis=0), 1)
    level = np.where(number > 0, tiles.level, 0.0).sum(axis=0) / kept
    scatter = np.where(number > 0, tiles.scatter, 0.0).sum(axis=0) / kept
    level[~(number > 0).any(axis=0)] = np.nan
    stops = np.cumsum([len(edges) - 1 for edges in segments])
    parts = [slice(stop - len(edges) + 1, stop) for stop, edges in zip(stops, segments, strict=True)]
    return np.concatenate([raised_blocks(level[part], scatter[part]) for part in parts])


def condition(
    power: Power, header: Header, first_channel: int, pad: int, pool: Executor, scratch: Scratch
) -> Conditioned | None:
    """Remove bandpass, scatter and common changes of level from part of an observation.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, C-contiguous; lost samples are set to NaN in place.
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
    tiles, dead = _measure(power, header, edges, tile_rows, pool)
    quantum = quantum_of(power)
    crowded = take_out_lines(power, tiles, edges, tile_rows, header, pool)
    gains = take_out_gains(power, tiles, edges, tile_rows, pool)
    bandpass = join_bandpass(tiles.level, tiles.scatter, tiles.number, _raised(tiles, segments))
    if bandpass is None:
        return None
    row_ok = np.repeat(bandpass.tile_ok, tile_rows, axis=0)[:n_spectra]
    row_offset = np.repeat(bandpass.tile_offset, tile_rows)[:n_spectra].astype(np.float32)
    x = _padded(scratch, n_spectra, n_channels + 2 * pad, pad)
    shapes = _shapes(segments, bandpass)
    lost = _normalise(power, shapes, row_offset, (x, pad), pool)
    lost += conditioning.blank_tiles(x, pad, edges, row_ok)
    spectra = equalise_spectra(x, pad, gains, row_ok, pool)
    spikes = dc_channels(header, first_channel, stop_channel) - first_channel + pad
    conditioning.repair_spikes(x, spikes, pad, pad + n_channels)
    noise = _noise(bandpass, gains, lost, power.size, int(np.count_nonzero(dead)))
    columns = [(int(edges[low]) + pad, int(edges[high]) + pad) for low, high in runs(crowded, gap=0)]
    stretches = _stretches(shapes, header, first_channel, pad, quantum)
    return Conditioned(x, pad, spectra, noise, stretches, columns)


def _noise(bandpass: Bandpass, gains: Gains, lost: int, samples: int, dead: int) -> ChunkNoise:
    gain, level_sigma = np.median(gains.gain, axis=1), float(np.median(bandpass.level / bandpass.sigma))
    # The offset of the raw power: before its gain was taken out.
    offset = gain * (level_sigma + bandpass.tile_offset) - level_sigma
    alive = bandpass.tile_ok.any(axis=1)
    return ChunkNoise(
        level=float(np.median(bandpass.level)),
        sigma=float(np.median(bandpass.sigma)),
        largest_row_offset_sigma=float(np.abs(offset[alive]).max()),
        lost_fraction=lost / samples,
        dead_channels=dead,
    )
