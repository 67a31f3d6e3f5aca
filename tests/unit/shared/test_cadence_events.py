"""Events of cadences that contradict themselves do not decode."""

import json

import pytest

from shared.events import (
    CadenceClassified,
    CadenceExported,
    CadenceReady,
    TrackMeasured,
    TrackReady,
    UndecodableEventError,
    decode,
)
from tests.unit.shared.example_events import EXPECTED, JOB_ID, ON_JOB, SCANS

KINDS = (CadenceReady, TrackReady, TrackMeasured, CadenceClassified, CadenceExported)
READY, TRACKS, MEASURED, CLASSIFIED, EXPORTED = (next(e for e in EXPECTED if isinstance(e, kind)) for kind in KINDS)


def changed(event, change):
    return json.dumps(json.loads(event.to_bytes()) | change).encode()


def scans(**change):
    first, second = [json.loads(scan.model_dump_json()) for scan in SCANS]
    return [first | change, second]


@pytest.mark.parametrize(
    ("event", "change", "word"),
    [
        (TRACKS, {"part": 12}, "part 12 of 12"),
        (MEASURED, {"part": 12}, "part 12 of 12"),
        (TRACKS, {"first_track": 512}, "tracks 512 to 512"),
        (TRACKS, {"tracks_key": f"jobs/{ON_JOB}/tracks.npz"}, "not below"),
        (MEASURED, {"measured_key": f"jobs/{JOB_ID}/../x.npz"}, "not below"),
        (CLASSIFIED, {"events_key": "events.json"}, "not below"),
        (READY, {"scans": scans(results_key="jobs/another/results.json")}, "not below"),
        (READY, {"scans": scans(results_key=None)}, "neither results nor a failure"),
        (READY, {"scans": scans(failure="It failed.")}, "or both"),
        (CLASSIFIED, {"scans": scans(job_id=SCANS[1].job_id, results_key=None, failure="x")}, "one job is two scans"),
        (CLASSIFIED, {"scans": scans(role=None)}, "a scan has no role"),
        (READY, {"scans": scans()[:1]}, "at least 2"),
        (READY, {"scans": scans() * 33}, "at most 64"),
    ],
)
def test_a_contradiction_does_not_decode(event, change, word):
    assert decode(event.to_bytes()) == event
    with pytest.raises(UndecodableEventError, match=word):
        decode(changed(event, change))


def test_a_file_of_another_job_does_not_decode():
    artefact = json.loads(EXPORTED.to_bytes())["artefacts"][0] | {"key": f"jobs/{ON_JOB}/events.csv"}
    with pytest.raises(UndecodableEventError, match="not below"):
        decode(changed(EXPORTED, {"artefacts": [artefact]}))
