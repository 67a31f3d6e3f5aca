"""Runs, edges and slices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.dedoppler.slices import equal_edges, runs, slices


def slow_runs(flags, gap):
    found = []
    for i in np.flatnonzero(flags):
        if found and i - found[-1][1] <= gap:
            found[-1][1] = i + 1
        else:
            found.append([i, i + 1])
    return [tuple(run) for run in found]


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(0, 6))
def test_runs(flags, gap):
    assert runs(np.array(flags, np.uint8), gap) == slow_runs(flags, gap)


@given(st.integers(1, 5000), st.integers(1, 300))
def test_equal_edges(length, parts):
    edges = equal_edges(length, parts)
    assert (edges[0], edges[-1], len(edges)) == (0, length, parts + 1)
    sizes = np.diff(edges)
    assert sizes.max() - sizes.min() <= 1


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 100))
def test_slices(first, length, size):
    pieces = slices(first, first + length, size)
    assert [c for low, high in pieces for c in range(low, high)] == list(range(first, first + length))
    assert all(0 < high - low <= size for low, high in pieces)
