"""The document lists events best first and rejected tracks by strength, each with a sentence for every scan."""

import json
from dataclasses import replace

import numpy as np
import pytest

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.joining import join
from services.classify.cadence.scans import failed_scan
from services.classify.cadence.verdict import MOST_REJECTED
from shared.cadence import CadenceParameters
from shared.cadence_document import CadenceDocument, EventRecord, FamilyRecord, ScanRecord, TrackInScan
from tests.unit.classify.cadence.example_measurements import measure
from tests.unit.classify.cadence.example_scans import Emitter, cadence, scan

ON_ONLY = (20.0, 0.0, 20.0, 0.0, 20.0, 0.0)
STRONG = Emitter(8420.5e6, -0.4, 0.0, tuple(10 * snr for snr in ON_ONLY))
WEAK = Emitter(8421.2e6, 0.9, 2e-5, ON_ONLY)
LEAKING = Emitter(8419.7e6, -1.4, 0.0, (30.0,) * 6)
ORIGIN = Origin("5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11", "a night", 12.5)


def document(emitters, *, scans=None, parameters=None, more=(), measured=True):
    joined = join(scans or cadence(emitters, records=True), parameters or CadenceParameters())
    return close(joined, measure(joined, emitters) if measured else None, ORIGIN, more)


def test_events_come_best_first_and_are_numbered_from_one():
    found = document([WEAK, STRONG, LEAKING])
    assert [event["id"] for event in found.events] == [1, 2]
    assert [event["frequency_hz"] for event in found.events] == pytest.approx([8420.5e6, 8421.2e6], abs=5)
    assert [event["id"] for event in found.rejected] == [3]
    assert {event["track"] for event in [*found.events, *found.rejected]} == {0, 1, 2}
    assert [event["classification"] for event in found.events] == ["CANDIDATE_ET", "CANDIDATE_ET"]
    assert found.rejected[0]["reasons"][0] == "Scans 2, 4 and 6 are OFF and show it too."


def test_the_summary_agrees_with_the_lists():
    found = document([WEAK, STRONG, LEAKING], more=("Roles were proposed.",))
    summary = found.summary
    assert (summary.events, summary.families, summary.candidates, summary.rejected) == (2, 2, 2, 1)
    assert [top.id for top in summary.top_events] == [1, 2]
    assert summary.top_events[0].snr == pytest.approx(200 * np.sqrt(3), rel=1e-3)
    assert summary.processing_time_seconds == 12.5
    assert summary.warnings == ("Roles were proposed.",)


def test_every_record_has_the_fields_of_its_type_and_reads_back():
    scans = [*cadence([STRONG], records=True), failed_scan("off", "6.h5", "It is empty.", job_id="failed")]
    found = document([STRONG], scans=scans)
    raw = found.to_bytes()
    assert CadenceDocument.from_bytes(raw) == found
    read = json.loads(raw)
    event = read["events"][0]
    assert set(event) == set(EventRecord.__annotations__) - {"picture"}
    assert set(read["scans"][0]) == set(ScanRecord.__annotations__)
    assert set(read["families"][0]) == set(FamilyRecord.__annotations__)
    assert all(set(item) == set(TrackInScan.__annotations__) for item in event["scans"])
    assert event["scans"][6]["sentence"] == "Scan 7 (OFF) has no results: It is empty."
    assert event["scans"][6]["state"] == "missing"


def test_the_same_input_gives_the_same_bytes_in_any_order_of_scans():
    emitters = [WEAK, STRONG, LEAKING]
    scans = cadence(emitters, records=True)
    assert document(emitters, scans=scans).to_bytes() == document(emitters, scans=scans[::-1]).to_bytes()


def test_a_family_has_the_id_of_its_best_member():
    lines = [STRONG, *(STRONG._replace(frequency_hz=8420.5e6 + off, snr=ON_ONLY) for off in (-3e3, 3e3))]
    found = document(lines)
    assert len(found.families) == 1
    family = found.families[0]
    assert (family["id"], family["members"], family["events"], family["strongest"]) == (1, [1, 2, 3], 3, 1)
    assert {event["family"] for event in found.events} == {1}
    assert found.summary.families == 1
    assert {top.family_size for top in found.summary.top_events} == {3}


def test_look_alikes_are_named_by_their_ids():
    alike = STRONG._replace(frequency_hz=8419.3e6, drift_hz_s=-0.4 * 8419.3 / 8420.5, snr=(20.0,) * 6)
    found = document([STRONG, alike])
    assert found.events[0]["look_alikes"] == [2]
    assert found.rejected[0]["id"] == 2


def test_rejected_tracks_are_capped_and_counted():
    rng = np.random.default_rng(1)
    strays = [(f, 3.0, 15.0) for f in rng.uniform(8419.1e6, 8421.9e6, MOST_REJECTED + 50)]
    scans = [scan(0, "on", [], more=strays), *cadence([STRONG])[1:]]
    found = document([STRONG._replace(snr=(0.0, *STRONG.snr[1:]))], scans=scans, measured=False)
    assert len(found.rejected) == MOST_REJECTED
    assert found.summary.rejected > MOST_REJECTED
    assert any(f"the {MOST_REJECTED} strongest of them are listed" in text for text in found.warnings)


def test_more_on_scans_than_there_are_is_said():
    found = document([STRONG], parameters=CadenceParameters(min_on_scans=5))
    assert found.events == []
    assert any("An event must be in 5 ON scans, but 3 of 6 scans with results are ON" in t for t in found.warnings)


def test_lists_alone_say_that_nothing_was_measured():
    found = document([STRONG], measured=False)
    assert len(found.events) == 1
    assert any("nothing could be measured" in text for text in found.warnings)
    assert found.events[0]["scans"][1]["state"] == "silent"


def test_a_cadence_without_hits_is_an_empty_document():
    found = document([], scans=cadence([]))
    assert (found.events, found.rejected, found.families) == ([], [], [])
    assert found.summary.events == 0


def test_the_drift_of_a_source_in_the_sky_is_stated_where_the_site_is_known():
    known = document([STRONG]).events[0]
    assert known["sky_drift_rate"] == pytest.approx(-0.37, abs=0.1)
    assert known["ground_drift_rate"] == 0.0
    scans = [
        replace(item, header=item.header.model_copy(update={"telescope_id": 99}))
        for item in cadence([STRONG], records=True)
    ]
    unknown = document([STRONG], scans=scans).events[0]
    assert unknown["sky_drift_rate"] is None
    at_sky = STRONG._replace(drift_hz_s=known["sky_drift_rate"])
    assert document([at_sky]).events[0]["drift_origin"] == "sky"
