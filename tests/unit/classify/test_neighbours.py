"""Crowding, clusters and combs against plain loops."""

import numpy as np
import pytest

from services.classify.kernels.neighbours import clusters, comb_spacing, count_within


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
    return comb_spacing(frequencies, drifts, np.full(len(frequencies), 20.0), 1.0, 0.01)


def test_five_equal_teeth_are_a_comb_and_a_stranger_is_not():
    assert comb_of([0, 100, 200, 230, 300.5, 400]).tolist() == [100, 100, 100, 0, 100, 100]


def test_four_teeth_are_none():
    assert comb_of([0, 100, 200, 300]).tolist() == [0] * 4


def test_teeth_must_drift_alike():
    assert comb_of([0, 100, 200, 300, 400], [0, 0, 1.0, 0, 0]).tolist() == [0] * 5


def test_close_hits_are_no_comb():
    assert comb_of([0, 2, 4, 6, 8, 10]).tolist() == [0] * 6


def test_no_hits():
    assert comb_of([]).tolist() == []
