"""Power that belongs to a hit of one track does not show another."""

import numpy as np

from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.ownership import of_another_track
from services.classify.cadence.verdict import judged
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence

REAL = Emitter(8420.5e6, -0.4, 0.0, (20.0, 0.0, 20.0, 0.0, 20.0, 0.0))
# A burst in the second ON scan, 20 Hz beside the line: too far for its hit to join, near enough to be looked for there.
BURST = Emitter(8420.5e6 + 20, -0.4, 0.0, (0.0, 0.0, 25.0, 0.0, 0.0, 0.0))


def test_a_burst_beside_an_emitter_is_no_second_event():
    joined = join(cadence([REAL, BURST]), CadenceParameters())
    assert len(joined) == 2
    seen = observed(joined, measure(joined, [REAL, BURST]))
    burst = int(np.argmin((joined.association.members >= 0).sum(axis=1)))
    assert seen.snr[burst].tolist() == [20.0, 0.0, 25.0, 0.0, 20.0, 0.0]
    taken = of_another_track(joined, seen)
    assert taken[burst].tolist() == [True, False, False, False, True, False]
    assert not taken[1 - burst].any()
    assert judged(joined, seen).is_event.tolist() == [place != burst for place in range(2)]


def test_a_line_of_its_own_is_not_taken():
    alone = BURST._replace(snr=(9.0, 0.0, 25.0, 0.0, 9.0, 0.0), frequency_hz=8420.7e6)
    joined = join(cadence([REAL, alone._replace(snr=(0.0, 0.0, 25.0, 0.0, 0.0, 0.0))]), CadenceParameters())
    seen = observed(joined, measure(joined, [REAL, alone]))
    assert not of_another_track(joined, seen).any()
    assert judged(joined, seen).is_event.tolist() == [True, True]
