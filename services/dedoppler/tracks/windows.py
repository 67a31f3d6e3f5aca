"""The channels that are read around tracks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.dedoppler.noise.blocks import BLOCK_CHANNELS, NARROWEST_BLOCK, noise_segments
from services.dedoppler.tracks.choice import MOST_CHANNELS
from services.dedoppler.tracks.prediction import Prediction, ScanGrid, predict
from shared.header import Header
from shared.tracks import Tracks

# Channels on either side of a path that show its noise, before whole blocks.
NOISE_CHANNELS = BLOCK_CHANNELS
# A window of several tracks has so many samples at most, unless one track alone needs more.
MOST_SAMPLES = 2**21
# Of a cut-out.
MOST_VIEW_CHANNELS = 1024


@dataclass(frozen=True)
class TrackWindow:
    """Channels [first, stop) of the file, and the places in the list of the tracks that are measured in them."""

    first: int
    stop: int
    tracks: tuple[int, ...]


@dataclass(frozen=True)
class TrackPlan:
    """A track to measure.

    Attributes
    ----------
    prediction : Prediction
        Where it is in the scan.
    view : tuple of int
        Channels [first, stop) of its cut-out; equal if there is none.
    needed : tuple of int or None
        Channels [first, stop) that it and its view need; None if it is outside of the band.
    """

    prediction: Prediction
    view: tuple[int, int]
    needed: tuple[int, int] | None


def plan_track(track: Tracks, grid: ScanGrid) -> TrackPlan:
    """Return how a track is measured.

    It needs whole blocks of noise, within the coarse channels that it crosses where these are wide: so the noise is
    that of the search.

    Parameters
    ----------
    track : TRACK_DTYPE scalar
        The track.
    grid : ScanGrid
        The scan.
    """
    prediction, header = predict(track, grid), grid.header
    low, high = prediction.extent(MOST_CHANNELS)
    reach = 2 + min(prediction.bandwidth, MOST_CHANNELS) + prediction.smear(header.n_spectra)
    low, high = max(0.0, low - reach), min(float(header.n_channels), high + reach + 1)
    if not low < high:
        return TrackPlan(prediction, (0, 0), None)
    first, stop = int(low), max(int(low) + 1, math.ceil(high))
    view = _view_channels(track, prediction, (first, stop), header)
    if view[0] < view[1]:
        first, stop = min(first, view[0]), max(stop, view[1])
    return TrackPlan(prediction, view, _whole_blocks(first, stop, header))


def _view_channels(track: Tracks, prediction: Prediction, around: tuple[int, int], header: Header) -> tuple[int, int]:
    """Return the channels [first, stop) of a view, at most 1024 of them around the track; equal if there are none."""
    edges = float(track["view_low_hz"]), float(track["view_high_hz"])
    if not edges[0] < edges[1]:
        return 0, 0
    ends = sorted((edge - header.frequency_hz(0)) / header.foff_hz for edge in edges)
    first = max(0.0, around[0] - MOST_VIEW_CHANNELS, math.floor(ends[0] + 0.5))
    stop = min(float(header.n_channels), around[1] + MOST_VIEW_CHANNELS, math.floor(ends[1] + 0.5) + 1)
    if stop - first > MOST_VIEW_CHANNELS:
        middle = math.floor(prediction.path.centre)
        first = min(max(first, middle - MOST_VIEW_CHANNELS // 2), stop - MOST_VIEW_CHANNELS)
        stop = first + MOST_VIEW_CHANNELS
    return (int(first), int(stop)) if first < stop else (0, 0)


def _whole_blocks(first: int, stop: int, header: Header) -> tuple[int, int]:
    """Return the blocks around channels [first, stop)."""
    width = header.coarse_channel_width or header.n_channels
    low, high = 0, header.n_channels
    if width >= 2 * NOISE_CHANNELS:
        low, high = first // width * width, min(header.n_channels, -(-stop // width) * width)
    # Far enough for the edges of blocks not to depend on where the channels end.
    around = NOISE_CHANNELS + 2 * BLOCK_CHANNELS
    grid_first, grid_stop = max(low, first - around), min(high, stop + around)
    segments = noise_segments(grid_first, grid_stop, header.n_channels, header.coarse_channel_width)
    edges = np.unique(np.concatenate(segments))
    sure = (edges > grid_first + NARROWEST_BLOCK) & (edges < grid_stop - NARROWEST_BLOCK)
    edges = np.unique(np.concatenate([edges[sure], [edge for edge in (low, high) if grid_first <= edge <= grid_stop]]))
    below, above = edges[edges <= max(low, first - NOISE_CHANNELS)], edges[edges >= min(high, stop + NOISE_CHANNELS)]
    return (int(below[-1]) if len(below) else grid_first), (int(above[0]) if len(above) else grid_stop)


def plan_windows(plans: Sequence[TrackPlan], n_spectra: int) -> list[TrackWindow]:
    """Return windows that hold the channels which tracks need, each track within the band in one of them.

    Overlapping channels are read once, as long as a window has no more than `MOST_SAMPLES`. The windows depend on the
    tracks alone.

    Parameters
    ----------
    plans : sequence of TrackPlan
        The tracks.
    n_spectra : int
        T.
    """
    windows: list[TrackWindow] = []
    for (first, stop), i in sorted((plan.needed, i) for i, plan in enumerate(plans) if plan.needed is not None):
        last = windows[-1] if windows else None
        if last and first < last.stop and (max(stop, last.stop) - last.first) * n_spectra <= MOST_SAMPLES:
            windows[-1] = TrackWindow(last.first, max(stop, last.stop), (*last.tracks, i))
        else:
            windows.append(TrackWindow(first, stop, (i,)))
    return windows
