"""Errors as HTTP answers: `{"error": {"code", "message", "details"?}}`, never a stack trace.

`ANSWERS` is the only place that turns errors of uploads, jobs and accounts into status, code and message. What is only
wrong with the HTTP request itself (its body, its credentials) is raised as `ApiError` where it is found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.gateway.accounts.errors import (
    KeyLimitError,
    KeyOfAnotherUserError,
    KeysNotInTierError,
    UnknownKeyError,
)
from services.gateway.api import answers
from services.gateway.api.idempotency import IDEMPOTENCY_HEADER
from services.gateway.api.oidc import InvalidTokenError
from services.gateway.api.page_query import CURSOR_HEADER
from services.gateway.api.upload_names import FileNameError
from services.gateway.jobs.errors import (
    BadCadenceError,
    BadIdempotencyKeyError,
    BadPageError,
    CadenceOfAnotherUserError,
    FileTooLargeError,
    FormatNotAvailableError,
    JobOfAnotherUserError,
    KeyReusedError,
    LimitReachedError,
    MissingPartsError,
    ScanError,
    ScanJobFailedError,
    TooManyPartsError,
    TooManyVerdictsError,
    UnknownCadenceError,
    UnknownEventError,
    UnknownExampleError,
    UnknownFormatError,
    UnknownHitError,
    UnknownJobError,
    UnknownMultipartError,
    UploadLimitError,
    UploadNotFoundError,
    UploadOfAnotherUserError,
    UploadRefusedError,
)
from services.gateway.jobs.limits import BUSY_RETRY_AFTER_S, Limit
from services.gateway.jobs.paging import MAX_TEXT, STATUSES
from services.gateway.jobs.stored_upload import UploadLimit
from services.gateway.observations.errors import (
    BadChannelsError,
    NoWaterfallError,
    ObservationGoneError,
    RangeTooLargeError,
    SpectraNotReadableError,
    UnknownLevelError,
    UnknownStatisticError,
)
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

RETRY_AFTER_S = 5
# Uploads that no job uses are looked for about so often.
STORAGE_RETRY_AFTER_S = 3600

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 417: "unsupported_expectation"}
_MESSAGES = {
    404: "This path does not exist.",
    405: "This path does not support this method.",
    413: "The request body is too large; upload observations through POST /upload-url.",
    417: "The only Expect header that is supported is 100-continue.",
}


@dataclass(frozen=True)
class ErrorAnswer:
    """An answer other than success.

    `code` is stable, `message` is a sentence for the user, `details` hold more information for programs,
    `retry_after_s` says when a retry may succeed, and `headers` are further headers.
    """

    status: int
    code: str
    message: str
    details: Mapping[str, Any] | None = None
    retry_after_s: int | None = None
    headers: Mapping[str, str] | None = None

    def response(self) -> web.Response:
        """Return the HTTP response."""
        details = dict(self.details) if self.details is not None else None
        info = answers.ErrorInfo(code=self.code, message=self.message, details=details)
        headers = dict(self.headers or {})
        if self.retry_after_s is not None:
            headers[hdrs.RETRY_AFTER] = str(self.retry_after_s)
        return answers.json_response(answers.Error(error=info), status=self.status, headers=headers)


class ApiError(Exception):
    """An HTTP request that is refused; see `ErrorAnswer` for the parameters."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.answer = ErrorAnswer(status, code, message, retry_after_s=retry_after_s, headers=headers)


def unsupported_encoding() -> ApiError:
    """Return the refusal of a body in an encoding that is not decoded; the header names those that are."""
    message = (
        "The Content-Encoding of the request body is not supported: send the body as it is, or as gzip or deflate."
    )
    accepted = {"Accept-Encoding": "identity, gzip, deflate"}
    return ApiError(415, "unsupported_content_encoding", message, headers=accepted)


def _limit_reached(error: LimitReachedError) -> ErrorAnswer:
    if error.limit is Limit.MONTHLY and error.files is not None:
        message = (
            f"The cadence has {error.files} new files, more than are left of your tier's {error.allowed} jobs of this "
            "month; the next month begins at 00:00 UTC of its first day."
        )
        return ErrorAnswer(429, error.limit.value, message, retry_after_s=error.retry_after_s)
    message = {
        Limit.MONTHLY: f"Your tier's {error.allowed} jobs of this month are used up; the next month begins at 00:00 "
        "UTC of its first day.",
        Limit.CONCURRENT: f"You have {error.allowed} jobs running, the most that may run at a time; wait for one to "
        "finish, or delete one.",
    }[error.limit]
    return ErrorAnswer(429, error.limit.value, message, retry_after_s=error.retry_after_s)


def _upload_limit(error: UploadLimitError) -> ErrorAnswer:
    if error.limit is UploadLimit.OPEN:
        message = (
            f"You have {error.open_limit} uploads open, the most at a time: analyze or abort one, or wait until its "
            "URLs are no longer valid."
        )
        return ErrorAnswer(429, error.limit.value, message, retry_after_s=BUSY_RETRY_AFTER_S)
    message = (
        f"Your uploads would take more than the {error.stored_mb} MB of your tier: delete jobs, or wait until uploads "
        "without a job are removed."
    )
    return ErrorAnswer(429, error.limit.value, message, retry_after_s=STORAGE_RETRY_AFTER_S)


def _of_scan(error: ScanError) -> ErrorAnswer:
    answer = answer_to(error.cause)
    return replace(answer, message=f"Scan {error.number}: {answer.message}")


def _bad_page(error: BadPageError) -> ErrorAnswer:
    code, expected = {
        "limit": ("invalid_limit", "a whole number from 1 to 100"),
        "status": ("invalid_status", f"one of {', '.join(STATUSES)}"),
        "q": ("invalid_q", f"a text of at most {MAX_TEXT} characters, none of them a control character"),
        "cursor": ("invalid_cursor", f"one that came with {CURSOR_HEADER}"),
    }[error.parameter]
    return ErrorAnswer(400, code, f"The parameter {error.parameter} must be {expected}.")


def _numbers(what: str, first: int, count: int) -> str:
    """Return the sentence about a number that no hit or event has."""
    if not count:
        return f"There is no such {what}: there are none, or none yet."
    return f"There is no such {what}: the {what}s have the numbers {first} to {first + count - 1}."


# The answer of each type of error; `Any` stands for the type on the left.
ANSWERS: Mapping[type[Exception], Callable[[Any], ErrorAnswer]] = {
    InvalidTokenError: lambda error: ErrorAnswer(403, error.code, error.message),
    KeyLimitError: lambda error: ErrorAnswer(
        409, "too_many_api_keys", f"You have {error.limit} API keys, the most that a user may have; revoke one first."
    ),
    UnknownKeyError: lambda _: ErrorAnswer(404, "key_not_found", "No API key has this id."),
    KeyOfAnotherUserError: lambda _: ErrorAnswer(
        403, "key_of_another_user", "This API key belongs to a different user."
    ),
    KeysNotInTierError: lambda error: ErrorAnswer(
        403, "tier_upgrade_required", f"The tier {error.tier} does not include API keys; upgrade to a higher tier."
    ),
    FileNameError: lambda error: ErrorAnswer(400, error.code, str(error)),
    UploadNotFoundError: lambda _: ErrorAnswer(
        404, "file_not_found", "The file was not found: upload it first, to the URL of POST /upload-url."
    ),
    UnknownExampleError: lambda _: ErrorAnswer(
        404, "example_not_found", "No example has this name; see GET /examples."
    ),
    UploadOfAnotherUserError: lambda _: ErrorAnswer(
        403, "upload_of_another_user", "This upload belongs to a different user."
    ),
    FileTooLargeError: lambda error: ErrorAnswer(
        413, "file_too_large", f"The file exceeds your tier's limit of {error.max_mb} MB."
    ),
    TooManyPartsError: lambda error: ErrorAnswer(
        413, "file_too_large", f"The file has {error.count} parts; S3 accepts at most {error.limit}."
    ),
    MissingPartsError: lambda error: ErrorAnswer(
        400, "invalid_parts", f"The field 'parts' must name each partNumber from 1 to {error.count} once."
    ),
    UploadRefusedError: lambda error: ErrorAnswer(400, error.code, error.message),
    UnknownMultipartError: lambda error: ErrorAnswer(404, "upload_not_found", error.message),
    UnknownJobError: lambda _: ErrorAnswer(404, "job_not_found", "No job has this id."),
    JobOfAnotherUserError: lambda _: ErrorAnswer(403, "job_of_another_user", "This job belongs to a different user."),
    UnknownCadenceError: lambda _: ErrorAnswer(404, "cadence_not_found", "No cadence has this id."),
    CadenceOfAnotherUserError: lambda _: ErrorAnswer(
        403, "cadence_of_another_user", "This cadence belongs to a different user."
    ),
    UnknownHitError: lambda error: ErrorAnswer(404, "hit_not_found", _numbers("hit", 0, error.count)),
    UnknownEventError: lambda error: ErrorAnswer(404, "event_not_found", _numbers("event", 1, error.count)),
    TooManyVerdictsError: lambda error: ErrorAnswer(
        409, "too_many_verdicts", f"It has {error.limit} verdicts, as many as are kept; take some back first."
    ),
    BadCadenceError: lambda error: ErrorAnswer(400, error.code, error.message),
    ScanError: _of_scan,
    ScanJobFailedError: lambda error: ErrorAnswer(
        409, "scan_failed", f"Its job has failed, so leave it out or upload the file again. {error.reason}"
    ),
    LimitReachedError: _limit_reached,
    UploadLimitError: _upload_limit,
    BadIdempotencyKeyError: lambda _: ErrorAnswer(
        400,
        "invalid_idempotency_key",
        f"The header {IDEMPOTENCY_HEADER} must be 1 to 255 printable ASCII characters, and be sent once.",
    ),
    KeyReusedError: lambda _: ErrorAnswer(
        409,
        "idempotency_key_reused",
        f"The {IDEMPOTENCY_HEADER} was used with another request body before; use a new one.",
    ),
    BadPageError: _bad_page,
    UnknownFormatError: lambda error: ErrorAnswer(
        400, "invalid_format", f"The parameter format must be one of {', '.join(error.formats)}."
    ),
    FormatNotAvailableError: lambda error: ErrorAnswer(404, "format_not_available", error.message),
    BadChannelsError: lambda error: ErrorAnswer(400, "invalid_channels", error.message),
    RangeTooLargeError: lambda error: ErrorAnswer(400, "range_too_large", error.message),
    UnknownStatisticError: lambda error: ErrorAnswer(400, "invalid_statistic", error.message),
    UnknownLevelError: lambda error: ErrorAnswer(404, "unknown_level", error.message),
    NoWaterfallError: lambda error: ErrorAnswer(404, "no_waterfall", error.message),
    ObservationGoneError: lambda error: ErrorAnswer(404, "observation_gone", error.message),
    SpectraNotReadableError: lambda error: ErrorAnswer(409, "spectra_not_readable", error.message),
    TransientError: lambda _: ErrorAnswer(
        503,
        TransientError.code,
        "A part of the service is temporarily unavailable; please retry soon.",
        retry_after_s=RETRY_AFTER_S,
    ),
}
_MAPPED = tuple(ANSWERS)
INTERNAL = ErrorAnswer(500, "internal_error", "An internal error stopped this request.")
_INTERRUPTED = ErrorAnswer(400, "invalid_json", "The request was not sent completely.")


def answer_to(error: Exception) -> ErrorAnswer:
    """Return the answer to an error that `ANSWERS` maps, by its type or the nearest base of it."""
    return next(ANSWERS[kind](error) for kind in type(error).__mro__ if kind in ANSWERS)


def of_framework(error: web.HTTPException, request: web.BaseRequest) -> web.Response:
    """Return the answer to an error of the HTTP library."""
    message = _MESSAGES.get(error.status, f"The request can't be answered: {error.reason}.")
    if error.status == 404 and len(request.path) > 1 and request.path.endswith("/"):
        message = "This path does not exist: no path ends in a slash, so leave out the one at its end."
    response = ErrorAnswer(error.status, _CODES.get(error.status, "invalid_request"), message).response()
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers. Errors of the service itself are logged here, once."""
    try:
        return await handler(request)
    except ApiError as error:
        return error.answer.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return of_framework(error, request)
    except _MAPPED as error:
        if isinstance(error, TransientError):
            logger.warning("dependency unavailable", error=error.message)
        return answer_to(error).response()
    except ConnectionResetError:
        # If the client's connection is open, a connection of our own was reset: a bug like any other.
        if request.transport is not None and not request.transport.is_closing():
            logger.exception("request failed")
            return INTERNAL.response()
        # The client has disconnected: nobody reads the answer.
        logger.info("client disconnected")
        return _INTERRUPTED.response()
    except Exception:
        # The last resort: the client gets a plain answer, the log gets the stack trace.
        logger.exception("request failed")
        return INTERNAL.response()
