"""Interestingness of a cadence's tracks: the component of ON and OFF scans comes from the measurement."""

import numpy as np
import pytest

from services.classify.cadence.explanations import Explained
from services.classify.cadence.families import Families
from services.classify.cadence.interest import cadence_component, components, interest
from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.verdict import judged
from services.classify.ranking import WEIGHTS
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence, record

ONE = Emitter(8420.5e6, -0.4, 0.0, (200.0, 0.0, 200.0, 0.0, 200.0, 0.0))
PLAIN = Explained("CANDIDATE_ET", "", [], [])
ALONE = Families(np.zeros(1, np.int64), {}, {})


def judgement(true, measured=True, listed=None):
    joined = join(cadence([ONE._replace(snr=listed or ONE.snr)]), CadenceParameters())
    rows = measure(joined, [ONE._replace(snr=true)]) if measured else None
    return joined, judged(joined, observed(joined, rows))


def test_the_component_is_one_for_a_strong_signal_in_all_on_scans_alone():
    assert cadence_component(*judgement(ONE.snr), 0) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("true", "listed", "value"),
    [
        ((200.0, 0, 200.0, 0, 0, 0), (200.0, 0, 200.0, 0, 0, 0), 2 / 3),
        ((200.0, 0, 200.0, 50.0, 200.0, 0), None, 0.0),
    ],
)
def test_absent_on_scans_and_off_scans_lower_it(true, listed, value):
    assert cadence_component(*judgement(true, listed=listed), 0) == pytest.approx(value, abs=1e-3)


def test_it_is_undecided_where_no_off_scan_was_measured():
    assert cadence_component(*judgement(ONE.snr, measured=False), 0) == 0.5


def test_all_components_have_their_weights():
    joined, found = judgement(ONE.snr)
    parts = components(joined, ALONE, found, 0, PLAIN, record(0, 200.0))
    assert set(parts) == set(WEIGHTS)
    assert parts["drift"] == 1.0
    assert parts["rfi_freedom"] == 1.0
    assert parts["confidence"] == 0.97
    assert interest(parts) == pytest.approx(sum(WEIGHTS[name] * value for name, value in parts.items()))


def test_a_table_has_no_novelty_and_no_confidence():
    joined, found = judgement(ONE.snr)
    assert set(components(joined, ALONE, found, 0, PLAIN, None)) == {"snr", "drift", "rfi_freedom", "cadence"}


def test_rfi_combs_and_look_alikes_in_off_scans_lower_the_freedom_from_rfi():
    joined, found = judgement(ONE.snr)
    rfi = Explained("RFI_SATELLITE", "Inmarsat", [], [])
    assert components(joined, ALONE, found, 0, rfi, None)["rfi_freedom"] == 0.0
    comb = Families(np.zeros(1, np.int64), {0: 1000.0}, {0: "comb"})
    assert components(joined, comb, found, 0, PLAIN, None)["rfi_freedom"] == 0.5
