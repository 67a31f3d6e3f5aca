"""Measures of a hit among the other hits of an observation: crowding, equal drifts, combs."""

from typing import NamedTuple

import numpy as np

from shared.arrays import Floats, Indices

COMB_MEMBERS = 5
COMB_LOOK_AHEAD = 8
COMB_STRONGEST = 2000


def count_within(values: Floats, reach: Floats | float) -> Indices:
    """Return for each value how many others lie within `reach` of it (same unit)."""
    ordered = np.sort(values)
    above = np.searchsorted(ordered, values + reach, side="right")
    counts: Indices = (above - np.searchsorted(ordered, values - reach, side="left") - 1).astype(np.int64)
    return counts


def clusters(frequency_hz: Floats, gap_hz: float) -> Indices:
    """Return for each hit the number of its cluster: neighbours in frequency are at most `gap_hz` apart."""
    order = np.argsort(frequency_hz, kind="stable")
    labels = np.empty(len(frequency_hz), dtype=np.int64)
    if len(order):
        labels[order] = np.concatenate([[0], np.cumsum(np.diff(frequency_hz[order]) > gap_hz)])
    return labels


def _teeth(ordered: Floats, spacing: float, tolerance: float) -> list[int]:
    """Return the positions in `ordered` of the unbroken run of teeth from the first on, refining the spacing."""
    found = [0]
    while True:
        if len(found) > 1:
            spacing = float(ordered[found[-1]] - ordered[0]) / (len(found) - 1)
        wanted = ordered[0] + len(found) * spacing
        at = int(np.searchsorted(ordered, wanted - tolerance))
        if at >= len(ordered) or ordered[at] > wanted + tolerance:
            return found
        found.append(at)


def _on_lattice(ordered: Floats, run: list[int], spacing: float, tolerance: float) -> Indices:
    """Return the positions of all hits on the teeth of a run, or on one more at its end."""
    distance = ordered - ordered[0]
    residual = np.abs(distance - np.rint(distance / spacing) * spacing)
    inside = distance <= ordered[run[-1]] - ordered[0] + 1.5 * spacing
    return np.flatnonzero((residual <= tolerance) & inside)


def count_alike(values: Floats, reach: Floats, place: Indices, strength: Floats) -> Indices:
    """Return for each value how many other places hold a value within `reach` of it.

    Parameters
    ----------
    values
        (n,), what is compared. Of each place, only the value of the strongest hit counts.
    reach
        (n,), same unit.
    place
        (n,), number of the place, from 0 without gaps.
    strength
        (n,), by which the strongest is chosen; of equals the first.
    """
    if not len(values):
        return np.empty(0, np.int64)
    order = np.lexsort((np.arange(len(values)), -strength, place))
    _, first = np.unique(place[order], return_index=True)
    strongest = values[order[first]]
    ordered = np.sort(strongest)
    low = np.searchsorted(ordered, values - reach, side="left")
    high = np.searchsorted(ordered, values + reach, side="right")
    counts: Indices = high - low - (np.abs(strongest[place] - values) <= reach)
    return counts


class Combs(NamedTuple):
    """For each hit the spacing of its comb's teeth in Hz (0: no comb), and how many teeth the comb has."""

    spacing_hz: Floats
    teeth: Indices


def find_combs(
    frequency_hz: Floats,
    drift_rate_hz_s: Floats,
    snr: Floats,
    tolerance_hz: Floats | float,
    drift_tolerance_hz_s: Floats | float,
) -> Combs:
    """Find the hits that are teeth of combs.

    A comb is at least five hits at equal distances (within the tolerance of its first tooth) whose drifts agree with
    that of the first (within both tolerances). Only the 2000 strongest hits are tried, to limit the cost.
    """
    spacing, teeth = np.zeros(len(frequency_hz)), np.zeros(len(frequency_hz), np.int64)
    tolerance = np.broadcast_to(tolerance_hz, spacing.shape)
    drift_tolerance = np.broadcast_to(drift_tolerance_hz_s, spacing.shape)
    strongest = np.argsort(-snr, kind="stable")[:COMB_STRONGEST]
    order = strongest[np.argsort(frequency_hz[strongest], kind="stable")]
    ordered, drifts = frequency_hz[order], drift_rate_hz_s[order]
    for first in range(len(order)):
        within = tolerance[order[first]]
        tolerated = np.hypot(drift_tolerance[order[first]], drift_tolerance[order[first:]])
        alike = np.flatnonzero(np.abs(drifts[first:] - drifts[first]) <= tolerated) + first
        teeth_at = ordered[alike]
        for step in range(1, min(COMB_LOOK_AHEAD, len(alike) - 1) + 1):
            distance = float(teeth_at[step] - teeth_at[0])
            # Closer hits would look like a comb by chance.
            if distance <= 8 * within or spacing[order[first]]:
                continue
            run = _teeth(teeth_at, distance, within)
            if len(run) >= COMB_MEMBERS:
                exact = float(teeth_at[run[-1]] - teeth_at[0]) / (len(run) - 1)
                members = order[alike[_on_lattice(teeth_at, run, exact, within)]]
                members = members[spacing[members] == 0]
                spacing[members], teeth[members] = exact, len(run)
    return Combs(spacing, teeth)


def span_within(values: Floats, reach: Floats, place: Floats) -> Floats:
    """Return for each value the range of `place` over all values within `reach` of it."""
    order = np.argsort(values, kind="stable")
    ordered, places = values[order], place[order]
    low = np.searchsorted(ordered, values - reach, side="left")
    high = np.searchsorted(ordered, values + reach, side="right")
    largest, smallest = _running(places, np.maximum), _running(places, np.minimum)
    level = np.maximum(0, np.log2(np.maximum(high - low, 1)).astype(np.int64))
    second = high - (1 << level)
    span: Floats = np.maximum(largest[level, low], largest[level, second]) - np.minimum(
        smallest[level, low], smallest[level, second]
    )
    return span


def _running(values: Floats, take: np.ufunc) -> Floats:
    """Return `take` over the runs of 1, 2, 4, ... values that start at each index: (levels, n)."""
    levels = [values]
    while 2 ** len(levels) <= len(values):
        half, last = 2 ** (len(levels) - 1), levels[-1]
        levels.append(np.append(take(last[:-half], last[half:]), last[len(last) - half :]))
    return np.stack(levels)
