"""Fits are those of numpy's least squares, and their errors are those of many drawn tracks."""

import numpy as np
import pytest

from services.classify.cadence.joining import join
from services.classify.cadence.lines import lines_of
from services.classify.cadence.scans import ordered
from services.classify.cadence.track_fit import bounds_of, fit
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_scans import Emitter, cadence
from tests.unit.classify.kernels.reference_chains import chi_squared

PARAMETERS = CadenceParameters()
BOUNDS = bounds_of(PARAMETERS)
TRACK = Emitter(8420.123e6, -0.35, -5e-5, (20.0, 0.0, 21.0, 0.0, 19.0, 0.0))


def on_scans(track, rng=None):
    return [scan for scan in ordered(cadence([track], rng=rng)) if scan.role == "on"]


def test_values_without_scatter_are_exact_where_the_prior_does_not_matter():
    scans = on_scans(TRACK._replace(change_hz_s2=0.0))
    found = fit(lines_of(scans, 10.0).kernel, np.array([[0, 1, 2]], np.int32), BOUNDS)
    np.testing.assert_allclose(found.value[0], [8420.123e6, -0.35, 0.0], rtol=1e-12, atol=1e-6)
    assert found.chi_squared[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_chi_squared_is_that_of_a_plain_solver(seed):
    scans = on_scans(TRACK, np.random.default_rng(seed))
    lines = lines_of(scans, 10.0).kernel
    found = fit(lines, np.array([[0, 1, 2], [0, -1, 2]], np.int32), BOUNDS)

    class Rule:
        change_variance, jerk_hz_s3 = BOUNDS.change_variance, 0.0

    assert found.chi_squared[0] == pytest.approx(chi_squared(lines, [(0, 0), (1, 1), (2, 2)], Rule), rel=0.05)
    assert found.chi_squared[1] == pytest.approx(chi_squared(lines, [(0, 0), (2, 2)], Rule), rel=0.05)
    assert found.degrees_of_freedom.tolist() == [4, 2]


def test_errors_are_the_scatter_of_the_values():
    rng = np.random.default_rng(7)
    pulls = []
    for _ in range(200):
        change = rng.uniform(-1e-4, 1e-4)
        joined = join(cadence([TRACK._replace(change_hz_s2=change)], rng=rng), PARAMETERS)
        errors = np.sqrt(np.diagonal(joined.association.fits.covariance[0]))
        pulls.append((joined.association.fits.value[0] - [TRACK.frequency_hz, TRACK.drift_hz_s, change]) / errors)
    # The floors of the hits' errors make them a fifth larger than those that were drawn.
    assert np.all(np.abs(np.std(pulls, axis=0) - 0.85) < 0.15)
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 0.25)


def test_a_single_hit_is_known_at_its_own_scan_alone():
    scans = on_scans(TRACK)
    found = fit(lines_of(scans, 10.0).kernel, np.array([[-1, 1, -1]], np.int32), BOUNDS)
    at_own = np.sqrt(found.at(scans[1].middle_s)[2][0, 0, 0])
    far = np.sqrt(found.at(scans[2].middle_s)[2][0, 0, 0])
    assert at_own < 3
    assert far > 10
    assert found.degrees_of_freedom[0] == 0
    # The change of drift is not known at all: the bound is what its error says.
    assert np.sqrt(found.covariance[0, 2, 2]) == pytest.approx(PARAMETERS.max_drift_change_hz_s2 / np.sqrt(3), rel=1e-6)


def test_a_bound_of_zero_makes_straight_tracks():
    scans = on_scans(TRACK)
    straight = bounds_of(CadenceParameters(max_drift_change_hz_s2=0.0))
    found = fit(lines_of(scans, 10.0).kernel, np.array([[0, 1, 2]], np.int32), straight)
    assert abs(found.value[0, 2]) < 1e-7
    assert found.chi_squared[0] > 20
