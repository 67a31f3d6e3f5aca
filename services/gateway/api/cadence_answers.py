"""The bodies of answers about cadences; see `answers`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.api.answers import Answer, ErrorDetail
from services.gateway.jobs import cadence as cadences
from services.gateway.jobs.cadence import DELETED, DELETED_CODE, ScanJob, ScanStatus, status_of
from services.gateway.jobs.model import Status
from shared.cadence import CadenceParameters, CadenceSummary, Role
from shared.events import Stage
from shared.polarisations import IfChoice, PolType

CADENCE_EXAMPLE: dict[str, Any] = {
    "cadence_id": "c4d3e2f1-e5f6-4890-abcd-ef1234567890",
    "status": "complete",
    "name": "HIP 39826",
    "created_at": 1712444400,
    "exports_ready": True,
    "parameters": {
        "min_on_scans": 2,
        "max_drift_change_hz_s2": 1e-4,
        "off_snr": 3.5,
        "snr_threshold": 10.0,
        "max_drift_rate_hz_s": 4.0,
        "ifs": "first",
        "chirps": False,
    },
    "progress": {"stage": "export", "done": 1, "total": 1},
    "scans": [
        {
            "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "status": "complete",
            "source_name": "HIP39826",
            "filename": "hip39826_on.fil",
            "role": "on",
        },
        {
            "job_id": "b2c3d4e5-e5f6-4890-abcd-ef1234567890",
            "status": "complete",
            "source_name": "HIP39825",
            "filename": "hip39825_off.fil",
            "role": "off",
        },
    ],
    "completed_at": 1712444460,
    "results": {
        "events": 1,
        "families": 1,
        "candidates": 1,
        "rejected": 12,
        "processing_time_seconds": 58.2,
        "top_events": [
            {
                "id": 1,
                "frequency_hz": 1380929370.0,
                "drift_rate": -0.36,
                "snr": 31.5,
                "on_scans": 3,
                "classification": "CANDIDATE_ET",
                "interestingness": 0.91,
                "family_size": 1,
                "rfi_source": "",
            }
        ],
        "warnings": [],
    },
}


class CadenceAccepted(Answer):
    """A cadence was started."""

    cadence_id: str
    status: Status = "submitted"
    message: str = "Processing started. Poll GET /cadences/{cadence_id} for status."
    status_url: str = Field(description="Path of the cadence.")


class CadenceProgress(Answer):
    """How far a stage has come. While the scans' jobs run, the stage is `scans`: `done` of them have ended."""

    stage: Literal["scans"] | Stage
    done: int
    total: int


class CadenceScan(Answer):
    """One scan of a cadence."""

    job_id: str = Field(description="The job that searches it; see GET /jobs/{job_id}.")
    status: ScanStatus = Field(description="Status of this job; `deleted` if the job was deleted.")
    source_name: str
    filename: str
    role: Role | None = Field(
        default=None, description="As you stated it. If you did not, it is there once the cadence is complete."
    )
    error: str | None = Field(default=None, description="Why the scan has no results: a sentence for people.")
    error_code: str | None = Field(default=None, description="The same, for programs.")

    @classmethod
    def of(cls, scan: cadences.Scan, job: ScanJob, role: Role | None) -> "CadenceScan":
        """Return a scan as the API shows it."""
        failure = job.failure if job.status == "failed" else None
        is_deleted = job.status == "deleted"
        return cls(
            job_id=scan.job_id,
            status=job.status,
            source_name=scan.upload.source_name,
            filename=scan.upload.file_name,
            role=role,
            error=DELETED if is_deleted else failure and failure.message,
            error_code=DELETED_CODE if is_deleted else failure and failure.code,
        )


class CadenceRule(Answer):
    """What makes a track an event, and the search of the files for which jobs were started."""

    min_on_scans: int | None = Field(default=None, description="In how many ON scans an event must be present.")
    max_drift_change_hz_s2: float
    off_snr: float
    snr_threshold: float
    max_drift_rate_hz_s: float
    ifs: IfChoice
    pol_type: PolType | None = None
    chirps: bool


class Cadence(Answer):
    """Scans of a target and of elsewhere, and the events in them. Times are unix seconds."""

    model_config = ConfigDict(json_schema_extra={"example": CADENCE_EXAMPLE})

    cadence_id: str
    status: Status
    name: str
    created_at: int
    exports_ready: bool = Field(description="Whether every download format is available.")
    parameters: CadenceRule
    progress: CadenceProgress | None = None
    scans: list[CadenceScan] = Field(description="In your order; in order of time once the cadence is complete.")
    completed_at: int | None = None
    expires_at: int | None = Field(default=None, description="When the cadence and its results are deleted.")
    results: CadenceSummary | None = None
    error: str | None = Field(default=None, description="Why the cadence failed: a sentence for people.")
    error_detail: ErrorDetail | None = None

    @classmethod
    def of(cls, cadence: cadences.Cadence, jobs: Mapping[str, ScanJob]) -> "Cadence":
        """Return a cadence as the API shows it. `jobs` are those of its scans."""
        failure = cadence.failure or (None if cadence.artefacts else cadence.export_failure)
        return cls(
            cadence_id=cadence.job_id,
            status=cadence.status,
            name=cadence.name,
            created_at=cadence.created_at,
            exports_ready=cadence.status == "complete" and bool(cadence.artefacts),
            parameters=_rule(cadence),
            progress=_progress(cadence, jobs),
            scans=_scans(cadence, jobs),
            completed_at=None if cadence.completed_at is None else max(cadence.completed_at, cadence.created_at),
            expires_at=cadence.expires_at,
            results=cadence.results,
            error=None if cadence.failure is None else cadence.failure.message,
            error_detail=None if failure is None else ErrorDetail(code=failure.code, stage=failure.stage),
        )


def _rule(cadence: cadences.Cadence) -> CadenceRule:
    names = CadenceParameters.model_fields
    rule = {name: getattr(cadence.parameters, name) for name in names}
    search = {name: value for name, value in vars(cadence.search).items() if name not in names}
    return CadenceRule(**rule, **search)


def _progress(cadence: cadences.Cadence, jobs: Mapping[str, ScanJob]) -> CadenceProgress | None:
    if not cadence.is_ready:
        ended = sum(status_of(cadence, scan, jobs).has_ended for scan in cadence.scans)
        return CadenceProgress(stage="scans", done=ended, total=len(cadence.scans))
    return None if cadence.progress is None else CadenceProgress(**vars(cadence.progress))


def _scans(cadence: cadences.Cadence, jobs: Mapping[str, ScanJob]) -> list[CadenceScan]:
    by_id = {scan.job_id: scan for scan in cadence.scans}
    classified = [(by_id[one.job_id], one.role) for one in cadence.classified_scans if one.job_id in by_id]
    in_order: Sequence[tuple[cadences.Scan, Role | None]] = classified or [(one, one.role) for one in cadence.scans]
    return [CadenceScan.of(scan, status_of(cadence, scan, jobs), role) for scan, role in in_order]


class CadenceEvent(Answer):
    """One server-sent event of a stream, by its fields; `data` is the cadence as JSON."""

    event: Literal["cadence"]
    id: str = Field(description="Identifies the state in `data`; send it as Last-Event-ID when you reconnect.")
    data: str = Field(
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Cadence"},
        }
    )


class CadenceDeleted(Answer):
    """A cadence and its results were deleted."""

    message: str = "Cadence deleted"
    cadence_id: str
