"""Cadences, and when one is ready: all its scans' jobs have ended, and enough of them have results.

A cadence is stored as a job of another kind. Its `job_id` is its id, as in its bus events.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from services.gateway.jobs.model import OPEN_STATUSES, Failure, Job, Progress, Status
from shared.cadence import CadenceParameters, CadenceScan, CadenceSummary, Role
from shared.cadence_events import CadenceReady
from shared.event import EVENT_NAMESPACE
from shared.event_fields import plain_sentence
from shared.events import Artefact, JobLimits, ObservationSubmitted, SearchParameters, Upload

PRODUCER = "gateway"
# An event is a signal that is there in one scan and not in another.
FEWEST_SCANS = 2

ScanStatus = Literal["submitted", "processing", "complete", "failed", "deleted"]
DELETED_CODE, DELETED = "scan_deleted", "The job of this scan was deleted."
TOO_FEW_CODE = "too_few_scans"


@dataclass(frozen=True)
class Scan:
    """One scan. `is_new` says whether the cadence starts its job; otherwise the job was there before."""

    job_id: str
    upload: Upload
    role: Role | None
    is_new: bool


@dataclass(frozen=True)
class ScanJob:
    """What a cadence needs to know of a scan's job."""

    status: ScanStatus
    results_key: str | None = None
    failure: Failure | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is neither waiting nor running."""
        return self.status not in OPEN_STATUSES


@dataclass(frozen=True)
class ClassifiedScan:
    """A scan's role as classify states it. Classified scans are in order of time."""

    job_id: str
    role: Role


@dataclass(frozen=True)
class Cadence:
    """One cadence. Times are as in `Job`.

    `search` are the parameters of the jobs that it starts, and `limits` what the tier allows for each of them.
    `is_started` says whether all these jobs are stored, and `is_ready` whether its `cadence.ready` event is.
    """

    job_id: str
    user_id: str
    name: str
    scans: tuple[Scan, ...]
    parameters: CadenceParameters
    search: SearchParameters
    limits: JobLimits
    submitted_ms: int
    expires_at: int
    slot_ms: int
    status: Status = "submitted"
    is_started: bool = False
    is_ready: bool = False
    classified_scans: tuple[ClassifiedScan, ...] = ()
    completed_at: int | None = None
    results: CadenceSummary | None = None
    results_key: str | None = None
    progress: Progress | None = None
    failure: Failure | None = None
    export_failure: Failure | None = None
    artefacts: tuple[Artefact, ...] = ()

    @property
    def created_at(self) -> int:
        """When the cadence was accepted."""
        return self.submitted_ms // 1000

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for the jobs of its scans."""
        return self.status in OPEN_STATUSES and not self.is_ready

    def artefact(self, name: str) -> Artefact | None:
        """Return the artefact of a format, or None if it does not exist (yet)."""
        return next((artefact for artefact in self.artefacts if artefact.format == name), None)


def new_job_id(cadence_id: str, index: int) -> str:
    """Return the id of the job of a cadence's scan `index`, counted among those that are new.

    It follows from the cadence, so that a start that was interrupted continues with the same jobs.
    """
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{cadence_id}/scan/{index}"))


def job_of_scan(cadence: Cadence, scan: Scan) -> Job:
    """Return the job that a new scan of a cadence starts."""
    return Job(
        job_id=scan.job_id,
        user_id=cadence.user_id,
        file_key=scan.upload.file_key,
        filename=scan.upload.file_name,
        source_name=scan.upload.source_name,
        file_size=scan.upload.file_size,
        etag=scan.upload.etag,
        submitted_ms=cadence.submitted_ms,
        expires_at=cadence.expires_at,
        parameters=cadence.search,
        cadence_id=cadence.job_id,
    )


def submitted_of_scan(cadence: Cadence, scan: Scan) -> ObservationSubmitted:
    """Return the event that starts the search of a new scan."""
    return ObservationSubmitted.make(
        job_id=scan.job_id,
        producer=PRODUCER,
        upload=scan.upload,
        parameters=cadence.search,
        limits=cadence.limits,
    )


def status_of(cadence: Cadence, scan: Scan, jobs: Mapping[str, ScanJob]) -> ScanJob:
    """Return the state of a scan's job. One that is not stored was deleted, or is about to be stored."""
    return jobs.get(scan.job_id, ScanJob("deleted" if cadence.is_started or not scan.is_new else "submitted"))


def ended_scans(cadence: Cadence, jobs: Mapping[str, ScanJob]) -> tuple[CadenceScan, ...] | None:
    """Return the scans with their results and failures, or None if some job has not ended."""
    scans = []
    for scan in cadence.scans:
        job = status_of(cadence, scan, jobs)
        if not job.has_ended:
            return None
        scans.append(_ended(scan, job))
    return tuple(scans)


def _ended(scan: Scan, job: ScanJob) -> CadenceScan:
    known = {"role": scan.role, "job_id": scan.job_id, "upload": scan.upload}
    if job.status == "complete" and job.results_key is not None:
        return CadenceScan(**known, results_key=job.results_key)
    if job.failure is not None:
        return CadenceScan(**known, failure=job.failure.message, failure_code=job.failure.code)
    return CadenceScan(**known, failure=DELETED, failure_code=DELETED_CODE)


def too_few(scans: Sequence[CadenceScan]) -> Failure | None:
    """Return why a cadence can't be processed, or None if at least two scans have results, and one may be ON."""
    there = [scan for scan in scans if scan.results_key is not None]
    lost = [
        f"scan {number} ({scan.upload.file_name}): {scan.failure}"
        for number, scan in enumerate(scans, 1)
        if scan.failure is not None
    ]
    if len(there) < FEWEST_SCANS:
        have = f"{len(there)} of its {len(scans)} scans {'has' if len(there) == 1 else 'have'} results"
        reason = f"A cadence needs two scans with results, and {have}"
    elif all(scan.role == "off" for scan in there):
        reason = "A cadence needs an ON scan with results, and no ON scan has them"
    else:
        return None
    return Failure("classify", TOO_FEW_CODE, plain_sentence(f"{reason}. Without results: {' '.join(lost)}"))


def ready_event(cadence: Cadence, scans: tuple[CadenceScan, ...]) -> CadenceReady:
    """Return the event that says that the jobs of all scans have ended."""
    return CadenceReady.make(
        job_id=cadence.job_id,
        producer=PRODUCER,
        name=cadence.name,
        scans=scans,
        parameters=cadence.parameters,
        submitted_at=datetime.fromtimestamp(cadence.submitted_ms / 1000, UTC),
    )
