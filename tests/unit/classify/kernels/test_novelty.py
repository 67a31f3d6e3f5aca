"""How strange a hit is: distances, their shares, and that both are calibrated."""

import numpy as np
import pytest

from services.classify.kernels.novelty import SMALLEST_P, distances, p_values

IDENTITY = np.eye(3)[None]


def test_distance_is_that_of_the_nearest_cluster():
    centres = np.array([[0.0, 0, 0], [10.0, 0, 0]])
    whitening = np.stack([np.eye(3), np.eye(3) / 2])
    away = distances(np.array([[3.0, 0, 0], [10.0, 4, 0], [0.0, 0, 0]]), centres, whitening)
    assert away.tolist() == [3.0, 2.0, 0.0]


def test_distance_is_mahalanobis():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    covariance = root @ root.T + np.eye(3)
    rows = rng.normal(size=(20, 3))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))[None]
    expected = [np.sqrt(row @ np.linalg.inv(covariance) @ row) for row in rows]
    np.testing.assert_allclose(distances(rows, np.zeros((1, 3)), whitening), expected)


def test_shares_are_met_between_and_beyond_the_table():
    known, shares = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.1, 0.01])
    p = p_values(np.array([0.0, 0.5, 1.0, 2.0, 3.0, 100.0]), known, shares)
    np.testing.assert_allclose(p, [1.0, 10**-0.5, 0.1, 0.01, 0.001, SMALLEST_P])


def test_farther_is_never_less_strange():
    known, shares = np.sort(np.random.default_rng(2).uniform(0, 5, 11)), np.geomspace(1.0, 0.01, 11)
    p = p_values(np.linspace(0, 9, 500), known, shares)
    assert (np.diff(p) <= 0).all()


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_shares_of_known_signals_are_right(share):
    rng = np.random.default_rng(3)
    shares = np.array([1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01])
    known = np.quantile(distances(rng.normal(size=(5000, 3)), np.zeros((1, 3)), IDENTITY), 1 - shares)
    p = p_values(distances(rng.normal(size=(20000, 3)), np.zeros((1, 3)), IDENTITY), known, shares)
    assert np.mean(p < share) == pytest.approx(share, abs=4 * np.sqrt(share / 5000))
