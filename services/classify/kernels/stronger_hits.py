"""Which hits are side lobes or ragged edges of a stronger hit."""

from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Floats, Indices

# Leakage of a strong tone is seen within so many channels, at up to this part of its SNR.
SIDE_LOBE_CHANNELS, SIDE_LOBE_RATIO = 256, 0.1
# Along the edges of a signal at least so wide there are hits with up to this part of its SNR.
WIDE_CHANNELS, RAGGED_EDGE_RATIO = 16, 0.5


class Boxes(NamedTuple):
    """Hits in order of channel: channel, drift steps, width and SNR of each, all (n,)."""

    channel: Indices
    steps: Indices
    width: Indices
    snr: Floats


@njit(cache=True, nogil=True)
def strongest_source(boxes: Boxes, like_drift_steps: float) -> Indices:
    """Return for each hit the strongest hit of which it is a side lobe or a ragged edge; -1 for none.

    Parameters
    ----------
    boxes : Boxes
        The hits.
    like_drift_steps : float
        Drifts that differ by at most so many steps, or an eighth of the stronger hit's width, are alike.

    Returns
    -------
    int64 (n,)
        Index of a hit; of equally strong ones the first.
    """
    found = np.full(len(boxes.snr), -1, np.int64)
    first = 0
    for i in range(len(found)):
        while boxes.channel[first] < boxes.channel[i] - SIDE_LOBE_CHANNELS:
            first += 1
        best = -np.inf
        for near in range(first, len(found)):
            if boxes.channel[near] > boxes.channel[i] + SIDE_LOBE_CHANNELS:
                break
            if boxes.snr[near] > best and _is_of(boxes, i, near, like_drift_steps):
                best, found[i] = boxes.snr[near], near
    return found


@njit(cache=True, nogil=True)
def _is_of(boxes: Boxes, i: int, near: int, like_drift_steps: float) -> bool:
    """Return whether hit `i` is a side lobe or a ragged edge of hit `near`."""
    width = boxes.width[near]
    if abs(boxes.steps[near] - boxes.steps[i]) > max(like_drift_steps, width / 8):
        return False
    if boxes.snr[near] * SIDE_LOBE_RATIO >= boxes.snr[i]:
        return True
    away = abs(boxes.channel[near] + width / 2 - boxes.channel[i] - boxes.width[i] / 2)
    is_edge: bool = width >= WIDE_CHANNELS and away <= width and boxes.snr[near] * RAGGED_EDGE_RATIO >= boxes.snr[i]
    return is_edge
