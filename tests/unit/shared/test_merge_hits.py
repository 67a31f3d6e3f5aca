"""Hits that two chunks both contain are kept once."""

import numpy as np
import pytest

from shared.hits import HIT_DTYPE, merge_hits


def make(rows):
    hits = np.zeros(len(rows), HIT_DTYPE)
    for hit, (channel, steps, width, snr) in zip(hits, rows, strict=True):
        hit["channel"], hit["steps"], hit["width"], hit["snr"] = channel, steps, width, snr
    return hits


def chunks_of(hits):
    """Return a different chunk for every hit."""
    return np.arange(len(hits))


def merge(hits, chunk=None):
    return merge_hits(hits, chunks_of(hits) if chunk is None else chunk)


def slow_merge(hits, chunk):
    """Apply the same rule by comparing each hit with every winner so far."""
    winners = []
    for i in sorted(range(len(hits)), key=lambda i: (-hits["snr"][i], hits["channel"][i], hits["steps"][i])):
        beaten = any(
            abs(int(hits["channel"][i]) - int(hits["channel"][w]))
            <= abs(int(hits["steps"][i]) - int(hits["steps"][w])) + int(hits["width"][w])
            and chunk[i] != chunk[w]
            for w in winners
        )
        if not beaten:
            winners.append(i)
    return sorted(winners, key=lambda i: (hits["channel"][i], hits["steps"][i]))


def test_no_hits():
    assert merge(make([])).tolist() == []


def test_same_hit_from_two_chunks_is_kept_once():
    assert len(merge(make([(100, 5, 1, 20.0), (100, 5, 1, 20.0)]))) == 1


def test_strongest_in_the_footprint_wins():
    # (100, 5) is 4 channels and 3 steps from the strongest: just inside. (109, 5) is 5 and 3 from it: outside.
    assert merge(make([(100, 5, 1, 20.0), (104, 2, 1, 21.0), (109, 5, 1, 20.0)])).tolist() == [1, 2]


def test_a_weaker_wide_hit_does_not_remove_a_stronger_narrow_one():
    assert merge(make([(100, 0, 1, 30.0), (110, 0, 16, 20.0)])).tolist() == [0, 1]


def test_just_outside_the_footprint_both_stay():
    assert merge(make([(100, 5, 2, 30.0), (103, 5, 1, 20.0)])).tolist() == [0, 1]
    assert merge(make([(100, 5, 2, 30.0), (102, 5, 1, 20.0)])).tolist() == [0]


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_slow_reference_in_any_order(seed):
    rng = np.random.default_rng(seed)
    rows = [
        (int(c), int(n), int(w), float(s))
        for c, n, w, s in zip(
            rng.integers(0, 400, 60),
            rng.integers(-30, 31, 60),
            rng.integers(1, 6, 60),
            rng.permutation(60) + 10.0,
            strict=True,
        )
    ]
    hits, chunk = make(rows), rng.integers(0, 4, 60)
    kept = merge(hits, chunk)
    assert kept.tolist() == slow_merge(hits, chunk)
    order = rng.permutation(60)
    np.testing.assert_array_equal(hits[order][merge(hits[order], chunk[order])], hits[kept])


def test_hits_of_one_chunk_are_not_merged():
    crossing = make([(100, 40, 1, 30.0), (120, -40, 1, 20.0)])
    assert merge(crossing, np.array([3, 3])).tolist() == [0, 1]
    assert merge(crossing, np.array([3, 4])).tolist() == [0]
