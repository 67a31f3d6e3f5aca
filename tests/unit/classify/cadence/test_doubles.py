"""One line is one event, also if a hit of it did not fit its track."""

from dataclasses import replace

import numpy as np

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.doubles import without_doubles
from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.verdict import judged
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence

LINE = Emitter(8420.5e6, 3.95, 8e-5, (60.0, 0.0, 60.0, 0.0, 60.0, 0.0))


def doubled():
    """The search ended at 4 Hz/s: the hit of the last ON scan has a drift that is wrong by 0.3 Hz/s."""
    scans = cadence([LINE])
    hits = scans[4].hits
    scans[4] = replace(scans[4], hits=replace(hits, drift_rate_hz_s=hits.drift_rate_hz_s - 0.3))
    joined = join(scans, CadenceParameters())
    rows = measure(joined, [LINE])
    better = int(np.argmax((joined.association.members >= 0).sum(axis=1)))
    for of_scan in (0, 2, 4):
        # Both tracks find the line, the other one with a drift of its own.
        other = np.arange(len(joined)) != better
        for name in ("snr", "strength_hz", "frequency_hz", "drift_rate_hz_s"):
            rows[of_scan][name] = rows[of_scan][name][better]
        rows[of_scan]["drift_rate_hz_s"] += 0.08 * other
        rows[of_scan]["frequency_hz"] -= 0.08 * other * joined.scans[0].drift_span_s / 2
    return joined, rows


def test_the_track_with_more_hits_is_the_event():
    joined, rows = doubled()
    assert sorted((joined.association.members >= 0).sum(axis=1)) == [1, 2]
    seen = observed(joined, rows)
    before = judged(joined, seen)
    assert before.is_event.tolist() == [True, True]
    after = without_doubles(joined, seen, before)
    better = int(np.argmax((joined.association.members >= 0).sum(axis=1)))
    assert np.flatnonzero(after.is_event).tolist() == [better]
    assert after.double_of[1 - better] == better
    assert after.rejected.tolist() == [1 - better]


def test_the_other_says_so():
    found = close(*doubled(), Origin("job"))
    assert len(found.events) == 1
    at = found.events[0]["frequency_hz"] / 1e6
    assert found.rejected[0]["reasons"][0] == (
        f"It is the line of the event at {at:.6f} MHz, which has more hits or a higher SNR."
    )


def test_lines_three_channels_apart_are_two_events():
    lines = [LINE, LINE._replace(frequency_hz=LINE.frequency_hz + 9.0)]
    joined = join(cadence(lines), CadenceParameters())
    seen = observed(joined, measure(joined, lines))
    found = without_doubles(joined, seen, judged(joined, seen))
    assert found.is_event.tolist() == [True, True]
