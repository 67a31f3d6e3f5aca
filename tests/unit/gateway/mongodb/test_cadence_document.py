"""Every field of a cadence survives the database."""

from dataclasses import fields, replace

import pytest

from services.gateway.jobs.cadence import Cadence, ClassifiedScan, Scan, ScanJob
from services.gateway.jobs.model import Failure, Progress
from services.gateway.mongodb.cadence_document import cadence_of, classified_fields, document_of_cadence, scan_job_of
from services.gateway.mongodb.job_document import (
    CONTENT_FIELDS,
    artefacts_fields,
    export_failure_fields,
    failure_fields,
    progress_fields,
    removed_fields,
    removed_of,
)
from shared.cadence import CadenceParameters, CadenceSummary
from shared.events import Artefact, JobLimits, SearchParameters, Upload

UPLOAD = Upload(
    file_key="uploads/u/1/s.fil",
    file_name="né ☃.fil",
    file_size=5_000_000_000,
    source_name="HIP 39826",
    submitted_at="2024-04-07T00:00:00.123456Z",
    etag='"0"',
    sha256="0" * 64,
)
NEW = Cadence(
    job_id="c-1",
    user_id="u",
    name="né",
    scans=(Scan("j-1", UPLOAD, "on", is_new=True), Scan("j-2", UPLOAD, None, is_new=False)),
    parameters=CadenceParameters(min_on_scans=2, off_snr=1.0 + 1e-15),
    search=SearchParameters(snr_threshold=12.5, ifs="all", chirps=True),
    limits=JobLimits(max_unpacked_bytes=2**40, max_processor_s=0.1),
    submitted_ms=1_712_444_400_123,
    expires_at=1_720_220_400,
    slot_ms=5,
)
RESULTS = CadenceSummary(
    events=2, families=1, candidates=1, rejected=9, processing_time_seconds=28.4, top_events=(), warnings=("w",)
)
ARTEFACT = Artefact(format="csv", key="k", filename="f", content_type="text/csv", size=7, sha256="0" * 64)
FULL = replace(
    NEW,
    status="complete",
    is_started=True,
    is_ready=True,
    classified_scans=(ClassifiedScan("j-2", "off"), ClassifiedScan("j-1", "on")),
    completed_at=1_712_444_430,
    results=RESULTS,
    results_key="jobs/c-1/events.json",
    progress=Progress("export", 1, 1),
    failure=Failure("ingest", "bad_observation", "x.fil is empty."),
    export_failure=Failure("export", "internal_error", "No plots."),
    artefacts=(ARTEFACT,),
)
DOCUMENT = {
    **document_of_cadence(NEW),
    "status": "complete",
    # As a server gives it that has no booleans.
    "is_started": 1,
    "event": "{}",
    **classified_fields(FULL.classified_scans, RESULTS),
    "completed_at": 1_712_444_430,
    "results_key": "jobs/c-1/events.json",
    **progress_fields(FULL.progress),
    **failure_fields(FULL.failure),
    **export_failure_fields(FULL.export_failure),
    **artefacts_fields([ARTEFACT]),
}


def test_the_full_cadence_sets_every_field():
    assert [field.name for field in fields(Cadence) if getattr(FULL, field.name) in (None, (), False)] == []


def test_a_new_cadence_is_read_as_stored():
    assert cadence_of(document_of_cadence(NEW)) == NEW


def test_a_full_cadence_is_read_as_stored():
    found = cadence_of(DOCUMENT)
    assert found == FULL
    assert found.is_started is True


def test_a_removed_cadence_keeps_only_what_its_jobs_need():
    document = {**DOCUMENT, "kind": "cadence", "due_ms": 1, "check_ms": 1, **removed_fields(9)}
    left = {name: value for name, value in document.items() if name not in CONTENT_FIELDS}
    assert set(left) == {
        *("_id", "kind", "user_id", "status", "submitted_ms", "slot_ms", "progress_rank"),
        *("removed_ms", "purge_due_ms", "scan_jobs", "starts"),
    }
    removed = removed_of(left)
    assert (removed.file_key, removed.scan_jobs, removed.cancels) == (None, ("j-1", "j-2"), ("j-1",))


@pytest.mark.parametrize(
    ("document", "job", "has_ended"),
    [
        ({"status": "processing"}, ScanJob("processing"), False),
        ({"status": "complete", "results_key": "k"}, ScanJob("complete", "k"), True),
        (
            {"status": "failed", **failure_fields(Failure("ingest", "c", "m"))},
            ScanJob("failed", failure=Failure("ingest", "c", "m")),
            True,
        ),
        ({"status": "removed", "results_key": "k"}, ScanJob("deleted"), True),
    ],
)
def test_the_job_of_a_scan(document, job, has_ended):
    found = scan_job_of(document)
    assert (found, found.has_ended) == (job, has_ended)
