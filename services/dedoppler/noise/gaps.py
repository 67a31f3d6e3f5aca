"""Lists where samples are lost, and which spectra are brighter or fainter than the others, for the user."""

from itertools import pairwise

import numpy as np

from services.dedoppler.kernels import gaps as kernels
from services.dedoppler.slices import runs
from shared.arrays import Floats, Indices, Power
from shared.hits import GainChange, Gap

# Lost samples with so many others between them are one gap; fewer lost samples than `LEAST_RUN` are none.
JOIN_CHANNELS, LEAST_RUN = 8, 4
# Boxes that are followed, and the largest ones that are listed.
MOST_BOXES, MOST_LISTED = 4096, 64
# Gains that differ by less are one, and changes by less are not listed.
LIKE_GAIN, LEAST_GAIN = 0.1, 0.05


def find_gaps(power: Power, low: int, high: int, first_channel: int) -> tuple[tuple[Gap, ...], int]:
    """Return the largest gaps, largest first, and the number of lost samples in none of them.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, NaN or Inf where a sample is lost.
    low, high : int
        Channels to look at, `high` excluded.
    first_channel : int
        The file's channel of the first column.
    """
    part = power[:, low:high]
    n_spectra, n_channels = part.shape
    spectra = kernels.lost_spectra(part)
    if spectra.all():
        return (Gap(first_channel + low, first_channel + high, 0, n_spectra, part.size),), 0
    channels = kernels.lost_channels(part, spectra)
    boxes, others = kernels.gap_boxes(part, spectra, channels, JOIN_CHANNELS, LEAST_RUN, MOST_BOXES)
    found = [(0, n_channels, a, b, (b - a) * n_channels) for a, b in runs(spectra, gap=0)]
    found += [(a, b, 0, n_spectra, (b - a) * n_spectra) for a, b in runs(channels, gap=0)]
    found += [(int(a), int(b), int(t), int(u), int(n)) for a, b, t, u, n in boxes]
    found.sort(key=lambda box: (-box[4], box))
    listed = tuple(
        Gap(first_channel + low + a, first_channel + low + b, t, u, n) for a, b, t, u, n in found[:MOST_LISTED]
    )
    return listed, others + sum(box[4] for box in found[MOST_LISTED:])


def gain_changes(gain: Floats, edges: Indices, first_channel: int) -> tuple[GainChange, ...]:
    """Return the largest changes of gain, in order of channel and spectrum.

    Parameters
    ----------
    gain : float64 (T, blocks)
        Of each spectrum in units of the usual; NaN where a spectrum is lost.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end; blocks without a channel are not looked at.
    first_channel : int
        The file's channel of the first column.
    """
    if not (np.abs(gain - 1) > LEAST_GAIN).any():
        return ()
    height = np.log(gain)
    apart = np.nan_to_num(np.abs(np.diff(height, axis=1))).max(axis=0, initial=0.0) > LIKE_GAIN
    bounds = [0, *(np.flatnonzero(apart) + 1).tolist(), gain.shape[1]]
    found = []
    for low, high in pairwise(bounds):
        if edges[low] == edges[high]:
            continue
        for first, stop, value in _changes_of(_above_usual(np.median(height[:, low:high], axis=1))):
            channels = int(edges[low]) + first_channel, int(edges[high]) + first_channel
            found.append(GainChange(*channels, first, stop, round(float(np.exp(value)), 4)))
    found.sort(key=lambda one: (-abs(np.log(one.factor)) * one.samples, one))
    return tuple(sorted(found[:MOST_LISTED]))


def _above_usual(height: Floats) -> Floats:
    """Return values less the lower quartile: a receiver is brighter for a while more often than fainter."""
    above: Floats = height - np.nanquantile(height, 0.25, method="lower")
    return above


def _changes_of(height: Floats) -> list[tuple[int, int, float]]:
    """Return (first, stop, mean) of the stretches of spectra whose values are alike and not zero."""
    found, start = [], 0
    for t in range(1, len(height) + 1):
        if t < len(height) and abs(height[t] - height[start]) <= LIKE_GAIN:
            continue
        mean = float(np.mean(height[start:t]))
        if abs(mean) > LEAST_GAIN:
            found.append((start, t, mean))
        start = t
    return found
