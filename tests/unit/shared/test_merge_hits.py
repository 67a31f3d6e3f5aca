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


@pytest.mark.parametrize("seed", range(30))
def test_with_a_limit_the_strongest_of_what_is_left_are_kept(seed):
    rng = np.random.default_rng(seed)
    n = 80
    rows = zip(
        rng.integers(0, 600, n), rng.integers(-20, 20, n), rng.integers(1, 9, n), rng.integers(10, 30, n), strict=True
    )
    hits = make(list(rows))
    # Chunks in order of channel, and repeats at their edges.
    chunk = hits["channel"] // 150
    every = slow_merge(hits, chunk)
    strongest = sorted(every, key=lambda i: (-hits["snr"][i], hits["channel"][i], hits["steps"][i]))
    for most in (1, 7, 40, 79, 80, 200):
        kept = merge_hits(hits, chunk, most)
        assert sorted(map(order_of(hits), kept)) == sorted(map(order_of(hits), strongest[:most]))


def order_of(hits):
    """Return what tells hits apart, but for exact duplicates."""
    return lambda i: (hits["channel"][i], hits["steps"][i], hits["width"][i], hits["snr"][i])


def test_the_work_grows_with_the_hits_not_with_their_square(monkeypatch):
    """Hits far from other chunks are not compared at all, and only as many of the strongest as are kept."""
    compared = []
    search = np.searchsorted

    def counted(*arguments, **options):
        found = search(*arguments, **options)
        compared.append(np.size(found))
        return found

    monkeypatch.setattr("shared.hits.np.searchsorted", counted)
    totals = []
    for n in (10_000, 80_000):
        rng = np.random.default_rng(n)
        hits = np.zeros(n, HIT_DTYPE)
        hits["channel"], hits["steps"], hits["width"] = np.arange(n) * 6, rng.integers(-50, 50, n), 1
        hits["snr"] = rng.uniform(10, 100, n)
        compared.clear()
        assert len(merge_hits(hits, hits["channel"] // (6 * 10_000), 10_000)) == 10_000
        totals.append(sum(compared))
    # Eight times as many hits: once 10,000 and once 20,000 are searched for neighbours, for a few repeats are left out.
    assert totals[1] <= 3.1 * totals[0]


@pytest.mark.parametrize("line_snr", [50.0, 5000.0])
def test_a_wide_emission_and_a_line_on_it_stay_two_hits_in_different_chunks(line_snr):
    """Neither removes the other; the same emission in two chunks, and the same line, are one each."""
    hits = make(
        [(1000, 38, 7000, 900.0), (4000, 38, 3, line_snr), (1004, 38, 6990, 880.0), (4001, 38, 3, line_snr / 2)]
    )
    assert merge(hits).tolist() == [0, 1]
