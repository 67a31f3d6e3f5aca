"""Lines of one emitter are one family: by raster, by drift history, by touching; others are not."""

import numpy as np
import pytest

from services.classify.cadence.families import families_of
from services.classify.cadence.joining import join
from services.classify.cadence.verdict import stands_still
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_scans import Emitter, cadence, record

ALL = (15.0,) * 6


def families(scans):
    joined = join(scans, CadenceParameters())
    _, _, still = stands_still(joined)
    return families_of(joined.association, joined.lines, joined.ons, (~still).astype(np.uint8)), joined


@pytest.mark.parametrize("spacing_hz", [50.0, 99.7, 1000.0, 9000.0])
@pytest.mark.parametrize("drift", [-0.8, 0.0])
def test_a_comb_with_missing_lines_is_one_family_of_its_spacing(spacing_hz, drift):
    rng = np.random.default_rng(3)
    lines = [Emitter(8420e6 + spacing_hz * k, drift, 0.0, ALL) for k in range(40) if rng.random() < 0.7]
    found, _ = families(cadence(lines, rng=rng))
    assert len(set(found.of_track.tolist())) == 1
    assert found.kind == {0: "comb"}
    assert found.spacing_hz[0] == pytest.approx(spacing_hz, rel=2e-3)


def test_two_combs_with_other_drifts_are_two_families():
    rng = np.random.default_rng(4)
    one = [Emitter(8420e6 + 1000 * k, -0.5, 0.0, ALL) for k in range(20)]
    other = [Emitter(8420e6 + 430 + 1000 * k, 0.7, 0.0, ALL) for k in range(20)]
    found, joined = families(cadence([*one, *other], rng=rng))
    drift = joined.association.fits.value[:, 1]
    assert len(set(found.of_track[drift < 0].tolist())) == 1
    assert len(set(found.of_track[drift > 0].tolist())) == 1
    assert len(set(found.of_track.tolist())) == 2


def test_lines_that_only_one_scan_lists_belong_to_their_comb():
    lines = [Emitter(8420e6 + 1000 * k, -0.5, 0.0, ALL if k % 2 else (15.0, *(0.0,) * 5)) for k in range(20)]
    found, _ = families(cadence(lines, rng=np.random.default_rng(5)))
    assert len(set(found.of_track.tolist())) == 1


def test_carrier_and_side_bands_share_a_history():
    carrier = Emitter(8419.542e6, -0.357, -5e-5, ALL)
    lines = [carrier, *(carrier._replace(frequency_hz=carrier.frequency_hz + off) for off in (-22_500.0, 22_400.0))]
    found, _ = families(cadence(lines, rng=np.random.default_rng(6)))
    assert found.of_track.tolist() == [0, 0, 0]
    assert found.kind == {0: "drift_history"}


def test_neighbours_that_drift_otherwise_and_lines_that_stand_still_are_single():
    lines = [
        Emitter(8420.00e6, -0.357, 0.0, ALL),
        Emitter(8420.01e6, -0.32, 0.0, ALL),
        Emitter(8420.02e6, 0.0, 0.0, ALL),
        Emitter(8420.0337e6, 0.0, 0.0, ALL),
    ]
    found, _ = families(cadence(lines))
    assert found.of_track.tolist() == [0, 1, 2, 3]
    assert found.kind == {}


def test_hits_that_the_results_give_to_one_emitter_are_one_family():
    lines = [Emitter(8420.00e6, -0.357, 0.0, ALL), Emitter(8420.0003e6, -0.2, 0.0, ALL)]
    scans = cadence(lines, records=True)
    assert len(set(families(scans)[0].of_track.tolist())) == 2
    for scan in scans:
        scan.hits.records[:] = [record(number, 15.0) | {"group": 0} for number in range(2)]
    assert len(set(families(scans)[0].of_track.tolist())) == 1


def test_random_lines_make_no_comb():
    rng = np.random.default_rng(8)
    lines = [Emitter(rng.uniform(8419.1e6, 8421.9e6), rng.uniform(-4, 4), 0.0, ALL) for _ in range(400)]
    found, _ = families(cadence(lines, rng=rng))
    assert "comb" not in found.kind.values()
    assert len(set(found.of_track.tolist())) >= 395


def test_a_track_whose_hits_are_alone_in_their_groups_is_single():
    found, _ = families(cadence([Emitter(8420e6, -0.5, 0.0, ALL)], records=True))
    assert found.of_track.tolist() == [0]
    assert found.kind == {}
