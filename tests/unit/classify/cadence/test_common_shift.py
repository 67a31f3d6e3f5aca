"""Lines of a comb are expected where its common shift has them."""

import numpy as np

from services.classify.cadence.association import associate
from services.classify.cadence.common_shift import common_shifts
from services.classify.cadence.lines import lines_of
from services.classify.cadence.scans import ordered
from services.classify.cadence.track_fit import bounds_of
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_scans import Emitter, cadence

BOUNDS = bounds_of(CadenceParameters())


def shifts(emitters, rng):
    scans = [scan for scan in ordered(cadence(emitters, rng=rng)) if scan.role == "on"]
    lines = lines_of(scans, 10.0)
    return common_shifts(lines.kernel, associate(lines, BOUNDS).members), lines.kernel, scans


def test_every_line_is_expected_where_the_comb_moves_to():
    comb = [Emitter(8420e6 + 15 * k, -0.5, 4e-5, (15.0,) * 6) for k in range(30)]
    expected, lines, scans = shifts(comb, np.random.default_rng(1))
    assert expected.shape == (90, 3)
    for one in range(3):
        hits = slice(lines.first[one], lines.first[one + 1])
        for other in range(3):
            if one == other:
                assert np.all(np.isnan(expected[hits, other]))
                continue
            t, u = scans[one].middle_s, scans[other].middle_s
            true = -0.5 * (u - t) + 4e-5 * (u * u - t * t) / 2
            # A third of a line's own error in frequency, 0.9 Hz, and the scatter of the line itself.
            assert np.abs(np.mean(expected[hits, other] - lines.middle_hz[hits]) - true) < 0.5


def test_lines_that_drift_in_their_own_ways_have_none():
    rng = np.random.default_rng(2)
    lone = [Emitter(rng.uniform(8419.5e6, 8421e6), rng.uniform(-4, 4), 0.0, (15.0,) * 6) for _ in range(60)]
    expected, _, _ = shifts(lone, rng)
    assert np.isfinite(expected).sum() == 0


def test_too_few_lines_have_none():
    few = [Emitter(8420e6 + 15 * k, -0.5, 0.0, (15.0,) * 6) for k in range(4)]
    assert shifts(few, np.random.default_rng(3))[0].shape == (12, 0)


def test_a_line_off_the_place_of_its_comb_is_not_joined():
    # The fifth line is missing in the second ON scan, the sixth in the others: 10 Hz apart, they look like one.
    comb = [
        Emitter(
            8420e6 + 10 * k,
            -0.5,
            0.0,
            {5: (15.0, 0, 0, 0, 15.0, 0), 6: (0, 0, 15.0, 0, 0, 0)}.get(k, (15.0, 0.0) * 3),
        )
        for k in range(20)
    ]
    scans = [scan for scan in ordered(cadence(comb, rng=np.random.default_rng(4))) if scan.role == "on"]
    members = associate(lines_of(scans, 10.0), BOUNDS).members
    assert sorted((row >= 0).sum() for row in members) == [1, 2, *[3] * 18]
