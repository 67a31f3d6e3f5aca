"""`events.json` is read as written, and what is damaged is refused with the name of the field."""

import json

import pytest

from shared.cadence import CadenceParameters, CadenceSummary
from shared.cadence_document import CadenceDocument
from shared.errors import PermanentError

SUMMARY = CadenceSummary(
    events=0, families=0, candidates=0, rejected=0, processing_time_seconds=1.5, top_events=(), warnings=()
)
DOCUMENT = CadenceDocument(
    job_id="5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11",
    name="Voyager 1",
    source_name="Voyager1",
    epoch_mjd=57650.78209490741,
    parameters=CadenceParameters(),
    scans=[],
    events=[],
    rejected=[],
    families=[],
    warnings=["Scan 6 failed and was left out."],
    summary=SUMMARY,
    processing_time_seconds=1.5,
)


def test_a_document_is_read_as_written():
    assert CadenceDocument.from_bytes(DOCUMENT.to_bytes()) == DOCUMENT
    assert CadenceDocument.from_bytes(DOCUMENT.to_bytes()).to_bytes() == DOCUMENT.to_bytes()


@pytest.mark.parametrize(
    ("change", "place"), [({"format_version": 2}, "format_version"), ({"epoch_mjd": "x"}, "epoch_mjd")]
)
def test_a_damaged_document_is_refused(change, place):
    with pytest.raises(PermanentError, match=place):
        CadenceDocument.from_bytes(json.dumps(json.loads(DOCUMENT.to_bytes()) | change).encode())
