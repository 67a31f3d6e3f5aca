"""Joins the hits of the ON scans into tracks: each hit belongs to at most one."""

from dataclasses import dataclass

import numpy as np

from services.classify.cadence.common_shift import common_shifts
from services.classify.cadence.lines import Lines
from services.classify.cadence.track_fit import Bounds, Fits, fit
from services.classify.kernels.chains import NONE, Members, Rule, ScanLines, chains, nearest, without_sharing
from shared.arrays import Flags, Indices

# Chi squared of two values beyond which a hit is not on a track: a hit that is goes beyond in 1 of 20,000 cases.
GATE = 20.0
# A signal whose strength changes by a factor e from scan to scan costs as much as one error in frequency.
STRENGTH_SCATTER = 1.0
# Each round joins what the one before left; after the first few there is next to nothing.
MOST_ROUNDS = 30


@dataclass(frozen=True)
class Association:
    """The tracks that the hits of some scans were joined into, in order of frequency at the epoch.

    `members` (n, scans) are indices of hits in the lines that were joined, -1 for none.
    """

    members: Members
    fits: Fits


def associate(lines: Lines, bounds: Bounds) -> Association:
    """Join hits into tracks; every hit above the threshold is in exactly one, alone if nothing else is on it.

    Chains of hits are found from pairs in different scans. Where they want the same hit, the chain with more hits gets
    it, of equally many the one with the least chi squared. What is left is joined again, until nothing is. Where lines
    of combs are seen to move by one common shift, all is joined a second time with it.
    """
    rule = _rule(bounds)
    members = _joined(lines.kernel, lines.starts, rule)
    expected_hz = common_shifts(lines.kernel, members)
    if expected_hz.shape[1]:
        members = _joined(lines.kernel._replace(expected_hz=expected_hz), lines.starts, rule)
    fits = fit(lines.kernel, members, bounds)
    order = np.lexsort((fits.value[:, 1], fits.value[:, 0]))
    return Association(
        members[order],
        Fits(fits.value[order], fits.covariance[order], fits.chi_squared[order], fits.degrees_of_freedom[order]),
    )


def hits_joined(lines: Lines, bounds: Bounds) -> Members:
    """Return the hits of each track as `associate` joins them at first, before combs are known."""
    return _joined(lines.kernel, lines.starts, _rule(bounds))


def _rule(bounds: Bounds) -> Rule:
    return Rule(bounds.change_variance, bounds.jerk_hz_s3, GATE, STRENGTH_SCATTER)


def _joined(kernel: ScanLines, starts: Flags, rule: Rule) -> Members:
    """Return the hits of each track."""
    free = np.ones(len(kernel.middle_hz), np.uint8)
    n_scans = len(kernel.time_s)
    joined = [np.empty((0, n_scans), np.int32)]
    for _ in range(MOST_ROUNDS if n_scans > 1 else 0):
        members, cost = chains(kernel, free, starts, rule)
        size = (members != NONE).sum(axis=1)
        first = members[np.arange(len(members)), (members != NONE).argmax(axis=1)]
        kept = without_sharing(members, np.lexsort((first, cost, -size)), free)
        if not len(kept):
            break
        joined.append(members[kept])
    alone = np.flatnonzero((free & starts) != 0)
    single = np.full((len(alone), n_scans), NONE, np.int32)
    scan = np.searchsorted(kernel.first, alone, side="right") - 1
    single[np.arange(len(alone)), scan] = alone
    return np.concatenate([*joined, single])


def hits_on_tracks(lines: Lines, scan: int, fits: Fits) -> Indices:
    """Return for each track the index in `lines` of the hit of a scan that lies on it; -1 for none."""
    kernel = lines.kernel
    middle, drift, covariance = fits.at(kernel.time_s[scan], kernel.bow_s2[scan])
    expected = np.stack([middle, drift, covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]], axis=1)
    return nearest(kernel, scan, expected, GATE)[0]
