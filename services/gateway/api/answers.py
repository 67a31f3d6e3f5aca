"""The body of every answer: what routes build and send, and what the API's document describes.

The order of a model's fields is their order on the wire. A field with the default None is left out where it has no
value; it is never null.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.accounts import model as accounts
from services.gateway.api.observation_answers import Observation
from services.gateway.jobs import model as jobs
from services.gateway.jobs.model import Status
from shared.events import Artefact, ResultsSummary, SearchParameters, Stage

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


# No model can refer to itself, so the encoder need not look for that.
_ENCODER = json.JSONEncoder(check_circular=False)


class Answer(BaseModel):
    """The body of an answer; later versions may add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


def content_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, in the order of its fields and without those that have no value."""
    # As `model_dump` does, without the cost of its many parameters.
    content: dict[str, Any] = answer.__pydantic_serializer__.to_python(
        answer, mode="json", by_alias=True, exclude_none=True
    )
    return content


def encoded(answer: Answer) -> bytes:
    """Return an answer as JSON."""
    return _ENCODER.encode(content_of(answer)).encode()


def json_response(
    answer: Answer | Sequence[Answer], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the HTTP response with an answer, or a list of them, as JSON."""
    content = content_of(answer) if isinstance(answer, Answer) else [content_of(one) for one in answer]
    return web.Response(text=_ENCODER.encode(content), status=status, headers=headers, content_type="application/json")


class ErrorInfo(Answer):
    """Why the request failed."""

    code: str = Field(description="Stable code, for programs.")
    message: str = Field(description="A sentence for people.")
    details: dict[str, Any] | None = Field(default=None, description="More information for programs.")


class Error(Answer):
    """The body of every answer other than a success."""

    error: ErrorInfo


class Health(Answer):
    """The process is running."""

    status: Literal["healthy"] = "healthy"
    version: str


class SingleUpload(Answer):
    """Where to upload a file in one piece."""

    upload_url: str = Field(description="PUT the file's bytes to this URL.")
    multipart: Literal[False] = False
    file_key: str = Field(description="Identifies the file in POST /analyze.")
    expires_in: int = Field(description="How long the URL is valid, s.")
    max_size_mb: int = Field(description="Largest file of your tier, MB.")


class PartUrl(Answer):
    """Where to upload one part."""

    part_number: int = Field(alias="partNumber", ge=1)
    url: str


class UploadedPart(Answer):
    """A part that is stored completely."""

    part_number: int = Field(alias="partNumber", ge=1)
    etag: str = Field(description="As POST /complete-upload wants it.")
    size: int = Field(description="Size of the part, bytes.")


class MultipartUpload(Answer):
    """Where to upload a file in parts."""

    multipart: Literal[True] = True
    upload_id: str
    parts: list[PartUrl] = Field(description="URLs of all parts, of those asked for, or of those that are missing.")
    uploaded: list[UploadedPart] | None = Field(
        default=None, description="The parts that are stored already, of an upload that is continued."
    )
    part_size: int = Field(description="Size of every part but the last, bytes.")
    file_key: str = Field(description="Identifies the file in POST /complete-upload and POST /analyze.")
    expires_in: int = Field(description="How long the URLs are valid, s.")
    max_size_mb: int = Field(description="Largest file of your tier, MB.")


class UploadComplete(Answer):
    """The parts were combined into one file."""

    message: str = "Upload complete"
    file_key: str


class UploadAborted(Answer):
    """The parts were deleted."""

    message: str = "Upload aborted"


class JobAccepted(Answer):
    """A job was started."""

    job_id: str
    status: Status = "submitted"
    message: str = "Processing started. Poll GET /jobs/{job_id} for status."
    status_url: str = Field(description="Path of the job.")


class Progress(Answer):
    """How far a stage has come."""

    stage: Stage
    done: int
    total: int


class ErrorDetail(Answer):
    """Which stage failed, and why."""

    code: str
    stage: Stage


class Job(Answer):
    """One analysis. Times are unix seconds."""

    model_config = ConfigDict(json_schema_extra={"example": JOB_EXAMPLE})

    job_id: str
    status: Status
    source_name: str
    filename: str
    file_size: int = Field(description="Size of the file, bytes.")
    created_at: int
    exports_ready: bool = Field(description="Whether every download format is available.")
    parameters: SearchParameters | None = Field(default=None, description="Parameters of the search.")
    progress: Progress | None = None
    cadence_id: str | None = Field(default=None, description="The cadence that started the job.")
    completed_at: int | None = None
    expires_at: int | None = Field(default=None, description="When the job and its results are deleted.")
    observation: Observation | None = Field(
        default=None, description="The searched file, once the job is complete; left out of jobs of early versions."
    )
    results: ResultsSummary | None = None
    error: str | None = Field(default=None, description="Why the analysis failed: a sentence for people.")
    error_detail: ErrorDetail | None = None

    @classmethod
    def of(cls, job: jobs.Job) -> "Job":
        """Return a job as the API shows it."""
        progress, failure = job.progress, job.failure or (None if job.artefacts else job.export_failure)
        return cls(
            job_id=job.job_id,
            status=job.status,
            source_name=job.source_name,
            filename=job.filename,
            file_size=job.file_size,
            created_at=job.created_at,
            exports_ready=job.status == "complete" and bool(job.artefacts),
            parameters=job.parameters,
            progress=None if progress is None else Progress(**vars(progress)),
            cadence_id=job.cadence_id,
            # The two times come from the clocks of two machines: the later one may show the earlier time.
            completed_at=None if job.completed_at is None else max(job.completed_at, job.created_at),
            expires_at=job.expires_at,
            observation=None if job.observation is None else Observation.of(job.observation),
            results=job.results,
            error=None if job.failure is None else job.failure.message,
            error_detail=None if failure is None else ErrorDetail(code=failure.code, stage=failure.stage),
        )


class JobEvent(Answer):
    """One server-sent event of a stream, by its fields; `data` is the job as JSON."""

    event: Literal["job"]
    id: str = Field(description="Identifies the state in `data`; send it as Last-Event-ID when you reconnect.")
    data: str = Field(
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        }
    )


class UserEvent(Answer):
    """One server-sent event of the stream of all changes, by its fields; `data` is JSON.

    `open` comes first, with an empty object. `job` and `cadence` have the job or cadence as their lists have it, and
    `removed` has the `kind` (`job` or `cadence`) and `id` of what is gone.
    """

    event: Literal["open", "job", "cadence", "removed"]
    data: str = Field(json_schema_extra={"contentMediaType": "application/json"})


class JobDeleted(Answer):
    """A job and its results were deleted."""

    message: str = "Job deleted"
    job_id: str


class Download(Answer):
    """Where to download a file of the results."""

    download_url: str = Field(description="GET the file from this URL, without a key.")
    format: str
    filename: str


class DownloadableFile(Answer):
    """One file that a job or cadence offers for download."""

    format: str = Field(description="Name of its format, for the parameter `format`.")
    filename: str
    content_type: str
    size: int = Field(description="Size, bytes.")
    sha256: str = Field(description="SHA-256 of the file, in lower-case hexadecimal.")


class DownloadableFiles(Answer):
    """The files that a job or cadence offers for download; none until its exports are ready."""

    files: list[DownloadableFile]

    @classmethod
    def of(cls, artefacts: Sequence[Artefact]) -> "DownloadableFiles":
        """Return the files of a job or cadence as the API shows them."""
        names = DownloadableFile.model_fields
        return cls(files=[DownloadableFile(**{name: getattr(one, name) for name in names}) for one in artefacts])


class TierDetails(Answer):
    """What a tier includes."""

    files_per_month: int = Field(description="Jobs per calendar month, UTC.")
    max_file_mb: int
    price: str
    retention_days: int = Field(description="How long jobs and their results are kept, days.")
    api_keys: bool = Field(description="Whether users may create API keys.")


class UploadUsage(Answer):
    """The uploads that count, and how many the tier allows."""

    open: int = Field(description="Uploads with valid URLs that no job analyzes yet.")
    open_limit: int
    stored_bytes: int = Field(description="Bytes of all uploads; of open ones, those that were announced.")
    stored_bytes_limit: int


class Usage(Answer):
    """How many of the month's jobs were used, and what the uploads take."""

    user_id: str
    tier: str
    usage_this_month: int
    limit: int = Field(description="Jobs per calendar month, UTC.")
    remaining: int
    tier_details: TierDetails
    uploads: UploadUsage


class NewApiKey(Answer):
    """A new key: the only answer that shows `api_key`."""

    key_id: str
    api_key: str
    expires_at: int
    ttl_days: int
    warning: str = "Store this key securely. It will not be shown again."


class ApiKeyInfo(Answer):
    """A key without its secret."""

    model_config = ConfigDict(json_schema_extra={"example": KEY_EXAMPLE})

    key_id: str
    name: str
    created_at: int
    expires_at: int
    active: bool
    expired: bool
    prefix: str = Field(description="The first characters of the key.")
    last_used_at: int | None = Field(default=None, description="When the key was last used, to within a minute.")

    @classmethod
    def of(cls, key: accounts.ApiKey, now_s: float) -> "ApiKeyInfo":
        """Return a key as the API shows it."""
        return cls(
            key_id=key.key_id,
            name=key.name,
            created_at=key.created_at,
            expires_at=key.expires_at,
            active=key.active,
            expired=key.is_expired(now_s),
            prefix=key.prefix,
            last_used_at=key.last_used_at,
        )


class ApiKeys(Answer):
    """A user's keys."""

    keys: list[ApiKeyInfo]


class KeyRevoked(Answer):
    """A key was revoked."""

    message: str = "API key revoked"
    key_id: str


class ReportAccepted(Answer):
    """A report was stored."""

    report_id: str
    message: str = "Report submitted. Thank you."
