"""Where samples are lost: whole channels, whole spectra, and boxes round what is left.

A sample is lost if it is NaN or infinite.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Flags, Indices, Power

_LARGEST = np.finfo(np.float32).max


class Boxes(NamedTuple):
    """Boxes that grow from one spectrum to the next.

    Attributes
    ----------
    edges : int64 (boxes, 5)
        Each (first channel, stop channel, first spectrum, stop spectrum, lost samples).
    active : int64 (boxes,)
        Which boxes were met in the last spectrum.
    """

    edges: Indices
    active: Indices


@njit(cache=True, nogil=True)
def lost_spectra(power: Power) -> Flags:
    """Return 1 for each spectrum without a sample: uint8 (T,)."""
    out = np.ones(power.shape[0], np.uint8)
    for t in range(power.shape[0]):
        for c in range(power.shape[1]):
            if abs(power[t, c]) <= _LARGEST:
                out[t] = 0
                break
    return out


@njit(cache=True, nogil=True)
def lost_channels(power: Power, lost: Flags) -> Flags:
    """Return 1 for each channel without a sample: uint8 (channels,); `lost` spectra are not looked at."""
    out = np.ones(power.shape[1], np.uint8)
    for t in range(power.shape[0]):
        if lost[t]:
            continue
        row = power[t]
        for c in range(len(row)):
            out[c] &= not abs(row[c]) <= _LARGEST
    return out


@njit(cache=True, nogil=True)
def _next_run(row: Power, lost: Flags, start: int, join: int) -> tuple[int, int, int]:
    """Return (first, stop, lost samples) of the next run from `start` on; runs within `join` channels are one.

    Lost channels neither belong to a run nor end it.
    """
    first, stop, number, between = -1, -1, 0, 0
    for c in range(start, len(row)):
        if lost[c]:
            continue
        if abs(row[c]) <= _LARGEST:
            between += 1
            if number > 0 and between > join:
                break
            continue
        if number == 0:
            first = c
        stop, number, between = c + 1, number + 1, 0
    return first, stop, number


@njit(cache=True, nogil=True)
def gap_boxes(power: Power, spectra: Flags, channels: Flags, join: int, least: int, most: int) -> tuple[Indices, int]:
    """Put boxes round the lost samples outside of lost spectra and channels.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power.
    spectra, channels : uint8 (T,), uint8 (channels,)
        1 where all is lost.
    join : int
        Lost samples with so many others between them are one run.
    least : int
        Runs of fewer lost samples have no box.
    most : int
        Largest number of boxes.

    Returns
    -------
    int64 (boxes, 5), int
        Each (first channel, stop channel, first spectrum, stop spectrum, lost samples); and the number of lost samples
        in no box.
    """
    boxes = Boxes(np.empty((most, 5), np.int64), np.empty(most, np.int64))
    met, number, n_active, others = np.zeros(most, np.int64), 0, 0, 0
    for t in range(power.shape[0]):
        if spectra[t]:
            continue
        n_met, at = 0, 0
        first, stop, lost = _next_run(power[t], channels, 0, join)
        while lost > 0:
            while at < n_active and boxes.edges[boxes.active[at], 1] + join < first:
                at += 1
            if lost < least:
                others += lost
            elif at < n_active and boxes.edges[boxes.active[at], 0] - join <= stop:
                box = boxes.edges[boxes.active[at]]
                box[0], box[1], box[3], box[4] = min(box[0], first), max(box[1], stop), t + 1, box[4] + lost
                if n_met == 0 or met[n_met - 1] != boxes.active[at]:
                    met[n_met] = boxes.active[at]
                    n_met += 1
            elif number < most:
                boxes.edges[number] = np.array([first, stop, t, t + 1, lost])
                met[n_met] = number
                n_met += 1
                number += 1
            else:
                others += lost
            first, stop, lost = _next_run(power[t], channels, stop, join)
        boxes.active[:n_met] = met[:n_met]
        n_active = n_met
    return boxes.edges[:number].copy(), others
