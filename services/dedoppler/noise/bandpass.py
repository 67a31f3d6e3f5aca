"""The bandpass: level and scatter of the noise by block of channels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
SIGMA_SMOOTHING_BLOCKS = 5
# Detected power is positive and far above zero in units of its scatter, unless a mean was subtracted.
POSITIVE_POWER_SIGMA = 5.0


@dataclass(frozen=True)
class Bandpass:
    """Level and scatter per block, raw units, and the common offset of each tile of spectra in units of sigma.

    `tile_ok` (tiles in time, blocks) says which tiles hold noise.
    """

    level: Floats
    sigma: Floats
    tile_offset: Floats
    tile_ok: npt.NDArray[np.bool_]


def join_bandpass(level: Floats, scatter: Floats, number: Indices) -> Bandpass | None:
    """Join the statistics of tiles, each (tiles in time, blocks), `number` 0 where a tile holds no noise.

    A block's level is the mean over its good tiles, its scatter their median. Its sigma comes from its nearest five
    blocks, so that a bright tone that stays in one does not pass for noise: the median of their scatter in units of
    their level, which the band's shape leaves alone, times its own level. Blocks without noise take their nearest
    neighbours'. Spectra may be brighter or fainter as a whole: that is their offset. None if there is no noise at all.
    """
    ok = number > 0
    usable = ok.any(axis=0)
    if not usable.any():
        return None
    masked_level, masked_scatter = np.where(ok, level, np.nan)[:, usable], np.where(ok, scatter, np.nan)[:, usable]
    at, blocks = np.flatnonzero(usable), np.arange(level.shape[1])
    good_level, good_scatter = np.nanmean(masked_level, axis=0), np.nanmedian(masked_scatter, axis=0)
    # Where a mean was subtracted from the power, level says nothing of scatter.
    detected = good_level.min() > 0 and np.median(good_level / good_scatter) > POSITIVE_POWER_SIGMA
    gain = good_level if detected else np.ones(len(at))
    block_level = np.interp(blocks, at, good_level)
    block_sigma = np.interp(blocks, at, gain * _running_median(good_scatter / gain, SIGMA_SMOOTHING_BLOCKS))
    deviation = (masked_level - block_level[usable]) / block_sigma[usable]
    alive = ok.any(axis=1)
    offset = np.zeros(len(level))
    offset[alive] = np.nanmedian(deviation[alive], axis=1)
    return Bandpass(block_level, block_sigma, offset, ok)


def _running_median(values: Floats, window: int) -> Floats:
    """Median of the `window` values nearest to each: itself and its neighbours, at the ends more from one side."""
    windows = np.lib.stride_tricks.sliding_window_view(values, min(window, len(values)))
    medians = np.median(windows, axis=1)
    return medians[np.clip(np.arange(len(values)) - window // 2, 0, len(medians) - 1)]


def nodes(edges: Indices, values: Floats, *, positive: bool) -> tuple[Floats, Floats]:
    """Places and values of a bandpass in one segment: at the blocks' middles, and at the ends by the end's slope."""
    centres = (edges[:-1] + edges[1:] - 1) / 2
    if len(values) == 1:
        return centres, values
    ends = np.array([edges[0] - 0.5, edges[-1] - 0.5])
    slopes = np.diff(values)[[0, -1]] / np.diff(centres)[[0, -1]]
    outer = values[[0, -1]] + slopes * (ends - centres[[0, -1]])
    if positive:
        outer = np.maximum(outer, values[[0, -1]] / 2)
    return np.concatenate([ends[:1], centres, ends[1:]]), np.concatenate([outer[:1], values, outer[1:]])
