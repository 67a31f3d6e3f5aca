"""What the other hits of an observation say about one: crowding, equal drifts, combs, side lobes."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

COMB_MEMBERS = 5
COMB_LOOK_AHEAD = 8
COMB_STRONGEST = 2000


def count_within(values: Array, reach: Array | float) -> Indices:
    """For each value, how many others lie within `reach` of it (same unit)."""
    ordered = np.sort(values)
    above = np.searchsorted(ordered, values + reach, side="right")
    counts: Indices = (above - np.searchsorted(ordered, values - reach, side="left") - 1).astype(np.int64)
    return counts


def clusters(frequency_hz: Array, gap_hz: float) -> Indices:
    """Number the runs of hits whose neighbours in frequency are at most `gap_hz` away."""
    order = np.argsort(frequency_hz, kind="stable")
    labels = np.empty(len(frequency_hz), dtype=np.int64)
    if len(order):
        labels[order] = np.concatenate([[0], np.cumsum(np.diff(frequency_hz[order]) > gap_hz)])
    return labels


def _teeth(ordered: Array, first: int, spacing: float, tolerance: float) -> list[int]:
    """Positions in `ordered` of the unbroken run of teeth that starts at `first`."""
    found = [first]
    while True:
        wanted = ordered[found[-1]] + spacing
        at = int(np.searchsorted(ordered, wanted - tolerance))
        if at >= len(ordered) or ordered[at] > wanted + tolerance:
            return found
        found.append(at)


def comb_spacing(
    frequency_hz: Array, drift_rate_hz_s: Array, snr: Array, tolerance_hz: float, drift_tolerance_hz_s: float
) -> Array:
    """Spacing in Hz of the comb that each hit belongs to; 0 for none.

    A comb is at least five hits at equal distances (within `tolerance_hz`), drifting alike (within
    `drift_tolerance_hz_s` of the first tooth). Only the 2000 strongest hits are looked at: the cost stays bounded.
    """
    spacing = np.zeros(len(frequency_hz))
    strongest = np.argsort(-snr, kind="stable")[:COMB_STRONGEST]
    order = strongest[np.argsort(frequency_hz[strongest], kind="stable")]
    ordered, drifts = frequency_hz[order], drift_rate_hz_s[order]
    for first in range(len(order)):
        alike = np.flatnonzero(np.abs(drifts[first:] - drifts[first]) <= drift_tolerance_hz_s) + first
        teeth_at = ordered[alike]
        for step in range(1, min(COMB_LOOK_AHEAD, len(alike) - 1) + 1):
            distance = float(teeth_at[step] - teeth_at[0])
            # Closer than this, anything would look like a comb.
            if distance <= 8 * tolerance_hz or spacing[order[first]]:
                continue
            run = _teeth(teeth_at, 0, distance, tolerance_hz)
            if len(run) >= COMB_MEMBERS:
                spacing[order[alike[run]]] = distance
    return spacing
