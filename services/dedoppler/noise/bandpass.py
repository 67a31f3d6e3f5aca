"""The bandpass: level and scatter of the noise in each block of channels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.arrays import Flags, Floats, Indices

SIGMA_SMOOTHING_BLOCKS = 5
# Detected power is this many scatters above zero or more, unless a mean was subtracted.
POSITIVE_POWER_SIGMA = 5.0


@dataclass(frozen=True)
class Bandpass:
    """Level and scatter of the noise.

    Attributes
    ----------
    level, sigma : float64 (blocks,)
        Raw units.
    tile_offset : float64 (tiles in time,)
        Common offset of each tile of spectra in units of sigma.
    tile_ok : bool (tiles in time, blocks)
        Which tiles hold noise.
    """

    level: Floats
    sigma: Floats
    tile_offset: Floats
    tile_ok: npt.NDArray[np.bool_]


def join_bandpass(level: Floats, scatter: Floats, number: Indices, raised: Flags | None = None) -> Bandpass | None:
    """Join the statistics of tiles.

    A block's level is the mean over its good tiles, its scatter their median. Its sigma comes from its nearest five
    blocks, so that a bright tone that stays in one block is not mistaken for noise: the median of their scatter in
    units of their level, which does not depend on the band's shape, times its own level. Blocks without noise are
    interpolated between their neighbours. Spectra may be brighter or fainter as a whole: that is their offset.

    Parameters
    ----------
    level, scatter : float64 (tiles in time, blocks)
        Mean and standard deviation, raw units.
    number : int64 (tiles in time, blocks)
        Number of samples; 0 where a tile holds no noise.
    raised : uint8 (blocks,) or None
        Blocks whose level and scatter are an emission's: they are interpolated too.

    Returns
    -------
    Bandpass or None
        None if no tile holds noise.
    """
    ok = number > 0
    usable = ok.any(axis=0)
    if not usable.any():
        return None
    if raised is not None:
        usable &= raised == 0
    masked_level, masked_scatter = np.where(ok, level, np.nan)[:, usable], np.where(ok, scatter, np.nan)[:, usable]
    at, blocks = np.flatnonzero(usable), np.arange(level.shape[1])
    good_level, good_scatter = np.nanmean(masked_level, axis=0), median(masked_scatter, 0)
    # If a mean was subtracted from the power, the level says nothing about the scatter.
    detected = good_level.min() > 0 and np.median(good_level / good_scatter) > POSITIVE_POWER_SIGMA
    gain = good_level if detected else np.ones(len(at))
    block_level = np.interp(blocks, at, good_level)
    block_sigma = np.interp(blocks, at, gain * _running_median(good_scatter / gain, SIGMA_SMOOTHING_BLOCKS))
    deviation = (masked_level - block_level[usable]) / block_sigma[usable]
    alive = ok.any(axis=1)
    offset = np.zeros(len(level))
    offset[alive] = median(deviation[alive], 1)
    return Bandpass(block_level, block_sigma, offset, ok)


def median(values: Floats, axis: int) -> Floats:
    """Return the median with NaN left out; without NaN much faster than NumPy's."""
    middle: Floats = np.nanmedian(values, axis) if np.isnan(values).any() else np.median(values, axis)
    return middle


def _running_median(values: Floats, window: int) -> Floats:
    """Return the median of each value and its neighbours, `window` in all; at the ends more are from one side."""
    windows = np.lib.stride_tricks.sliding_window_view(values, min(window, len(values)))
    medians = np.median(windows, axis=1)
    return medians[np.clip(np.arange(len(values)) - window // 2, 0, len(medians) - 1)]


def nodes(edges: Indices, values: Floats, *, positive: bool) -> tuple[Floats, Floats]:
    """Return the channels and values of a segment's nodes.

    There is one node at the middle of each block. With two blocks or more there is one at each end too, extrapolated
    along the slope there.

    Parameters
    ----------
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    values : float64 (blocks,)
        Value of each block.
    positive : bool
        Keep the ends at half of their neighbours' values or above.

    Returns
    -------
    tuple of two float64 (nodes,)
        Channels and values.
    """
    centres = (edges[:-1] + edges[1:] - 1) / 2
    if len(values) == 1:
        return centres, values
    ends = np.array([edges[0] - 0.5, edges[-1] - 0.5])
    slopes = np.diff(values)[[0, -1]] / np.diff(centres)[[0, -1]]
    outer = values[[0, -1]] + slopes * (ends - centres[[0, -1]])
    if positive:
        outer = np.maximum(outer, values[[0, -1]] / 2)
    return np.concatenate([ends[:1], centres, ends[1:]]), np.concatenate([outer[:1], values, outer[1:]])
