"""Each scan and each rejection has a plain sentence."""

import pytest

from services.classify.cadence.joining import join
from services.classify.cadence.observed import observed
from services.classify.cadence.sentences import family_sentence, rejections, scan_sentence
from services.classify.cadence.verdict import judged
from shared.cadence import CadenceParameters
from shared.tracks import LOST, OUTSIDE
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence

TRACK = Emitter(8420.5e6, -0.4, 0.0, (20.0, 0.0, 20.0, 12.0, 0.0, 0.0))


def sentences(measured=True, edit=None, track=TRACK):
    joined = join(cadence([track]), CadenceParameters())
    rows = measure(joined, [track]) if measured else None
    if edit:
        edit(rows)
    seen = observed(joined, rows)
    judgement = judged(joined, seen)
    of_scans = [scan_sentence(joined, seen, judgement, 0, scan) for scan in joined.scans]
    return of_scans, rejections(joined, seen, judgement, 0)


def test_measured_scans():
    def edit(rows):
        for row in rows.values():
            row["trials"] = 1.0
        rows[1]["trials"] = 12.0
        rows[5]["state"] = LOST

    of_scans, reasons = sentences(edit=edit)
    assert of_scans == [
        "Scan 1 (ON) has SNR 20.0 ± 1.0 along the track: it is there.",
        "Scan 2 (OFF) has SNR 0.0 ± 1.0 along the track, the best of 12 paths: it is not there, with at most 15 % of "
        "its strength in the ON scans that show it (3 sigma).",
        "Scan 3 (ON) has SNR 20.0 ± 1.0 along the track: it is there.",
        "Scan 4 (OFF) has SNR 12.0 ± 1.0 along the track: it is there too, with 60 % of its strength in the ON scans.",
        "Scan 5 (ON) has SNR 0.0 ± 1.0 along the track: it is not there, with at most 15 % of its strength in the ON "
        "scans that show it (3 sigma).",
        "Scan 6 (OFF) has lost the samples along the track.",
    ]
    assert reasons == [
        "It is in 2 of 3 ON scans, and 3 are needed; it is not seen in scan 5.",
        "Scan 4 is OFF and shows it too.",
    ]


def test_listed_scans_say_that_nothing_was_measured():
    of_scans, reasons = sentences(measured=False)
    assert of_scans[0] == "Scan 1 (ON) lists a hit on the track with SNR 20.0; nothing could be measured."
    assert of_scans[4] == "Scan 5 (ON) lists no hit on the track, and there are no samples to measure."
    assert reasons[0] == (
        "It is in 2 of 3 ON scans, and 3 are needed; it is not seen in scan 5, where nothing could be measured, so it "
        "may be there below the threshold."
    )


def test_weak_listed_hits_say_why_they_do_not_count():
    of_scans, _ = sentences(measured=False, track=TRACK._replace(snr=(20.0, 3.0, 9.0, 0.0, 20.0, 0.0)))
    assert of_scans[1].endswith("with SNR 3.0, too weak to count; nothing could be measured.")
    assert of_scans[2].endswith("with SNR 9.0, below the threshold of 10; nothing could be measured.")


def test_a_scan_that_does_not_reach_the_frequency():
    def edit(rows):
        rows[2]["state"] = OUTSIDE

    assert sentences(edit=edit)[0][2] == "Scan 3 (ON) doesn't reach this frequency."


def test_a_line_that_stands_still():
    _, reasons = sentences(track=TRACK._replace(drift_hz_s=0.0, snr=(20.0, 0, 20.0, 0, 20.0, 0)))
    assert len(reasons) == 1
    assert reasons[0].endswith("agrees with none: a transmitter fixed to the ground.")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("single", 1, 0, None), "A line of its own."),
        (
            ("comb", 12, 1, 1000.0),
            "12 lines on a raster of 1 kHz that drift alike: one emitter; 1 of them is an event.",
        ),
        (("drift_history", 3, 2, None), "3 lines that drift alike in all scans: one emitter; 2 of them are events."),
    ],
)
def test_families(given, sentence):
    assert family_sentence(*given) == sentence


def test_a_scan_that_could_not_show_the_signal_says_nothing():
    def edit(rows):
        rows[1]["strength_error_hz"] *= 20.0
        rows[1]["trials"] = 1.0

    of_scans, _ = sentences(edit=edit)
    assert of_scans[1] == (
        "Scan 2 (OFF) has SNR 0.0 ± 1.0 along the track: that says nothing, for a signal as strong as in the ON scans "
        "would not be seen in it."
    )
