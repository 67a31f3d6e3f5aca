"""The codec between a cadence and its MongoDB document: the only place that knows both.

Fields that mean the same as in a job's document have the same names there; see `job_document`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway.jobs.cadence import Cadence, ClassifiedScan, Scan, ScanJob
from services.gateway.jobs.model import Failure, Progress
from services.gateway.mongodb.job_document import NO_PROGRESS, REMOVED
from shared.cadence import CadenceParameters, CadenceSummary
from shared.events import Artefact, JobLimits, SearchParameters, Upload


def document_of_cadence(cadence: Cadence) -> dict[str, Any]:
    """Return the document of a new cadence; `cadence_of` reads it back."""
    return {
        "_id": cadence.job_id,
        "user_id": cadence.user_id,
        "status": cadence.status,
        "name": cadence.name,
        # As one text: not every server finds a document by an entry of an array.
        "scan_names": "\n".join(
            name for scan in cadence.scans for name in (scan.upload.file_name, scan.upload.source_name)
        ),
        "scans": [_document_of_scan(scan) for scan in cadence.scans],
        "cadence_parameters": cadence.parameters.model_dump(mode="json"),
        "parameters": cadence.search.model_dump(mode="json"),
        "limits": cadence.limits.model_dump(mode="json"),
        "submitted_ms": cadence.submitted_ms,
        "expires_at": cadence.expires_at,
        "slot_ms": cadence.slot_ms,
        "is_started": cadence.is_started,
        "progress_rank": NO_PROGRESS,
        # Still known when the cadence is removed.
        "scan_jobs": [scan.job_id for scan in cadence.scans],
        "starts": [scan.job_id for scan in cadence.scans if scan.is_new],
    }


def _document_of_scan(scan: Scan) -> dict[str, Any]:
    upload = scan.upload.model_dump(mode="json")
    return {"job_id": scan.job_id, "role": scan.role, "is_new": scan.is_new, "upload": upload}


def classified_fields(scans: Sequence[ClassifiedScan], results: CadenceSummary) -> dict[str, Any]:
    """Return the fields that store what classify found."""
    return {
        "classified_scans": [{"job_id": scan.job_id, "role": scan.role} for scan in scans],
        "results": results.model_dump(mode="json"),
    }


def cadence_of(document: Mapping[str, Any]) -> Cadence:
    """Return the cadence of a document. Some servers give 1 and 0 for true and false."""
    results, progress = document.get("results"), document.get("progress")
    failure, export_failure = document.get("failure"), document.get("export_failure")
    return Cadence(
        job_id=document["_id"],
        user_id=document["user_id"],
        name=document["name"],
        scans=tuple(
            Scan(scan["job_id"], Upload.model_validate(scan["upload"]), scan["role"], bool(scan["is_new"]))
            for scan in document["scans"]
        ),
        parameters=CadenceParameters.model_validate(document["cadence_parameters"]),
        search=SearchParameters.model_validate(document["parameters"]),
        limits=JobLimits.model_validate(document["limits"]),
        submitted_ms=document["submitted_ms"],
        expires_at=document["expires_at"],
        slot_ms=document["slot_ms"],
        status=document["status"],
        is_started=bool(document["is_started"]),
        is_ready="event" in document,
        classified_scans=tuple(ClassifiedScan(**scan) for scan in document.get("classified_scans", [])),
        completed_at=document.get("completed_at"),
        results=CadenceSummary.model_validate(results) if results else None,
        results_key=document.get("results_key"),
        progress=Progress(**progress) if progress else None,
        failure=Failure(**failure) if failure else None,
        export_failure=Failure(**export_failure) if export_failure else None,
        artefacts=tuple(Artefact.model_validate(one) for one in document.get("artefacts", [])),
    )


# The fields of a job's document that `scan_job_of` reads.
SCAN_JOB_FIELDS = {"status": 1, "results_key": 1, "failure": 1}


def scan_job_of(document: Mapping[str, Any]) -> ScanJob:
    """Return the state of a scan's job."""
    if document["status"] == REMOVED:
        return ScanJob("deleted")
    failure = document.get("failure")
    return ScanJob(document["status"], document.get("results_key"), Failure(**failure) if failure else None)
