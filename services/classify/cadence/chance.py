"""How many tracks chance alone makes: hits that have nothing to do with each other and lie on one smooth track."""

from dataclasses import replace

import numpy as np

from services.classify.cadence.association import hits_joined
from services.classify.cadence.joining import Joined, needed_on_scans
from services.classify.cadence.lines import Lines
from services.classify.cadence.track_fit import bounds_of
from shared.arrays import Indices

# How far the hits of one ON scan are moved against those of the one before. It is more than the errors of a track
# minutes later, less than the width of the emissions and bands that crowd hits, and no multiple of usual rasters.
SHIFT_HZ = 7_919.0
# The hits are moved to both sides, and the mean of the counts is taken.
SIDES = (-1.0, 1.0)
# A number from which chance is worth a warning.
WORTH_A_WARNING = 1.0


def tracks_by_chance(joined: Joined) -> float:
    """Return how many tracks with hits in as many ON scans as an event needs chance makes of these hits.

    The hits of each ON scan are moved in frequency by another amount, so that no track is left, and are joined again:
    what is joined then is chance. Where scans are days apart, the errors of a track are wider than the shift; then
    chance and truth can't be told apart, and the number is that of all tracks.
    """
    counts = [_tracks(_shifted(joined.lines, side * SHIFT_HZ), joined) for side in SIDES]
    return float(np.mean(counts))


def chance_warnings(joined: Joined, events: int) -> list[str]:
    """Return a warning if chance makes tracks of these hits, and there are events."""
    expected = tracks_by_chance(joined) if events else 0.0
    if expected < WORTH_A_WARNING:
        return []
    needed = needed_on_scans(joined)
    seen = int((_sizes(joined) >= needed).sum())
    return [
        f"The hits are so many that about {expected:.0f} tracks with hits in {needed} ON scans are expected by chance; "
        f"{seen} were found, {events} of all tracks are events. Choose a higher SNR threshold to see which are real."
    ]


def _sizes(joined: Joined) -> Indices:
    return np.asarray((joined.association.members >= 0).sum(axis=1))


def _shifted(lines: Lines, shift_hz: float) -> Lines:
    """Return the lines with those of scan `s` moved by `s` times the shift; the order in each scan stays."""
    kernel = lines.kernel
    scan = np.repeat(np.arange(len(kernel.first) - 1), np.diff(kernel.first))
    return replace(lines, kernel=kernel._replace(middle_hz=kernel.middle_hz + scan * shift_hz))


def _tracks(lines: Lines, joined: Joined) -> int:
    size = (hits_joined(lines, bounds_of(joined.parameters)) >= 0).sum(axis=1)
    return int((size >= needed_on_scans(joined)).sum())
