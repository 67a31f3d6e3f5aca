"""The blocks of channels and tiles of spectra in which noise is measured."""

import math

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
BLOCK_CHANNELS = 2048
NARROWEST_BLOCK = 1024
TILE_SAMPLES = 512
MOST_TILES_IN_TIME = 256


def noise_segments(first: int, stop: int, n_channels: int, coarse_width: int | None) -> list[Indices]:
    """Edges of the blocks in which noise is measured, a rising array for each coarse channel in [first, stop).

    Blocks lie on one grid per coarse channel (or per file), whatever part of it is read, so that a channel's noise does
    not depend on the chunk. What is cut off narrower than `NARROWEST_BLOCK` joins its neighbour.
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
    """Spectra in a tile of the noise measurement: one where a block of one spectrum holds enough samples."""
    wanted = max(math.ceil(TILE_SAMPLES / block_channels), math.ceil(n_spectra / MOST_TILES_IN_TIME))
    return min(wanted, n_spectra)
