"""The blocks of channels and tiles of spectra in which noise is measured."""

import math

import numpy as np

from shared.arrays import Indices

# Usual width of a block, and the least width of a block that the edge of a chunk cuts off.
BLOCK_CHANNELS = 2048
NARROWEST_BLOCK = 1024
# Samples that a tile should have at least, and the number of tiles in time that is enough.
TILE_SAMPLES = 512
MOST_TILES_IN_TIME = 256


def noise_segments(first: int, stop: int, n_channels: int, coarse_width: int | None) -> list[Indices]:
    """Return the edges of the blocks in which noise is measured.

    Blocks lie on one grid per coarse channel (or per file), whatever part of it is read, so that a channel's noise does
    not depend on the chunk. A remainder of at most `NARROWEST_BLOCK` channels joins its neighbour.

    Parameters
    ----------
    first, stop : int
        Channels that were read, `stop` excluded.
    n_channels : int
        Of the file.
    coarse_width : int or None
        Fine channels of a coarse channel; None for a file without coarse channels.

    Returns
    -------
    list of int64 (blocks + 1,)
        Rising edges, one array for each coarse channel in [first, stop).
    """
    width = coarse_width or n_channels
    segments = []
    for start in range(first // width * width, stop, width):
        end = min(start + width, n_channels)
        count = max(1, round((end - start) / BLOCK_CHANNELS))
        grid = start + np.round(np.arange(count + 1) * ((end - start) / count)).astype(np.int64)
        inner = grid[(grid > max(start, first) + NARROWEST_BLOCK) & (grid < min(end, stop) - NARROWEST_BLOCK)]
        segments.append(np.concatenate([[max(start, first)], inner, [min(end, stop)]]).astype(np.int64))
    return segments


def rows_per_tile(n_spectra: int, block_channels: int) -> int:
    """Return the spectra of a tile: one if a block of one spectrum holds enough samples."""
    wanted = max(math.ceil(TILE_SAMPLES / block_channels), math.ceil(n_spectra / MOST_TILES_IN_TIME))
    return min(wanted, n_spectra)
