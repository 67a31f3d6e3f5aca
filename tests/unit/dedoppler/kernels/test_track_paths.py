"""Sums along the paths near a track, beside slow versions of the same."""

import math

import numpy as np
import pytest

from services.dedoppler.kernels.track_paths import (
    LEAST_THERE,
    MOST_SIGMA,
    Choice,
    MovingBox,
    Path,
    Window,
    best_box,
    best_path,
    column_of,
    response,
    samples_along,
)
from tests.unit.dedoppler import reference

COLUMNS = 120


def columns_of(box, n_spectra):
    return reference.box_columns(box.start, box.steps, box.bend, n_spectra)


def noise(n_spectra, seed, lost=0.0):
    rng = np.random.default_rng(seed)
    there = rng.random((n_spectra, COLUMNS)) >= lost
    weight = np.sqrt(rng.uniform(0.5, 2.0, n_spectra))[:, None] * there
    power = rng.normal(size=(n_spectra, COLUMNS)) * weight
    return Window(power.astype(np.float32), (weight**2).astype(np.float32))


@pytest.mark.parametrize("smear", [0.0, 0.01, 0.5, 3.0, 26.3, 80.0])
def test_response_to_a_smeared_tone(smear):
    for distance in np.concatenate([np.linspace(-3, 3, 25), [smear / 2, -smear / 2 - 0.7, 40.0, 70.0]]):
        expected = reference.emission_response(distance, smear)
        assert response(float(distance), smear) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("steps", [0, 1, -7, 37, 400])
@pytest.mark.parametrize("n_spectra", [2, 3, 16, 33])
def test_boxes_move_along_the_paths_of_the_search(steps, n_spectra):
    box = MovingBox(10, steps, 0.0, 3)
    found = [column_of(box, t, n_spectra) for t in range(n_spectra)]
    assert found == [10 + reference.path_offset(steps, t, n_spectra) for t in range(n_spectra)]
    bent = MovingBox(10, steps, 2.25, 3)
    assert [column_of(bent, t, n_spectra) for t in range(n_spectra)] == columns_of(bent, n_spectra)


@pytest.mark.parametrize("smear", [0.0, 0.7, 2.0, 6.4])
@pytest.mark.parametrize("path", [Path(50.0, 0.0, 0.0), Path(50.45, 3.7, 0.0), Path(50.2, -41.0, 2.0)])
def test_boxes_are_those_of_the_largest_snr(path, smear):
    box, share = best_box(path, smear, 9)
    assert share == pytest.approx(reference.share_of(path, smear, columns_of(box, 9), box.width), rel=1e-3)
    assert share / math.sqrt(box.width) == pytest.approx(reference.box_of_emission(path, smear, 9), rel=1e-3)


def grid_around(seed, scale):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3)) * np.array([[2.0], [1.5], [0.4]]) * scale
    covariance = root @ root.T + np.diag([0.01, 0.03, 0.03])
    apart = np.array([1 / 3, 1.0, 1.0])
    reach = (MOST_SIGMA * np.sqrt(np.diag(covariance)) / apart).astype(np.int64)
    return Choice(np.linalg.inv(covariance), apart, reach, np.array([0.5, 0.4, 0.3]))


@pytest.mark.parametrize(("seed", "n_spectra", "lost"), [(1, 16, 0.0), (2, 5, 0.3), (3, 2, 0.0), (4, 33, 0.9)])
@pytest.mark.parametrize("smears", [[0.2], [5.0, 0.2]])
def test_the_best_of_all_paths_within_the_errors(seed, n_spectra, lost, smears):
    window, choice = noise(n_spectra, seed, lost), grid_around(seed, 0.7)
    # No middle of a box lies halfway between two columns.
    track = Path(60.317, -7.231, 0.6143)
    found = best_path(window, track, choice, np.array(smears))
    places = reference.paths_within(choice.precision, choice.apart, MOST_SIGMA)
    assert len(places) > 20
    best = -math.inf
    for place in places:
        path = Path(*(np.array(track) + place))
        for smear in smears:
            box, _ = best_box(path, smear, n_spectra)
            snr, variance = reference.moving_box_snr(*window, columns_of(box, n_spectra), box.width)
            if variance >= LEAST_THERE * n_spectra * box.width:
                best = max(best, snr)
    assert found.snr == pytest.approx(best, abs=1e-5)
    snr, variance = reference.moving_box_snr(*window, columns_of(found.box, n_spectra), found.box.width)
    assert (found.snr, found.variance) == (pytest.approx(snr, abs=1e-5), pytest.approx(variance, rel=1e-5))
    lines = [places[np.all(places[:, 1:] == rest, axis=1)] for rest in np.unique(places[:, 1:], axis=0)]
    assert 1 <= found.trials <= len(places)
    assert found.trials >= 1 + 0.5 * (max(map(len, lines)) - 1)


def test_without_choice_there_is_one_path():
    window = noise(16, 5)
    choice = Choice(np.diag([1e4, 1e4, 1e4]), np.array([1 / 3, 1.0, 1.0]), np.zeros(3, np.int64), np.ones(3))
    track = Path(60.3, 11.0, 0.0)
    found = best_path(window, track, choice, np.array([0.7]))
    box, share = best_box(track, 0.7, 16)
    snr, _ = reference.moving_box_snr(*window, columns_of(box, 16), box.width)
    assert found.snr == pytest.approx(snr, abs=1e-5)
    assert (found.path, found.box, found.share, found.trials) == (track, box, share, 1.0)


def test_a_path_of_which_little_is_there_does_not_count():
    window = noise(16, 6)
    choice = Choice(np.diag([1e4, 1e4, 1e4]), np.array([1 / 3, 1.0, 1.0]), np.zeros(3, np.int64), np.ones(3))
    assert best_path(window, Path(-0.7, 2400.0, 0.0), choice, np.array([0.0])).snr == -math.inf
    assert math.isfinite(best_path(window, Path(-1.0, 60.0, 0.0), choice, np.array([0.0])).snr)


def test_samples_along_a_box():
    window, box = noise(16, 7, lost=0.4), MovingBox(-8, 22, 0.0, 3)
    columns = [start + j for start in columns_of(box, 16) for j in range(3)]
    inside, there, weight = samples_along(window, box, (-2, COLUMNS))
    assert inside == sum(-2 <= c < COLUMNS for c in columns)
    variances = [window.variance[i // 3, c] for i, c in enumerate(columns) if 0 <= c < COLUMNS]
    assert there == sum(variance > 0 for variance in variances)
    assert weight == pytest.approx(sum(np.sqrt(variances)), rel=1e-5)
