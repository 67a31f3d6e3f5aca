"""Crowding, clusters and combs against plain loops."""

import numpy as np
import pytest

from services.classify.kernels.neighbours import clusters, count_alike, count_within, find_combs, span_within


@pytest.mark.parametrize("seed", range(3))
def test_count_within_equals_a_plain_count(seed):
    values = np.random.default_rng(seed).uniform(0, 100, 80)
    expected = [sum(abs(a - b) <= 3.0 for b in values) - 1 for a in values]
    assert count_within(values, 3.0).tolist() == expected


def test_clusters_split_where_the_gap_is_wider():
    assert clusters(np.array([10.0, 1.0, 11.0, 20.0, 2.5]), 2.0).tolist() == [1, 0, 1, 2, 0]
    assert clusters(np.empty(0), 2.0).tolist() == []


def comb_of(frequencies, drifts=None):
    frequencies = np.asarray(frequencies, float)
    drifts = np.zeros(len(frequencies)) if drifts is None else np.asarray(drifts, float)
    return find_combs(frequencies, drifts, np.full(len(frequencies), 20.0), 1.0, 0.01).spacing_hz


def test_five_equal_teeth_are_a_comb_and_another_hit_is_not_part_of_it():
    assert comb_of([0, 100, 200, 230, 300.5, 400]).tolist() == [100, 100, 100, 0, 100, 100]


def test_four_teeth_are_none():
    assert comb_of([0, 100, 200, 300]).tolist() == [0] * 4


def test_teeth_must_drift_alike():
    assert comb_of([0, 100, 200, 300, 400], [0, 0, 1.0, 0, 0]).tolist() == [0] * 5


def test_close_hits_are_no_comb():
    assert comb_of([0, 2, 4, 6, 8, 10]).tolist() == [0] * 6


def test_no_hits():
    assert comb_of([]).tolist() == []


def test_teeth_are_counted():
    found = find_combs(np.array([0.0, 100, 200, 250, 300, 400, 500]), np.zeros(7), np.full(7, 20.0), 1.0, 0.01)
    assert found.teeth.tolist() == [6, 6, 6, 0, 6, 6, 6]


def test_wide_teeth_have_their_own_tolerance():
    frequency = np.array([0.0, 1010, 1990, 3004, 4000])
    narrow = find_combs(frequency, np.zeros(5), np.full(5, 20.0), np.full(5, 2.0), np.full(5, 0.01))
    wide = find_combs(frequency, np.zeros(5), np.full(5, 20.0), np.full(5, 40.0), np.full(5, 0.01))
    assert narrow.teeth.tolist() == [0] * 5
    assert wide.teeth.tolist() == [5] * 5


@pytest.mark.parametrize("n", [1, 2, 7, 64, 65])
def test_span_of_like_values_equals_a_plain_loop(n):
    rng = np.random.default_rng(n)
    values, place, reach = rng.normal(size=n), rng.uniform(0, 1e6, n), rng.uniform(0.01, 0.5, n)
    expected = [np.ptp(place[np.abs(values - v) <= r]) for v, r in zip(values, reach, strict=True)]
    np.testing.assert_allclose(span_within(values, reach, place), expected)


def test_span_of_no_values():
    assert span_within(np.empty(0), np.empty(0), np.empty(0)).shape == (0,)


def test_a_comb_of_shaky_lines_holds_all_its_teeth():
    rng = np.random.default_rng(4)
    frequency = np.arange(40) * 1000.0 + rng.uniform(-6, 6, 40)
    found = find_combs(frequency, np.zeros(40), np.full(40, 20.0), np.full(40, 15.0), np.full(40, 0.01))
    assert (found.teeth > 0).all()
    np.testing.assert_allclose(found.spacing_hz, 1000, atol=2)


@pytest.mark.parametrize("seed", range(4))
def test_count_alike_equals_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    values, reach, strength = rng.normal(size=60), rng.uniform(0.01, 0.6, 60), rng.uniform(10, 99, 60)
    place = np.unique(rng.integers(0, 25, 60), return_inverse=True)[1]
    strongest = {p: max(np.flatnonzero(place == p), key=lambda i: strength[i]) for p in set(place.tolist())}
    expected = [
        sum(p != place[i] and abs(values[j] - values[i]) <= reach[i] for p, j in strongest.items()) for i in range(60)
    ]
    assert count_alike(values, reach, place, strength).tolist() == expected


def test_count_alike_of_nothing():
    assert count_alike(*[np.empty(0)] * 2, np.empty(0, np.int64), np.empty(0)).shape == (0,)
