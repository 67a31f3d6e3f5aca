"""An event is a candidate only if nothing known explains it."""

import numpy as np
import pytest

from services.classify.cadence.explanations import explained
from services.classify.cadence.families import families_of, histories
from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.verdict import judged, middle_s
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence, record

ON_ONLY = (20.0, 0.0, 20.0, 0.0, 20.0, 0.0)
EVERYWHERE = (20.0,) * 6
ONE = Emitter(8420.5e6, -0.4, 0.0, ON_ONLY)


def explanation(*emitters, of=None, shift_hz=0.0):
    """What is said of the first emitter; `shift_hz` moves all frequencies, the scans' band included."""
    joined = join(cadence(emitters), CadenceParameters())
    joined.association.fits.value[:, 0] += shift_hz
    found = judged(joined, observed(joined, measure(joined, emitters)))
    if shift_hz:
        found.is_event[:] = True
    moving = (~found.stands_still).astype(np.uint8)
    families = families_of(joined.association, joined.lines, joined.ons, moving)
    track = int(np.argmin(np.abs(joined.association.fits.value[:, 0] - emitters[0].frequency_hz - shift_hz)))
    return explained(joined, families, histories(joined.association, middle_s(joined)), found, track, of)


def test_an_event_that_nothing_explains_is_a_candidate():
    assert explanation(ONE).label == "CANDIDATE_ET"
    assert explanation(ONE, of=record(0, 20.0)).label == "CANDIDATE_ET"
    assert explanation(ONE).reasons == []


def test_a_track_that_is_no_event_is_no_candidate():
    leaking = ONE._replace(snr=EVERYWHERE)
    assert explanation(leaking, of=record(0, 20.0, "CANDIDATE_ET")).label == "NARROWBAND_DRIFTING"


@pytest.mark.parametrize("label", ["PULSED", "CHIRP", "BROADBAND", "NOISE", "RFI_TERRESTRIAL"])
def test_another_shape_keeps_its_label(label):
    assert explanation(ONE, of=record(0, 20.0, label)).label == label


def test_the_service_of_the_strongest_hit_is_named():
    found = explanation(ONE, of=record(0, 20.0, "RFI_SATELLITE", "Inmarsat"))
    assert (found.label, found.rfi_source) == ("RFI_SATELLITE", "Inmarsat")
    assert found.reasons[0] == "Inmarsat transmits here, and the shape agrees."


def test_a_band_with_carriers_or_moving_lines_explains_it():
    inmarsat = explanation(ONE, shift_hz=1540e6 - 8420.5e6)
    assert inmarsat.label == "NARROWBAND_DRIFTING"
    assert inmarsat.reasons == ["Inmarsat has its band here, with carriers."]
    beidou = explanation(ONE, shift_hz=1561e6 - 8420.5e6)
    assert beidou.reasons == ["BeiDou B1 has its band here, with lines that drift."]


def test_a_drift_that_no_planet_gives_explains_it():
    fast = ONE._replace(drift_hz_s=-0.4, frequency_hz=8420.5e6)
    assert explanation(fast, shift_hz=-8419.5e6).reasons == [
        "It drifts by more than 200 nHz/s per Hz, the most of a planet."
    ]


def test_a_comb_explains_its_lines():
    comb = [ONE._replace(frequency_hz=8420.5e6 + 1000 * k) for k in range(12)]
    found = explanation(*comb)
    assert found.label == "NARROWBAND_DRIFTING"
    assert "It is one line of a comb." in found.reasons


def test_look_alikes_far_off_that_are_in_off_scans_explain_it():
    alike = ONE._replace(frequency_hz=8419.3e6, drift_hz_s=-0.4 * 8419.3 / 8420.5, snr=EVERYWHERE)
    other = ONE._replace(frequency_hz=8419.8e6, drift_hz_s=1.7, snr=EVERYWHERE)
    found = explanation(ONE, alike, other)
    assert found.look_alikes == [0]
    assert found.reasons == ["1 of its 1 look-alikes, such as that at 8419.300000 MHz, is in OFF scans."]
    assert found.label == "NARROWBAND_DRIFTING"


def test_look_alikes_in_on_scans_alone_are_listed_and_explain_nothing():
    alike = ONE._replace(frequency_hz=8419.3e6, drift_hz_s=-0.4 * 8419.3 / 8420.5)
    found = explanation(ONE, alike)
    assert found.look_alikes == [0]
    assert found.label == "CANDIDATE_ET"


def test_drifts_that_are_alike_by_chance_are_no_look_alikes():
    rng = np.random.default_rng(3)
    others = [
        Emitter(rng.uniform(8419.1e6, 8420.3e6), -0.4 + rng.uniform(-0.1, 0.1), 0.0, EVERYWHERE) for _ in range(300)
    ]
    assert explanation(ONE, *others).look_alikes == []


def test_a_drift_that_only_the_whole_cadence_shows_counts():
    slow = ONE._replace(drift_hz_s=-0.03)
    assert explanation(slow, of=record(0, 20.0, "NARROWBAND_STATIONARY")).label == "CANDIDATE_ET"
    still = ONE._replace(drift_hz_s=0.0)
    assert explanation(still, of=record(0, 20.0, "NARROWBAND_STATIONARY")).label == "NARROWBAND_STATIONARY"
