"""Chains of hits found by trying every choice of hits, with least squares by numpy's solver: slow and obvious."""

from itertools import product

import numpy as np


def chi_squared(lines, hits, rule):
    """Return chi squared of hits (scan, index) on one track: all values and the prior at once."""
    centre = lines.time_s[hits[0][0]]
    origin = lines.middle_hz[hits[0][1]]
    rows, seen = [np.array([0.0, 0.0, 1 / np.sqrt(rule.change_variance)])], [0.0]
    for scan, hit in hits:
        t = lines.time_s[scan] - centre
        error = np.sqrt(lines.middle_variance[hit] + (rule.jerk_hz_s3 * abs(t) ** 3 / 6) ** 2)
        rows.append(np.array([1.0, t, t * t / 2 + lines.bow_s2[scan]]) / error)
        seen.append((lines.middle_hz[hit] - origin) / error)
        error = np.sqrt(lines.drift_variance[hit] + (rule.jerk_hz_s3 * t * t / 2) ** 2)
        rows.append(np.array([0.0, 1.0, t]) / error)
        seen.append(lines.drift_hz_s[hit] / error)
    scale = np.abs(rows).max(axis=0)
    scaled = np.array(rows) / scale
    values = np.linalg.lstsq(scaled, np.array(seen), rcond=None)[0]
    return float(((scaled @ values - seen) ** 2).sum())


def unlike(lines, one, other, rule):
    off = (lines.log_strength[one] - lines.log_strength[other]) / rule.strength_scatter
    return min(off * off, 4.0)


def joined(lines, rule):
    """Return the hits of each track: of all choices the one with most hits, of these the least cost, then again."""
    n_scans = len(lines.time_s)
    free = [list(range(lines.first[scan], lines.first[scan + 1])) for scan in range(n_scans)]
    found: list[tuple[int, ...]] = []
    while True:
        best = None
        for choice in product(*([None, *hits] for hits in free)):
            hits = [(scan, hit) for scan, hit in enumerate(choice) if hit is not None]
            if len(hits) < 2:
                continue
            chi2 = chi_squared(lines, hits, rule)
            if chi2 > rule.gate:
                continue
            cost = chi2 + sum(unlike(lines, hits[0][1], hit, rule) for _, hit in hits[1:])
            if best is None or (-len(hits), cost) < best[0]:
                best = ((-len(hits), cost), choice)
        if best is None:
            return sorted(found)
        found.append(tuple(-1 if hit is None else hit for hit in best[1]))
        for scan, hit in enumerate(best[1]):
            if hit is not None:
                free[scan].remove(hit)
