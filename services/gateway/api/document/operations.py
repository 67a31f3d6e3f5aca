"""What each route of the API takes and answers: one `Operation` per method and path, in the order of the document.

A test fails for a route without an operation, and for an operation without a route.
"""

from collections.abc import Mapping
from typing import Any

from services.gateway.api import answers, bodies, verdict_answers
from services.gateway.api.document import page as docs
from services.gateway.api.document.cadence_operations import CADENCE_OPERATIONS
from services.gateway.api.document.example_operations import EXAMPLE_OPERATIONS
from services.gateway.api.document.operation import (
    IDEMPOTENCY_KEY,
    JOB_ID,
    JSON,
    LAST_EVENT_ID,
    OWN_JOB,
    PAGE_ERRORS,
    PAGE_HEADERS,
    Operation,
    Parameter,
    Success,
    ok,
    page_parameters,
    preparing,
    with_verdicts,
)
from services.gateway.api.document.session_operations import SESSION_OPERATIONS
from services.gateway.api.document.verdict_operations import VERDICT_OPERATIONS
from services.gateway.api.document.waterfall_operations import WATERFALL_OPERATIONS
from services.gateway.api.upload_bodies import UrlBody
from services.gateway.jobs.limits import Limit
from services.gateway.jobs.stored_upload import UploadLimit
from shared.formats import FORMATS, REVIEWED_FORMATS

KEY_ID = Parameter("keyId", "path", {"type": "string", "minLength": 1}, "Id of an API key.", "3f8a1b2c")
FILE_KEY = "uploads/796e24d8-0000-4000-8000-000000000000/1a7e42f0-0000-4000-8000-000000000000/Voyager1_trimmed.fil"
UPLOAD = {"file_key": FILE_KEY, "upload_id": "abc123"}
NO_KEYS = {403: ("tier_upgrade_required",)}

OPERATIONS = (
    Operation(
        "get",
        "/health",
        "Service",
        "Check that the service is running",
        (ok("The service is running.", answers.Health),),
        is_public=True,
    ),
    Operation(
        "post",
        "/upload-url",
        "Uploads",
        "Get presigned URLs for an upload",
        (ok("URLs to PUT the file to, in one piece or in parts.", answers.SingleUpload | answers.MultipartUpload),),
        description="Files larger than 50 MB are uploaded in parts: PUT each part, then POST /complete-upload. With "
        "the file_key and upload_id of such an upload, the answer has new URLs for the parts that are missing, and "
        "lists those that are stored.",
        body=UrlBody,
        body_example={"filename": "observation.fil", "file_size": 46137344},
        errors={
            400: ("unsupported_file_type", "invalid_filename"),
            403: ("upload_of_another_user",),
            404: ("file_not_found", "upload_not_found"),
            413: ("file_too_large",),
            429: tuple(UploadLimit),
        },
    ),
    Operation(
        "post",
        "/complete-upload",
        "Uploads",
        "Complete a multipart upload",
        (ok("The parts were combined into one file.", answers.UploadComplete),),
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
        "Abort a multipart upload",
        (ok("The parts were deleted.", answers.UploadAborted),),
        body=bodies.AbortUploadBody,
        body_example=UPLOAD,
        errors={404: ("file_not_found", "upload_not_found")},
    ),
    *EXAMPLE_OPERATIONS,
    Operation(
        "post",
        "/analyze",
        "Jobs",
        "Start the analysis of an uploaded file",
        (ok("The job was accepted.", answers.JobAccepted, status=202),),
        body=bodies.AnalyzeBody,
        body_example={"file_key": FILE_KEY, "filename": "Voyager1_trimmed.fil", "snr_threshold": 10},
        parameters=(IDEMPOTENCY_KEY,),
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
        "List your jobs, most recent first",
        (ok("A page of your jobs.", list[answers.Job], headers=PAGE_HEADERS),),
        parameters=page_parameters("jobs", "the name of the file or of the source"),
        errors=PAGE_ERRORS,
    ),
    Operation(
        "get",
        "/jobs/{job_id}",
        "Jobs",
        "Get a job's status and results",
        (ok("The job.", answers.Job),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    Operation(
        "delete",
        "/jobs/{job_id}",
        "Jobs",
        "Cancel or delete a job, with its results",
        (ok("The job was deleted.", answers.JobDeleted),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    Operation(
        "get",
        "/jobs/{job_id}/events",
        "Jobs",
        "Stream a job's changes as server-sent events",
        (
            Success(
                200,
                "Events named `job`, whose data is the job as GET /jobs/{job_id} returns it: one at once and one after "
                "each change, until the job has failed or its exports are ready. Comments keep the connection open.",
                {"text/event-stream": answers.JobEvent},
            ),
            Success(204, "The job has finished, and Last-Event-ID names its final state: no event will follow."),
        ),
        parameters=(JOB_ID, LAST_EVENT_ID),
        errors={**OWN_JOB, 429: ("too_many_streams",)},
    ),
    Operation(
        "get",
        "/jobs/{job_id}/download",
        "Jobs",
        "Download a file of the results",
        (
            Success(
                200, "The URL of the file, or the CSV catalogue itself.", {JSON: answers.Download, "text/csv": str}
            ),
            preparing(verdict_answers.DownloadPreparing),
        ),
        parameters=(
            JOB_ID,
            Parameter(
                "format",
                "query",
                {"type": "string", "enum": list(FORMATS), "default": "json"},
                "Format of the file: "
                + "; ".join(f"`{item.name}` {item.filename}, {item.description}" for item in FORMATS.values())
                + ".",
                "fits",
            ),
            with_verdicts(REVIEWED_FORMATS),
        ),
        errors={
            400: ("invalid_format", "invalid_verdicts", "format_without_verdicts"),
            403: OWN_JOB[403],
            404: (*OWN_JOB[404], "format_not_available"),
        },
    ),
    Operation(
        "get",
        "/jobs/{job_id}/downloads",
        "Jobs",
        "List the files that a job offers for download, with their sizes",
        (ok("The files; none until `exports_ready` is true.", answers.DownloadableFiles),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    *WATERFALL_OPERATIONS,
    *CADENCE_OPERATIONS,
    *VERDICT_OPERATIONS,
    *SESSION_OPERATIONS,
    Operation(
        "get",
        "/events",
        "Jobs",
        "Stream all changes of your jobs and cadences as server-sent events",
        (
            Success(
                200,
                "First the event `open`; then, within a second of each change, `job` or `cadence`, whose data is the "
                "job or cadence as GET /jobs or GET /cadences returns it, or `removed`, whose data is the kind and id "
                "of what was deleted. Comments keep the connection open.",
                {"text/event-stream": answers.UserEvent},
            ),
        ),
        description="Nothing is lost between a list and the stream if you open the stream first and read the list "
        "after `open`. The stream ends after a while: connect again, and read the list again. Several changes of one "
        "job may come as one event, with its last state; an event may repeat a state that you have.",
        errors={429: ("too_many_streams",)},
    ),
    Operation(
        "get",
        "/usage",
        "Account",
        "Get this month's usage, what your uploads take, and the limits of your tier",
        (ok("Your usage.", answers.Usage),),
    ),
    Operation(
        "post",
        "/api-keys",
        "Account",
        "Create an API key",
        (ok("The key. It is shown only once.", answers.NewApiKey, status=201),),
        body=bodies.CreateKeyBody,
        body_example={"name": "production-v1", "ttl_days": 90},
        is_body_required=False,
        errors={**NO_KEYS, 409: ("too_many_api_keys",)},
    ),
    Operation(
        "get",
        "/api-keys",
        "Account",
        "List your API keys, without their secrets",
        (ok("Your keys, newest first.", answers.ApiKeys),),
        errors=NO_KEYS,
    ),
    Operation(
        "delete",
        "/api-keys/{keyId}",
        "Account",
        "Revoke an API key",
        (ok("The key was revoked.", answers.KeyRevoked),),
        parameters=(KEY_ID,),
        errors={403: (*NO_KEYS[403], "key_of_another_user"), 404: ("key_not_found",)},
    ),
    Operation(
        "post",
        "/reports",
        "Account",
        "Report an error or send feedback about a job or a cadence",
        (ok("The report was stored.", answers.ReportAccepted, status=201),),
        body=bodies.ReportBody,
        body_example={"job_id": answers.JOB_EXAMPLE["job_id"], "error_type": "user_report", "description": "…"},
        errors={403: ("job_of_another_user", "cadence_of_another_user"), 404: ("job_not_found",)},
    ),
    Operation(
        "get",
        docs.OPENAPI_PATH,
        "Documents",
        "Get this document",
        (ok("An OpenAPI 3.1 document.", dict[str, Any]),),
        is_public=True,
    ),
    Operation(
        "get",
        docs.ASYNCAPI_PATH,
        "Documents",
        "Get the document of the events on the bus",
        (ok("An AsyncAPI 3.0 document.", dict[str, Any]),),
        is_public=True,
    ),
)

# The query parameters of each operation that needs a user; those of public paths are ignored.
QUERY_PARAMETERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    (one.method.upper(), one.path): tuple(parameter.name for parameter in one.parameters if parameter.where == "query")
    for one in OPERATIONS
    if not one.is_public
}
