"""A job is read from its document as it was stored."""

from dataclasses import fields, replace
from typing import Any

import pytest

from services.gateway.jobs.model import Failure, Job, Progress
from services.gateway.mongodb.job_document import (
    CONTENT_FIELDS,
    NO_PROGRESS,
    REMOVED,
    document_of,
    job_of,
    never_started_document,
    removed_fields,
    removed_of,
)
from shared.events import Artefact, ResultsSummary, SearchParameters, TopCandidate
from shared.header import Header

NEW = Job("j-1", "u", "k", "f.fil", "né ☃", 5_000_000_000, 1_712_444_400_123)
CANDIDATE = TopCandidate(
    frequency_hz=8419319368.432999,
    drift_rate=-1e-12,
    snr=126.25,
    classification="NARROWBAND_DRIFTING",
    interestingness=0.82,
    rfi_source="",
    source="x",
)
RESULTS = ResultsSummary(
    raw_hits=3, filtered_hits=2, candidates=1, processing_time_seconds=28.4, top_candidates=(CANDIDATE,)
)
HEADER = Header(
    file_format="fil",
    n_spectra=16,
    n_channels=4096,
    n_ifs=2,
    n_bits=32,
    data_offset_bytes=300,
    fch1_mhz=8421.386717353016,
    foff_mhz=-2.7939677238464355e-06,
    tsamp_s=18.253611008,
    telescope_id=6,
)
FULL = replace(
    NEW,
    status="complete",
    completed_at=1_712_444_430,
    results=RESULTS,
    results_key="jobs/j-1/results.json",
    progress=Progress("export", 1, 1),
    failure=Failure("ingest", "bad_observation", "x.fil is empty."),
    export_failure=Failure("export", "internal_error", "No plots."),
    artefacts=(Artefact(format="csv", key="k", filename="f", content_type="text/csv", size=7, sha256="0" * 64),),
    expires_at=1_720_220_400,
    slot_ms=5,
    etag='"0123"',
    parameters=SearchParameters(snr_threshold=12.5),
    cadence_id="c-1",
    observation=HEADER,
)


def test_the_full_job_sets_every_field() -> None:
    assert [field.name for field in fields(Job) if getattr(FULL, field.name) in (None, ())] == []


@pytest.mark.parametrize(
    "changes",
    [{}, *({field.name: getattr(FULL, field.name)} for field in fields(Job))],
    ids=lambda changes: next(iter(changes), "new"),
)
def test_a_job_with_any_field_is_read_as_stored(changes: dict[str, Any]) -> None:
    job = replace(NEW, **changes)
    assert job_of(document_of(job)) == job


def test_a_full_job_is_read_as_stored() -> None:
    assert job_of(document_of(FULL)) == FULL


def test_a_document_of_an_early_version_has_no_parameters() -> None:
    document = {**document_of(NEW), "parameters": None, "completed_at": None, "results": None}
    assert job_of(document) == NEW


def test_the_order_of_progress_is_stored_for_conditional_updates() -> None:
    assert document_of(NEW)["progress_rank"] == NO_PROGRESS
    assert document_of(FULL)["progress_rank"] == Progress("export", 1, 1).order > NO_PROGRESS


def test_a_removed_job_keeps_no_content() -> None:
    document = {**document_of(FULL), "event": "{}", "due_ms": 1, **removed_fields(9)}
    left = {name: value for name, value in document.items() if name not in CONTENT_FIELDS}
    assert set(left) == {
        *("_id", "user_id", "status", "file_key", "file_size", "submitted_ms", "slot_ms", "progress_rank"),
        *("removed_ms", "purge_due_ms", "scan_of", "uses"),
    }
    removed = removed_of(left)
    assert (left["status"], removed.job_id, removed.file_key, removed.purge_due_ms) == (REMOVED, "j-1", "k", 9)


def test_a_job_that_never_started_has_no_upload() -> None:
    document = never_started_document("j-1", "u", 9)
    assert document["status"] == REMOVED
    assert removed_of(document).file_key is None
