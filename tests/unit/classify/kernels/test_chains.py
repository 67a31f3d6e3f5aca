"""Chains of hits are those that the slow reference finds by trying every choice."""

import numpy as np
import pytest

from services.classify.cadence.association import GATE, STRENGTH_SCATTER
from services.classify.kernels.chains import NONE, Rule, ScanLines, chains, nearest, without_sharing
from tests.unit.classify.kernels import reference_chains as reference

RULE = Rule(3.3e-9, 7e-9, GATE, STRENGTH_SCATTER)
TIMES = np.array([146.0, 782.0, 1420.0])


def lines_of(values, times=TIMES):
    """`values`: for each scan rows of middle frequency, drift rate and log strength."""
    parts = [np.array(sorted(rows), np.float64).reshape(-1, 3) for rows in values]
    table = np.concatenate(parts)
    return ScanLines(
        first=np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64),
        time_s=times,
        bow_s2=np.full(len(times), 3124.0),
        middle_hz=table[:, 0].copy(),
        middle_variance=np.full(len(table), 1.0),
        drift_hz_s=table[:, 1].copy(),
        drift_variance=np.full(len(table), 4e-5),
        log_strength=table[:, 2].copy(),
        expected_hz=np.empty((len(table), 0)),
    )


def some_lines(rng, emitters=3, strays=1):
    values = [[] for _ in TIMES]
    for _ in range(emitters):
        f, d, c = rng.uniform(0, 3000), rng.uniform(-1, 1), rng.uniform(-8e-5, 8e-5)
        for scan, t in enumerate(TIMES):
            if rng.random() < 0.85:
                at = f + d * t + c * (t * t / 2 + 3124) + rng.normal()
                values[scan].append((at, d + c * t + rng.normal() * 6e-3, rng.normal() * 0.2))
    for rows in values:
        rows += [(rng.uniform(-1500, 4500), rng.uniform(-1, 1), 0.0) for _ in range(strays)]
    return lines_of(values)


def tracks(lines):
    """What `association.associate` does, without hits that stand alone."""
    free = np.ones(len(lines.middle_hz), np.uint8)
    found = []
    while True:
        members, cost = chains(lines, free, np.ones_like(free), RULE)
        size = (members != NONE).sum(axis=1)
        kept = without_sharing(members, np.lexsort((cost, -size)), free)
        if not len(kept):
            return sorted(tuple(row) for row in members[kept].tolist()) if not found else sorted(found)
        found += [tuple(row) for row in members[kept].tolist()]


@pytest.mark.parametrize("seed", range(12))
def test_chains_are_those_of_the_reference(seed):
    lines = some_lines(np.random.default_rng(seed))
    assert tracks(lines) == reference.joined(lines, RULE)


def test_cost_is_chi_squared_and_unlike_strengths():
    lines = some_lines(np.random.default_rng(20), emitters=1, strays=0)
    members, cost = chains(
        lines, np.ones(len(lines.middle_hz), np.uint8), np.ones(len(lines.middle_hz), np.uint8), RULE
    )
    for row, stated in zip(members, cost, strict=True):
        hits = [(scan, hit) for scan, hit in enumerate(row.tolist()) if hit != NONE]
        seed = hits[0][1]
        unlike = sum(reference.unlike(lines, seed, hit, RULE) for _, hit in hits[1:])
        # Updates one by one see the jerk from where the chain begins: the reference does from its first hit.
        assert stated == pytest.approx(reference.chi_squared(lines, hits, RULE) + unlike, rel=0.05, abs=0.05)


def test_a_hit_that_may_not_start_only_joins():
    lines = lines_of([[(0.0, 0.0, 0.0)], [(0.5, 0.0, 0.0)], []])
    free = np.ones(2, np.uint8)
    assert len(chains(lines, free, np.zeros(2, np.uint8), RULE)[0]) == 0
    assert chains(lines, free, np.array([0, 1], np.uint8), RULE)[0].tolist() == [[0, 1, -1]]


def test_each_hit_goes_to_the_first_chain_that_wants_it():
    members = np.array([[0, 1], [0, 2], [3, 2], [3, -1]], np.int32)
    free = np.ones(4, np.uint8)
    assert without_sharing(members, np.array([1, 0, 3, 2]), free).tolist() == [1, 3]
    assert free.tolist() == [0, 1, 0, 0]


def test_the_nearest_hit_of_a_scan_is_that_of_least_chi_squared():
    lines = lines_of([[(-50.0, 0.0, 0.0), (1.0, 0.5, 0.0), (3.0, 0.0, 0.0)], [], []])
    expected = np.array([[0.0, 0.0, 4.0, 0.0, 1e-4], [900.0, 0.0, 4.0, 0.0, 1e-4]])
    hits, chi2 = nearest(lines, 0, expected, GATE)
    assert hits.tolist() == [2, NONE]
    assert chi2[0] == pytest.approx(9 / 5)
    assert chi2[1] == np.inf
