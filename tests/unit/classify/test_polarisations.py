"""Each emitter once among IFs, where it is strongest."""

import numpy as np

from services.classify.polarisations import merge_ifs
from shared.hits import HIT_DTYPE


def hits_of(*rows):
    hits = np.zeros(len(rows), HIT_DTYPE)
    for at, (channel, steps, width, snr) in enumerate(rows):
        hits[at]["channel"], hits[at]["steps"], hits[at]["width"], hits[at]["snr"] = channel, steps, width, snr
    return hits


def test_an_emitter_of_both_ifs_is_one_hit_where_it_is_strongest():
    hits = hits_of((100, 40, 2, 20.0), (500, 0, 1, 15.0), (101, 41, 2, 30.0), (900, -3, 1, 12.0))
    kept, seen = merge_ifs(hits, np.array([0, 0, 1, 1]), [(0,), (1,)])
    assert kept.tolist() == [2, 1, 3]
    assert seen == [(1, 0), (0,), (1,)]


def test_tracks_that_only_cross_are_two_emitters():
    hits = hits_of((100, 40, 2, 20.0), (120, 0, 2, 30.0), (100, 30, 1, 11.0))
    kept, _ = merge_ifs(hits, np.array([0, 1, 1]), [(0,), (1,)])
    assert sorted(kept.tolist()) == [0, 1, 2]


def test_a_wide_hit_takes_in_its_pieces_in_the_other_if():
    hits = hits_of((1000, 0, 80, 50.0), (1005, 0, 40, 20.0), (1050, 1, 40, 25.0), (1200, 0, 40, 25.0))
    kept, seen = merge_ifs(hits, np.array([0, 1, 1, 1]), [(0,), (1,)])
    assert kept.tolist() == [0, 3]
    assert seen == [(0, 1), (1,)]


def test_within_one_if_chunks_are_merged_as_before():
    hits = hits_of((100, 0, 1, 20.0), (100, 0, 1, 19.0), (300, 0, 1, 19.0))
    kept, seen = merge_ifs(hits, np.array([0, 1, 1]), [(0,), (0,)])
    assert kept.tolist() == [0, 2]
    assert seen == [(0,), (0,)]
    _, seen = merge_ifs(hits, np.array([0, 1, 1]), [(0, 1), (0, 1)])
    assert seen == [(0, 1), (0, 1)]


def test_no_hits_and_no_chunks():
    kept, seen = merge_ifs(hits_of(), np.empty(0, np.int64), [(0,), (1,)])
    assert (kept.tolist(), seen) == ([], [])
    kept, seen = merge_ifs(hits_of(), np.empty(0, np.int64), [])
    assert (kept.tolist(), seen) == ([], [])


def test_the_strongest_are_kept_of_all_ifs():
    hits = hits_of((100, 0, 1, 20.0), (500, 0, 1, 15.0), (101, 0, 1, 30.0), (900, 0, 1, 18.0))
    kept, seen = merge_ifs(hits, np.array([0, 0, 1, 1]), [(0,), (1,)], 2)
    assert kept.tolist() == [2, 3]
    assert seen == [(1, 0), (1,)]
