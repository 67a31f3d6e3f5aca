"""What each route of the API takes and answers: one `Operation` per method and path, in the order of the document.

A route without one fails a test, as does an operation without a route.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.api import answers, bodies
from services.gateway.api.document import page as docs
from services.gateway.api.routes import job_events
from services.gateway.jobs import paging
from services.gateway.jobs.limits import Limit
from services.gateway.mongodb import idempotency_keys as idempotency
from shared.formats import FORMATS

JSON = "application/json"


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query, the path or a header."""

    name: str
    where: str
    schema: Mapping[str, Any]
    description: str
    example: Any = None


@dataclass(frozen=True)
class Success:
    """A successful answer: a type by media type, None where the body is empty. `headers` are names and meanings."""

    status: int
    description: str
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One method of one path. `errors` are the codes of its own errors by status; every route has more in common."""

    method: str
    path: str
    tag: str
    summary: str
    successes: tuple[Success, ...]
    description: str = ""
    body: type[bodies.Body] | None = None
    body_example: Mapping[str, Any] | None = None
    is_body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    is_public: bool = False


def _ok(description: str, model: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Success:
    return Success(status, description, {JSON: model}, headers or {})


JOB_ID = Parameter("job_id", "path", {"type": "string", "minLength": 1}, "Id of a job.", answers.JOB_EXAMPLE["job_id"])
KEY_ID = Parameter("keyId", "path", {"type": "string", "minLength": 1}, "Id of an API key.", "3f8a1b2c")
FILE_KEY = "uploads/796e24d8-0000-4000-8000-000000000000/1a7e42f0-0000-4000-8000-000000000000/Voyager1_trimmed.fil"
UPLOAD = {"file_key": FILE_KEY, "upload_id": "abc123"}
NO_KEYS = {403: ("tier_upgrade_required",)}
OWN_JOB = {403: ("job_of_another_user",), 404: ("job_not_found",)}

OPERATIONS = (
    Operation(
        "get",
        "/health",
        "Service",
        "Whether the process answers",
        (_ok("It does.", answers.Health),),
        is_public=True,
    ),
    Operation(
        "post",
        "/upload-url",
        "Uploads",
        "Get presigned URLs for an upload",
        (_ok("Where to PUT the file, whole or in parts.", answers.SingleUpload | answers.MultipartUpload),),
        description="Files larger than 50 MB are uploaded in parts: PUT each, then POST /complete-upload.",
        body=bodies.UploadUrlBody,
        body_example={"filename": "observation.fil", "file_size": 46137344},
        errors={400: ("unsupported_file_type", "invalid_filename"), 413: ("file_too_large",)},
    ),
    Operation(
        "post",
        "/complete-upload",
        "Uploads",
        "Put the parts of an upload together",
        (_ok("The file is whole.", answers.UploadComplete),),
        body=bodies.CompleteUploadBody,
        body_example={**UPLOAD, "parts": [{"partNumber": 1, "etag": '"abc123"'}]},
        errors={
            400: ("invalid_parts", "invalid_multipart_upload"),
            404: ("file_not_found",),
            413: ("file_too_large",),
        },
    ),
    Operation(
        "post",
        "/abort-upload",
        "Uploads",
        "Forget an upload in parts",
        (_ok("The parts are forgotten.", answers.Message),),
        body=bodies.AbortUploadBody,
        body_example=UPLOAD,
        errors={404: ("file_not_found", "upload_not_found")},
    ),
    Operation(
        "post",
        "/analyze",
        "Jobs",
        "Start the analysis of an uploaded file",
        (_ok("The job was accepted.", answers.JobAccepted, status=202),),
        body=bodies.AnalyzeBody,
        body_example={"file_key": FILE_KEY, "filename": "Voyager1_trimmed.fil", "snr_threshold": 10},
        parameters=(
            Parameter(
                idempotency.HEADER,
                "header",
                {"type": "string", "pattern": "^[ -~]{1,255}$"},
                "Any text of your own: a repeat with the same one, within a day, starts no other job.",
                "night-7-beam-3",
            ),
        ),
        errors={
            400: ("invalid_idempotency_key",),
            404: ("file_not_found",),
            409: ("idempotency_key_reused",),
            413: ("file_too_large",),
            429: tuple(Limit),
        },
    ),
    Operation(
        "get",
        "/jobs",
        "Jobs",
        "List your jobs, the most recent first",
        (
            _ok(
                "A page of your jobs.",
                list[answers.Job],
                headers={
                    paging.CURSOR_HEADER: "The parameter cursor of the next page, where there is one.",
                    "Link": 'Path of the next page, as rel="next".',
                },
            ),
        ),
        parameters=(
            Parameter(
                "limit",
                "query",
                {"type": "integer", "minimum": 1, "default": 50},
                "Most jobs to return; more than 100 is taken as 100.",
                50,
            ),
            Parameter(
                "status", "query", {"type": "string", "enum": list(paging.STATUSES)}, "Only jobs of this status."
            ),
            Parameter("cursor", "query", {"type": "string"}, "The X-Next-Cursor of the page before."),
        ),
        errors={400: ("invalid_limit", "invalid_status", "invalid_cursor")},
    ),
    Operation(
        "get",
        "/jobs/{job_id}",
        "Jobs",
        "Get a job's status and results",
        (_ok("The job.", answers.Job),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    Operation(
        "delete",
        "/jobs/{job_id}",
        "Jobs",
        "Cancel a job, or remove it and its results for good",
        (_ok("The job is gone.", answers.JobDeleted),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    Operation(
        "get",
        job_events.PATH,
        "Jobs",
        "Follow a job's changes as server-sent events",
        (
            Success(
                200,
                "Events `job`, each with the job as GET /jobs/{job_id} shows it as data: one at once, one after each "
                "change, until the job is failed or its exports are made; comments in between keep the connection.",
                {"text/event-stream": answers.JobEvent},
            ),
            Success(204, "The job is at its end, and Last-Event-ID says that you know: there is nothing to wait for."),
        ),
        parameters=(
            JOB_ID,
            Parameter(
                job_events.LAST_EVENT_ID,
                "header",
                {"type": "string"},
                "Id of the last event that you got: the state that it told is not told again.",
            ),
        ),
        errors={**OWN_JOB, 429: ("too_many_streams",)},
    ),
    Operation(
        "get",
        "/jobs/{job_id}/download",
        "Jobs",
        "Get a file of the results",
        (Success(200, "Where the file is; the CSV catalogue itself.", {JSON: answers.Download, "text/csv": str}),),
        parameters=(
            JOB_ID,
            Parameter(
                "format",
                "query",
                {"type": "string", "enum": list(FORMATS), "default": "json"},
                "Which file: "
                + "; ".join(f"`{item.name}` {item.filename}, {item.description}" for item in FORMATS.values())
                + ".",
                "fits",
            ),
        ),
        errors={400: ("invalid_format",), 403: OWN_JOB[403], 404: (*OWN_JOB[404], "format_not_available")},
    ),
    Operation(
        "get",
        "/usage",
        "Account",
        "Get this month's usage and what your tier allows",
        (_ok("Your usage.", answers.Usage),),
    ),
    Operation(
        "post",
        "/api-keys",
        "Account",
        "Make an API key",
        (_ok("The key, shown this once.", answers.NewApiKey, status=201),),
        body=bodies.CreateKeyBody,
        body_example={"name": "production-v1", "ttl_days": 90},
        is_body_required=False,
        errors={**NO_KEYS, 409: ("too_many_api_keys",)},
    ),
    Operation(
        "get",
        "/api-keys",
        "Account",
        "List your API keys, masked",
        (_ok("Your keys, the newest first.", answers.ApiKeys),),
        errors=NO_KEYS,
    ),
    Operation(
        "delete",
        "/api-keys/{keyId}",
        "Account",
        "Revoke an API key",
        (_ok("It works no more.", answers.KeyRevoked),),
        parameters=(KEY_ID,),
        errors={403: (*NO_KEYS[403], "key_of_another_user"), 404: ("key_not_found",)},
    ),
    Operation(
        "post",
        "/reports",
        "Account",
        "Report an error or give feedback about a job",
        (_ok("The report was stored.", answers.ReportAccepted, status=201),),
        body=bodies.ReportBody,
        body_example={"job_id": answers.JOB_EXAMPLE["job_id"], "error_type": "user_report", "description": "…"},
        errors=OWN_JOB,
    ),
    Operation(
        "get",
        docs.OPENAPI_PATH,
        "Documents",
        "This document",
        (_ok("An OpenAPI 3.1 document.", dict[str, Any]),),
        is_public=True,
    ),
    Operation(
        "get",
        docs.ASYNCAPI_PATH,
        "Documents",
        "The events on the bus",
        (_ok("An AsyncAPI 3.0 document.", dict[str, Any]),),
        is_public=True,
    ),
)
