"""What each route of cadences takes and answers."""

from typing import Any

from services.gateway.api import answers, cadence_answers, cadence_bodies, verdict_answers
from services.gateway.api.document.operation import (
    IDEMPOTENCY_KEY,
    JSON,
    LAST_EVENT_ID,
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
from services.gateway.jobs.limits import Limit
from shared.formats import CADENCE_FORMATS, REVIEWED_EVENT_FORMATS

CADENCE_ID = Parameter(
    "cadence_id",
    "path",
    {"type": "string", "minLength": 1},
    "Id of a cadence.",
    cadence_answers.CADENCE_EXAMPLE["cadence_id"],
)
OWN_CADENCE = {403: ("cadence_of_another_user",), 404: ("cadence_not_found",)}
_NAMES = "|".join(CADENCE_FORMATS)
_FILES = "; ".join(f"`{item.name}` {item.filename}, {item.description}" for item in CADENCE_FORMATS.values())
_UPLOADS = "uploads/796e24d8-0000-4000-8000-000000000000/1a7e42f0-0000-4000-8000-00000000000"
BODY_EXAMPLE: dict[str, Any] = {
    "name": "HIP 39826",
    "scans": [
        {"file_key": f"{_UPLOADS}1/hip39826_on.fil", "role": "on"},
        {"job_id": answers.JOB_EXAMPLE["job_id"], "role": "off"},
        {"file_key": f"{_UPLOADS}3/hip39826_on.fil", "role": "on"},
    ],
    "parameters": {"min_on_scans": 2, "snr_threshold": 10},
}

CADENCE_OPERATIONS = (
    Operation(
        "post",
        "/cadences",
        "Cadences",
        "Compare scans of a target with scans of elsewhere",
        (ok("The cadence was accepted.", cadence_answers.CadenceAccepted, status=202),),
        description="Each scan is an uploaded file, for which a job is started, or one of your jobs. A cadence takes "
        "one place among the jobs that may be open at a time, for itself and all jobs that it starts, and one job of "
        "the month for each file. Either all of it is accepted or nothing.",
        body=cadence_bodies.CadenceBody,
        body_example=BODY_EXAMPLE,
        parameters=(IDEMPOTENCY_KEY,),
        errors={
            400: ("invalid_idempotency_key", "duplicate_scan", "no_on_scan"),
            403: ("job_of_another_user",),
            404: ("file_not_found", "job_not_found"),
            409: ("idempotency_key_reused", "scan_failed"),
            413: ("file_too_large",),
            429: tuple(Limit),
        },
    ),
    Operation(
        "get",
        "/cadences",
        "Cadences",
        "List your cadences, most recent first",
        (ok("A page of your cadences.", list[cadence_answers.Cadence], headers=PAGE_HEADERS),),
        parameters=page_parameters("cadences", "their name, or in the name of a scan's file or source"),
        errors=PAGE_ERRORS,
    ),
    Operation(
        "get",
        "/cadences/{cadence_id}",
        "Cadences",
        "Get a cadence's status, scans and results",
        (ok("The cadence.", cadence_answers.Cadence),),
        parameters=(CADENCE_ID,),
        errors=OWN_CADENCE,
    ),
    Operation(
        "delete",
        "/cadences/{cadence_id}",
        "Cadences",
        "Cancel or delete a cadence, with its results",
        (ok("The cadence was deleted.", cadence_answers.CadenceDeleted),),
        description="The jobs that it started and that are still open are cancelled, as by DELETE /jobs/{job_id}. Jobs "
        "that have ended stay.",
        parameters=(CADENCE_ID,),
        errors=OWN_CADENCE,
    ),
    Operation(
        "get",
        "/cadences/{cadence_id}/events",
        "Cadences",
        "Stream a cadence's changes as server-sent events",
        (
            Success(
                200,
                "Events named `cadence`, whose data is the cadence as GET /cadences/{cadence_id} returns it: one at "
                "once and one after each change, until the cadence has failed or its exports are ready. Comments keep "
                "the connection open.",
                {"text/event-stream": cadence_answers.CadenceEvent},
            ),
            Success(204, "The cadence has finished, and Last-Event-ID names its final state: no event will follow."),
        ),
        parameters=(CADENCE_ID, LAST_EVENT_ID),
        errors={**OWN_CADENCE, 429: ("too_many_streams",)},
    ),
    Operation(
        "get",
        "/cadences/{cadence_id}/download",
        "Cadences",
        "Download a file of a cadence's results",
        (
            Success(200, "The URL of the file, or the CSV table itself.", {JSON: answers.Download, "text/csv": str}),
            preparing(verdict_answers.DownloadPreparing),
        ),
        parameters=(
            CADENCE_ID,
            Parameter(
                "format",
                "query",
                {"type": "string", "pattern": f"^({_NAMES}|event_[0-9]{{4,8}})$", "default": "json"},
                f"Format of the file: {_FILES}; `event_0001` event_0001.png and so on, the picture of the event with "
                "this id.",
                "csv",
            ),
            with_verdicts(REVIEWED_EVENT_FORMATS),
        ),
        errors={
            400: ("invalid_format", "invalid_verdicts", "format_without_verdicts"),
            403: OWN_CADENCE[403],
            404: (*OWN_CADENCE[404], "format_not_available"),
        },
    ),
    Operation(
        "get",
        "/cadences/{cadence_id}/downloads",
        "Cadences",
        "List the files that a cadence offers for download, with their sizes",
        (ok("The files; none until `exports_ready` is true.", answers.DownloadableFiles),),
        parameters=(CADENCE_ID,),
        errors=OWN_CADENCE,
    ),
)
