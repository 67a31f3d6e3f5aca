"""What clients get: the body of every answer, for the API's document and the tests that hold the gateway to it.

A field with the default None is left out where there is nothing to tell; it is never null.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.domain import Status
from shared.events import ResultsSummary, SearchParameters, Stage

JOB_EXAMPLE: dict[str, Any] = {
    "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "status": "complete",
    "source_name": "Voyager1_trimmed",
    "filename": "Voyager1_trimmed.fil",
    "file_size": 46137344,
    "created_at": 1712444400,
    "completed_at": 1712444430,
    "exports_ready": True,
    "results": {
        "raw_hits": 543,
        "filtered_hits": 163,
        "candidates": 20,
        "processing_time_seconds": 28.4,
        "top_candidates": [
            {
                "frequency_hz": 1420405751.68,
                "drift_rate": 0.15,
                "snr": 14.2,
                "classification": "NARROWBAND_DRIFTING",
                "interestingness": 0.82,
                "rfi_source": "",
                "source": "matched_filter",
            }
        ],
    },
}
KEY_EXAMPLE: dict[str, Any] = {
    "key_id": "3f8a1b2c",
    "name": "production-v1",
    "created_at": 1712444400,
    "expires_at": 1720272000,
    "active": True,
    "expired": False,
    "prefix": "sk_live_a1b2",
    "last_used_at": 1712530800,
}


class Answer(BaseModel):
    """The body of an answer; later versions may add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorInfo(Answer):
    """What went wrong."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="A sentence for people.")
    details: dict[str, Any] | None = Field(default=None, description="More of the same for programs.")


class Error(Answer):
    """Every answer but a success."""

    error: ErrorInfo


class Health(Answer):
    """The process answers."""

    status: Literal["healthy"]
    version: str


class SingleUpload(Answer):
    """Where to PUT a file as a whole."""

    upload_url: str = Field(description="PUT the file's bytes here.")
    file_key: str = Field(description="Names the file in POST /analyze.")
    expires_in: int = Field(description="Seconds that the URL works.")
    max_size_mb: int = Field(description="Largest file of your tier, MB.")
    multipart: Literal[False]


class PartUrl(Answer):
    """Where to PUT one part."""

    part_number: int = Field(alias="partNumber", ge=1)
    url: str


class MultipartUpload(Answer):
    """Where to PUT a file part by part."""

    multipart: Literal[True]
    upload_id: str
    file_key: str = Field(description="Names the file in POST /complete-upload and POST /analyze.")
    parts: list[PartUrl]
    part_size: int = Field(description="Bytes of every part but the last.")
    max_size_mb: int = Field(description="Largest file of your tier, MB.")
    expires_in: int = Field(description="Seconds that the URLs work.")


class UploadComplete(Answer):
    """The parts are one file."""

    message: str
    file_key: str


class Message(Answer):
    """Done."""

    message: str


class JobAccepted(Answer):
    """A job was started."""

    job_id: str
    status: Status
    message: str
    status_url: str = Field(description="Path of the job.")


class Progress(Answer):
    """How far a stage is."""

    stage: Stage
    done: int
    total: int


class ErrorDetail(Answer):
    """Which stage gave up, and why."""

    code: str
    stage: Stage


class Job(Answer):
    """One analysis. Times are unix seconds."""

    model_config = ConfigDict(json_schema_extra={"example": JOB_EXAMPLE})

    job_id: str
    status: Status
    source_name: str
    filename: str
    file_size: int = Field(description="Bytes.")
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = Field(default=None, description="When the job and its results are removed.")
    exports_ready: bool = Field(description="Whether every download format is there.")
    parameters: SearchParameters | None = Field(default=None, description="What the search was asked for.")
    progress: Progress | None = None
    results: ResultsSummary | None = None
    error: str | None = Field(default=None, description="Why the analysis failed: a sentence for people.")
    error_detail: ErrorDetail | None = None


class JobEvent(Answer):
    """One event of a stream, by the fields that server-sent events have; `data` is the job, as JSON."""

    event: Literal["job"]
    id: str = Field(description="Names the state that is told; send it as Last-Event-ID when you come back.")
    data: str = Field(
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        }
    )


class JobDeleted(Answer):
    """A job is gone, and what it left."""

    message: str
    job_id: str


class Download(Answer):
    """Where a file of the results is."""

    download_url: str = Field(description="GET the file here, without a key.")
    format: str
    filename: str


class TierDetails(Answer):
    """What a tier includes."""

    files_per_month: int = Field(description="Jobs per calendar month, UTC.")
    max_file_mb: int
    price: str
    retention_days: int = Field(description="Days that jobs and their results are kept.")


class Usage(Answer):
    """How much of the month's jobs is used."""

    user_id: str
    tier: str
    usage_this_month: int
    limit: int = Field(description="Jobs per calendar month, UTC.")
    remaining: int
    tier_details: TierDetails


class NewApiKey(Answer):
    """A new key: the only time that `api_key` is shown."""

    key_id: str
    api_key: str
    expires_at: int
    ttl_days: int
    warning: str


class ApiKeyInfo(Answer):
    """A key without its secret."""

    model_config = ConfigDict(json_schema_extra={"example": KEY_EXAMPLE})

    key_id: str
    name: str
    created_at: int
    expires_at: int
    active: bool
    expired: bool
    prefix: str = Field(description="How the key begins.")
    last_used_at: int | None = Field(default=None, description="When it was used last, give or take a minute.")


class ApiKeys(Answer):
    """A user's keys."""

    keys: list[ApiKeyInfo]


class KeyRevoked(Answer):
    """A key works no more."""

    message: str
    key_id: str


class ReportAccepted(Answer):
    """A report was stored."""

    report_id: str
    message: str
