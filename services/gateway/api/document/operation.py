"""What one route of the API takes and answers, as the document describes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from aiohttp import hdrs

from services.gateway.api import answers, bodies
from services.gateway.api.idempotency import IDEMPOTENCY_HEADER
from services.gateway.api.page_query import CURSOR_HEADER, TOTAL_HEADER
from services.gateway.jobs import paging

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
    """A successful answer. `content` maps media types to types; it is empty if the body is. `headers` have meanings."""

    status: int
    description: str
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One method of one path. `errors` holds the codes of its own errors by status; all routes share some more."""

    method: str
    path: str
    tag: str
    summary: str
    successes: tuple[Success, ...]
    description: str = ""
    body: type[bodies.Body] | UnionType | None = None
    body_example: Mapping[str, Any] | None = None
    is_body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    is_public: bool = False


def ok(description: str, model: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Success:
    """Return a success with a JSON body."""
    return Success(status, description, {JSON: model}, headers or {})


JOB_ID = Parameter("job_id", "path", {"type": "string", "minLength": 1}, "Id of a job.", answers.JOB_EXAMPLE["job_id"])
OWN_JOB = {403: ("job_of_another_user",), 404: ("job_not_found",)}
IDEMPOTENCY_KEY = Parameter(
    IDEMPOTENCY_HEADER,
    "header",
    {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "A text that you choose. Repeating the request with the same text within a day starts no second job.",
    "night-7-beam-3",
)
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "header",
    {"type": "string"},
    "Id of the last event that you received; its state is not sent again.",
)
NEXT_HEADERS = {
    CURSOR_HEADER: "The value of the parameter cursor for the next page, if there is one.",
    "Link": 'Path of the next page, as rel="next".',
}
PAGE_HEADERS = {TOTAL_HEADER: "How many entries all pages have.", **NEXT_HEADERS}
PAGE_ERRORS = {400: ("invalid_limit", "invalid_status", "invalid_q", "invalid_cursor")}


def with_verdicts(formats: Iterable[str]) -> Parameter:
    """Return the query parameter of a download that asks for verdicts in some formats."""
    return Parameter(
        "verdicts",
        "query",
        {"type": "string", "enum": ["true", "false"], "default": "false"},
        f"With `true`, the catalogue has the columns verdict and verdict_note. For the formats {', '.join(formats)}. "
        "It is made on request: until it is there, the answer is 202.",
        "false",
    )


def preparing(model: Any) -> Success:
    """Return the answer of a download that is being made."""
    return Success(
        202,
        "The catalogue with verdicts is being made. Ask again.",
        {JSON: model},
        {hdrs.RETRY_AFTER: "Seconds after which to ask again."},
    )


def page_parameters(what: str, where: str) -> tuple[Parameter, ...]:
    """Return the query parameters of a list of `what`; a text is looked for in `where`."""
    return (
        Parameter(
            "limit",
            "query",
            {"type": "integer", "minimum": 1, "maximum": paging.MAX_JOBS, "default": paging.DEFAULT_JOBS},
            f"Maximum number of {what} to return.",
            50,
        ),
        Parameter(
            "status",
            "query",
            {"type": "string", "enum": list(paging.STATUSES)},
            f"Return only {what} with this status.",
        ),
        Parameter(
            "q",
            "query",
            {"type": "string", "maxLength": paging.MAX_TEXT, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"},
            f"Return only {what} with this text in {where}, in upper or lower case.",
            "voyager",
        ),
        Parameter("cursor", "query", {"type": "string"}, "The X-Next-Cursor of the previous page."),
    )
