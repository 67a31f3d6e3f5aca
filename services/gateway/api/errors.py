"""Errors as clients see them: `{"error": {"code", "message", "details"?}}`, never a trace."""

from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from shared.errors import TransientError

logger = structlog.get_logger(__name__)

RETRY_AFTER_S = 5
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_MESSAGES = {
    404: "There is nothing at this path.",
    405: "This path does not know this method.",
    413: "The request body is too large; upload observations through POST /upload-url.",
}


class ApiError(Exception):
    """An answer other than success; `code` is stable, `message` is a sentence for the user.

    `details` are more of the same for programs, and `retry_after_s` says when another try may do better.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    retry_after_s: int | None = None,
) -> web.Response:
    """The body that every error has."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = dict(details)
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    return web.json_response({"error": error}, status=status, headers=headers)


def _of_framework(error: web.HTTPException) -> web.Response:
    response = error_response(
        error.status,
        _CODES.get(error.status, "invalid_request"),
        _MESSAGES.get(error.status, f"The request can't be answered: {error.reason}."),
    )
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _away() -> web.Response:
    return error_response(
        503,
        TransientError.code,
        "A part of the service is away; please try again soon.",
        retry_after_s=RETRY_AFTER_S,
    )


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers; what is wrong on our side is logged here, once."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(
            error.status, error.code, error.message, details=error.details, retry_after_s=error.retry_after_s
        )
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_framework(error)
    except TransientError as error:
        logger.warning("dependency away", error=error.message)
        return _away()
    except ConnectionResetError:
        # One of a connection of our own is a bug like any other.
        if request.transport is not None and not request.transport.is_closing():
            logger.exception("request failed")
            return error_response(500, "internal_error", "An internal error stopped this request.")
        # Nobody is there any more to read the answer.
        logger.info("client went away")
        return error_response(400, "invalid_json", "The request was not sent to its end.")
    except Exception:
        # The last line of defence: the client gets a plain answer, the log gets the trace.
        logger.exception("request failed")
        return error_response(500, "internal_error", "An internal error stopped this request.")
