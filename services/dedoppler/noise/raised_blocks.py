"""Blocks that an emission raises: their level is not the noise's."""

import numpy as np

from services.dedoppler.noise.emissions import EXCESS_SIGMA
from shared.arrays import Flags, Floats

# An emission raises so many blocks at most (24,576 channels), and at most this part of a coarse channel.
MOST_BLOCKS = 12
LARGEST_SHARE = 1 / 3
# Blocks on either side that show the level beside it.
BLOCKS_BESIDE = 3


def raised_blocks(level: Floats, scatter: Floats) -> Flags:
    """Return which blocks of one coarse channel lie above all of their neighbours on both sides.

    Parameters
    ----------
    level, scatter : float64 (blocks,)
        Mean and standard deviation of each block, raw units; NaN where a block holds no noise.

    Returns
    -------
    uint8 (blocks,)
        1 in runs of up to `MOST_BLOCKS` blocks of which each is higher than the three blocks on either side by
        `EXCESS_SIGMA` of their scatter; at the ends of a coarse channel there is no telling.
    """
    number = len(level)
    raised = np.zeros(number, np.uint8)
    if not _may_be_raised(level, scatter):
        return raised
    for width in range(1, min(MOST_BLOCKS, int(number * LARGEST_SHARE)) + 1):
        whole = 2 * BLOCKS_BESIDE + width
        if whole > number:
            break
        levels = np.lib.stride_tricks.sliding_window_view(level, whole)
        scatters = np.lib.stride_tricks.sliding_window_view(scatter, whole)
        inner = slice(BLOCKS_BESIDE, BLOCKS_BESIDE + width)
        beside = np.r_[0:BLOCKS_BESIDE, BLOCKS_BESIDE + width : whole]
        # Comparisons with NaN are false.
        limit = levels[:, beside].max(axis=1) + EXCESS_SIGMA * np.median(scatters[:, beside], axis=1)
        for start in np.flatnonzero(levels[:, inner].min(axis=1) > limit):
            raised[start + BLOCKS_BESIDE : start + BLOCKS_BESIDE + width] = 1
    return raised


def _may_be_raised(level: Floats, scatter: Floats) -> bool:
    """Return whether any block lies so much above the three before it, and any so much above the three after it.

    The least scatter of all stands for that of the blocks beside, so none is missed, and a band of noise needs no
    closer look.
    """
    if len(level) <= 2 * BLOCKS_BESIDE:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(level, BLOCKS_BESIDE)
    # The least of values that are not NaN; comparisons with NaN are false.
    limit = windows.max(axis=1) + EXCESS_SIGMA * np.fmin.reduce(scatter)
    return bool((level[BLOCKS_BESIDE:] > limit[:-1]).any() and (level[:-BLOCKS_BESIDE] > limit[1:]).any())
