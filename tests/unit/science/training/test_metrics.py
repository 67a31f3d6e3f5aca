"""Scores by hand."""

import numpy as np
import pytest

from science.training.metrics import reliability_of, scores_of


def test_scores_by_hand():
    scores = scores_of(("a", "b"), ["a", "a", "a", "b"], ["a", "a", "b", "b"])
    assert scores["confusion"] == [[2, 1], [0, 1]]
    assert scores["precision"] == [1.0, 0.5]
    assert scores["recall"] == pytest.approx([2 / 3, 1.0])
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_reliability_by_hand():
    found = reliability_of(np.array([0.6, 0.6, 0.995, 0.995]), np.array([True, False, True, True]))
    assert [(item["hits"], item["right"]) for item in found["bins"]] == [(2, 0.5), (2, 1.0)]
    assert found["expected_calibration_error"] == pytest.approx((0.1 * 2 + 0.005 * 2) / 4)
