"""The codec between a job and its MongoDB document: the only place that knows both.

A job that is removed keeps a small document with the status `removed`, which users never see: late events and objects
find out that the job is gone, and its id is never used again. The same is true of a cadence (`cadence_document`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.gateway.jobs.model import (
    OPEN_STATUSES,
    Failure,
    Job,
    Progress,
    RemovedJob,
    Reopening,
    StartedJob,
)
from shared.events import Artefact, ResultsSummary, SearchParameters
from shared.header import Header

REMOVED = "removed"
# Lower than the order of any progress.
NO_PROGRESS = -1
# Fields that a removed job or cadence loses.
CONTENT_FIELDS = (
    *("event", "filename", "source_name", "results", "results_key", "progress", "failure", "export_failure"),
    *("artefacts", "completed_at", "expires_at", "due_ms", "parameters", "etag", "cadence_id", "observation"),
    *("held", "reopened", "reopened_ms"),
    *("name", "scan_names", "scans", "cadence_parameters", "limits", "is_started", "check_ms", "classified_scans"),
)


def document_of(job: Job) -> dict[str, Any]:
    """Return the document of a job; `job_of` reads it back. Fields without a value are left out."""
    document = {
        "_id": job.job_id,
        "user_id": job.user_id,
        "status": job.status,
        "file_key": job.file_key,
        "filename": job.filename,
        "source_name": job.source_name,
        "file_size": job.file_size,
        "etag": job.etag,
        "submitted_ms": job.submitted_ms,
        "expires_at": job.expires_at,
        "slot_ms": job.slot_ms,
        "parameters": job.parameters.model_dump() if job.parameters is not None else None,
        "completed_at": job.completed_at,
        "results_key": job.results_key,
        "cadence_id": job.cadence_id,
    }
    if job.cadence_id is not None:
        # As `use_jobs` of cadences notes it at jobs that were there before.
        document |= {"scan_of": {job.cadence_id: True}, "uses": 1}
    document = {name: value for name, value in document.items() if value is not None}
    document |= progress_fields(job.progress)
    if job.results is not None:
        document |= results_fields(job.results)
    if job.observation is not None:
        document |= observation_fields(job.observation)
    if job.failure is not None:
        document |= failure_fields(job.failure)
    if job.export_failure is not None:
        document |= export_failure_fields(job.export_failure)
    if job.artefacts:
        document |= artefacts_fields(job.artefacts)
    return document


def progress_fields(progress: Progress | None) -> dict[str, Any]:
    """Return the fields that store progress. Its order is stored too, since updates are conditional on it."""
    if progress is None:
        return {"progress_rank": NO_PROGRESS}
    return {"progress": asdict(progress), "progress_rank": progress.order}


def results_fields(results: ResultsSummary) -> dict[str, Any]:
    """Return the fields that store results."""
    return {"results": results.model_dump(mode="json")}


def observation_fields(observation: Header) -> dict[str, Any]:
    """Return the fields that store the header of an observation."""
    return {"observation": observation.model_dump(mode="json")}


def failure_fields(failure: Failure) -> dict[str, Any]:
    """Return the fields that store why a job failed."""
    return {"failure": asdict(failure)}


def reopening_fields(reopening: Reopening) -> dict[str, Any]:
    """Return the fields that store who reopened a job, and when. Updates are conditional on the time."""
    return {"reopened": asdict(reopening), "reopened_ms": reopening.at_ms}


def export_failure_fields(failure: Failure) -> dict[str, Any]:
    """Return the fields that store why the exports of a job failed."""
    return {"export_failure": asdict(failure)}


def artefacts_fields(artefacts: Sequence[Artefact]) -> dict[str, Any]:
    """Return the fields that store artefacts."""
    return {"artefacts": [one.model_dump(mode="json") for one in artefacts]}


def exported_fields() -> dict[str, Any]:
    """Return the fields that store the end of the export.

    Progress is on a topic of its own and may come later. A job with its artefacts must not change any more.
    """
    return progress_fields(Progress("export", 1, 1))


def job_of(document: Mapping[str, Any]) -> Job:
    """Return the job of a document."""
    results, progress = document.get("results"), document.get("progress")
    failure, export_failure = document.get("failure"), document.get("export_failure")
    parameters, observation = document.get("parameters"), document.get("observation")
    return Job(
        job_id=document["_id"],
        user_id=document["user_id"],
        file_key=document["file_key"],
        filename=document["filename"],
        source_name=document["source_name"],
        file_size=document["file_size"],
        submitted_ms=document["submitted_ms"],
        status=document["status"],
        completed_at=document.get("completed_at"),
        results=ResultsSummary.model_validate(results) if results else None,
        results_key=document.get("results_key"),
        progress=Progress(**progress) if progress else None,
        failure=Failure(**failure) if failure else None,
        export_failure=Failure(**export_failure) if export_failure else None,
        artefacts=tuple(Artefact.model_validate(one) for one in document.get("artefacts", [])),
        expires_at=document.get("expires_at"),
        slot_ms=document.get("slot_ms"),
        parameters=SearchParameters.model_validate(parameters) if parameters else None,
        etag=document.get("etag"),
        cadence_id=document.get("cadence_id"),
        observation=Header.model_validate(observation) if observation else None,
    )


def cadences_of(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the cadences that a job is a scan of and that may be open."""
    return frozenset(document.get("scan_of", {}))


def started_of(document: Mapping[str, Any]) -> StartedJob:
    """Return what stays known of a job or cadence after its removal."""
    return StartedJob(
        document["user_id"],
        document["status"] in OPEN_STATUSES,
        document.get("slot_ms"),
        cadences=cadences_of(document),
        is_cadence="kind" in document,
    )


def removed_fields(now_ms: int) -> dict[str, Any]:
    """Return the fields that mark a job as removed; its objects are due to be purged now."""
    return {"status": REMOVED, "removed_ms": now_ms, "purge_due_ms": now_ms}


def never_started_document(job_id: str, user_id: str, now_ms: int) -> dict[str, Any]:
    """Return the document that keeps a job from being inserted later: that of a removed job without an upload."""
    return {
        "_id": job_id,
        "user_id": user_id,
        "file_key": None,
        "submitted_ms": now_ms,
        **removed_fields(now_ms),
    }


def removed_of(document: Mapping[str, Any]) -> RemovedJob:
    """Return the removed job of a document."""
    return RemovedJob(
        job_id=document["_id"],
        user_id=document["user_id"],
        file_key=document.get("file_key"),
        removed_ms=document["removed_ms"],
        purge_due_ms=document["purge_due_ms"],
        scan_jobs=tuple(document.get("scan_jobs", ())),
        cancels=tuple(document.get("starts", ())),
    )
