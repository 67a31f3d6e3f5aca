"""The waterfall of one chunk: a coarse picture of its normalised power."""

from concurrent.futures import Executor

import numpy as np

from services.dedoppler.kernels import pictures
from services.dedoppler.kernels.pictures import Grid
from services.dedoppler.noise.conditioning import Conditioned
from services.dedoppler.slices import equal_edges, slices
from services.dedoppler.threads import together
from shared.arrays import Power
from shared.events import Chunk
from shared.header import Header

BINS_PER_TASK = 256
WATERFALL_ROWS = 64
WATERFALL_BINS = 2048
FEWEST_WATERFALL_BINS = 64


def waterfall_shape(n_spectra: int, n_channels: int, chunk_count: int) -> tuple[int, int]:
    """Return (rows, bins) of a chunk's waterfall: enough for a picture with all chunks of an observation."""
    bins = max(FEWEST_WATERFALL_BINS, WATERFALL_BINS // chunk_count)
    return min(n_spectra, WATERFALL_ROWS), min(n_channels, bins)


def waterfall(conditioned: Conditioned, header: Header, chunk: Chunk, pool: Executor) -> Power:
    """Compute the waterfall of the chunk's own channels.

    Returns
    -------
    float32 (rows, bins)
        Maximum over the channels of a bin of the mean over a row's spectra, in units of sigma.
    """
    own = chunk.stop_channel - chunk.start_channel
    rows, bins = waterfall_shape(header.n_spectra, own, chunk.count)
    out = np.empty((rows, bins), np.float32)
    first = chunk.start_channel - chunk.read_start_channel + conditioned.pad
    grid = Grid(first, equal_edges(own, bins), equal_edges(header.n_spectra, rows))
    together(
        pool,
        lambda low, high: pictures.waterfall(conditioned.x, grid, low, high, out),
        slices(0, bins, BINS_PER_TASK),
    )
    return out
