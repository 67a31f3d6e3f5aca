"""The rule: enough ON scans, no OFF scan, and a drift; measured along the track, with the number of tried paths."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.scans import failed_scan
from services.classify.cadence.verdict import judged
from shared.cadence import CadenceParameters
from shared.tracks import LOST, OUTSIDE
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence

TRACK = Emitter(8420.5e6, -0.4, 0.0, (20.0, 0.0, 20.0, 0.0, 20.0, 0.0))


def verdict(listed, true=None, *, parameters=None, edit=None, measured=True, scans=None):
    """`listed`: SNR of the hits in each scan; `true`: what is measured, the same unless given."""
    joined = join(scans or cadence([TRACK._replace(snr=listed)]), parameters or CadenceParameters())
    rows = measure(joined, [TRACK._replace(snr=true or listed)]) if measured else None
    if edit:
        edit(rows)
    seen = observed(joined, rows)
    return judged(joined, seen), seen


ON_ONLY = (20.0, 0.0, 20.0, 0.0, 20.0, 0.0)


def test_all_on_scans_and_no_off_is_an_event():
    found, _ = verdict(ON_ONLY)
    assert found.is_event.tolist() == [True]
    assert found.present[0].tolist() == [True, False] * 3
    assert found.snr[0] == pytest.approx(20 * np.sqrt(3))
    np.testing.assert_allclose(found.ratio[0, ::2], 1.0)
    assert np.all(found.probability[0, 1::2] < 0.35)


def test_an_on_scan_that_lists_nothing_is_measured():
    assert verdict((20.0, 0, 20.0, 0, 0, 0), (20.0, 0, 20.0, 0, 9.0, 0))[0].is_event.tolist() == [True]
    absent, _ = verdict((20.0, 0, 20.0, 0, 0, 0), (20.0, 0, 20.0, 0, 0, 0))
    assert absent.is_event.tolist() == [False]
    assert (absent.on_present[0], absent.needed[0]) == (2, 3)


def test_an_on_scan_without_a_hit_needs_a_higher_snr_if_one_hit_is_all_that_is_known():
    one = CadenceParameters(min_on_scans=2)
    known, _ = verdict((20.0, 0, 20.0, 0, 0, 0), (20.0, 0, 20.0, 0, 4.3, 0))
    alone, _ = verdict((20.0, 0, 0, 0, 0, 0), (20.0, 0, 4.3, 0, 0, 0), parameters=one)
    assert (known.on_present[0], alone.on_present[0]) == (3, 1)


def test_off_scans_that_show_it_together_rule_it_out():
    """Each of SNR 2.5, one in 160 in noise; all three of them one in 100,000."""
    found, seen = verdict(ON_ONLY, (20.0, 2.5, 20.0, 2.5, 20.0, 2.5))
    assert (found.off_present[0], found.off_together[0], found.is_event[0]) == (0, True, False)
    assert verdict(ON_ONLY, (20.0, 2.5, 20.0, 0.0, 20.0, 0.0))[0].is_event.tolist() == [True]
    assert seen.is_measured.all()


def test_k_of_n_on_scans_are_enough_if_so_stated():
    two = CadenceParameters(min_on_scans=2)
    assert verdict((20.0, 0, 20.0, 0, 0, 0), parameters=two)[0].is_event.tolist() == [True]
    assert verdict((20.0, 0, 0, 0, 0, 0), parameters=two)[0].is_event.tolist() == [False]


def test_a_faint_off_on_the_track_rules_it_out_and_a_strong_one_beside_it_does_not():
    assert verdict(ON_ONLY, (20.0, 0, 20.0, 6.0, 20.0, 0))[0].is_event.tolist() == [False]
    beside = TRACK._replace(frequency_hz=TRACK.frequency_hz + 200, snr=(0, 0, 0, 5000.0, 0, 0))
    joined = join(cadence([TRACK, beside]), CadenceParameters())
    found = judged(joined, observed(joined, measure(joined, [TRACK, beside])))
    assert found.is_event.tolist() == [True]


def test_the_threshold_of_an_off_scan_grows_with_the_paths_that_were_tried():
    def with_trials(trials):
        def edit(rows):
            rows[3]["snr"], rows[3]["trials"] = 4.0, trials

        return edit

    assert verdict(ON_ONLY, edit=with_trials(1))[0].is_event.tolist() == [False]
    assert verdict(ON_ONLY, edit=with_trials(100))[0].is_event.tolist() == [True]


def test_an_on_scan_far_fainter_than_the_others_does_not_show_it():
    # 1 % of the strength elsewhere, though 10 sigma: a side lobe of something else.
    found, _ = verdict((1000.0, 0, 1000.0, 0, 0, 0), (1000.0, 0, 1000.0, 0, 10.0, 0))
    assert found.present[0].tolist() == [True, False, True, False, False, False]


def test_a_line_that_stands_still_is_no_event():
    still = TRACK._replace(drift_hz_s=0.0)
    joined = join(cadence([still]), CadenceParameters())
    found = judged(joined, observed(joined, measure(joined, [still])))
    assert found.stands_still.tolist() == [True]
    assert found.is_event.tolist() == [False]


@pytest.mark.parametrize("state", [OUTSIDE, LOST])
def test_a_scan_that_can_not_show_it_is_not_needed(state):
    def edit(rows):
        rows[4]["state"], rows[4]["snr"] = state, np.nan

    found, _ = verdict((20.0, 0, 20.0, 0, 0, 0), edit=edit)
    assert found.needed.tolist() == [2]
    assert found.is_event.tolist() == [True]


def test_a_failed_on_scan_is_not_needed_but_one_alone_is_not_enough():
    scans = cadence([TRACK])
    failed = [*scans[:4], failed_scan("on", "4.h5", "It is empty."), scans[5]]
    assert verdict(ON_ONLY, scans=failed)[0].is_event.tolist() == [True]

    def lost(rows):
        for place in (2, 4):
            rows[place]["state"] = LOST

    assert verdict((20.0, 0, 0, 0, 0, 0), edit=lost)[0].is_event.tolist() == [False]


def test_lists_alone_say_what_they_list():
    assert verdict(ON_ONLY, measured=False)[0].is_event.tolist() == [True]
    found, seen = verdict((20.0, 0, 20.0, 11.0, 20.0, 0), measured=False)
    assert found.is_event.tolist() == [False]
    assert found.off_present.tolist() == [1]
    assert not seen.is_measured.any()
    # An ON hit below the threshold does not count.
    assert verdict((20.0, 0, 20.0, 0, 9.0, 0), measured=False)[0].is_event.tolist() == [False]


def test_strengths_of_scans_of_another_length_are_compared_by_power():
    scans = cadence([TRACK])

    def edit(rows):
        # The last ON scan is a quarter as long: half the SNR at the same strength.
        unit = rows[4]["strength_error_hz"] * 2
        rows[4]["snr"], rows[4]["strength_hz"], rows[4]["strength_error_hz"] = 10.0, 10.0 * unit, unit

    found, _ = verdict(ON_ONLY, edit=edit, scans=[replace(scan) for scan in scans])
    np.testing.assert_allclose(found.ratio[0, ::2], 1.0)
    assert found.ratio_error[0, 4] > 1.9 * found.ratio_error[0, 0] / 1.1
