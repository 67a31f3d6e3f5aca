"""The numbers of the marks don't overlap."""

from itertools import pairwise

import numpy as np
import pytest

from services.export.mark_labels import join_labels


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        ([], []),
        ([0.5], [(0.5, "1")]),
        ([0.5, 0.1], [(0.1, "2"), (0.5, "1")]),
        ([0.5, 0.501], [(0.5005, "1,2")]),
        # The label of the first two is so wide that it takes in the third.
        ([0.5, 0.51, 0.53], [(pytest.approx(0.5133, abs=1e-4), "1,2,3")]),
    ],
)
def test_labels_that_would_overlap_are_joined(places, labels):
    assert join_labels(places, 0.01) == labels


def test_joined_labels_do_not_overlap():
    rng = np.random.default_rng(4)
    for _ in range(200):
        placed = join_labels(rng.uniform(0, 0.3, 6).tolist(), 0.01)
        for (left, text), (right, after) in pairwise(placed):
            assert right - left >= 0.01 * (len(text) + len(after)) / 2
        numbers = sorted(int(n) for _, text in placed for n in text.split(","))
        assert numbers == [1, 2, 3, 4, 5, 6]
