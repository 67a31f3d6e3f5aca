"""Errors as clients see them: `{"error": {"code", "message"}}`, never a trace."""

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
    """An answer other than success; `code` is stable, `message` is a sentence for the user."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def error_response(status: int, code: str, message: str) -> web.Response:
    """The body that every error has."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _of_framework(error: web.HTTPException) -> web.Response:
    response = error_response(
        error.status,
        _CODES.get(error.status, "invalid_request"),
        _MESSAGES.get(error.status, f"The request can't be answered: {error.reason}."),
    )
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers; what is wrong on our side is logged here, once."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error.status, error.code, error.message)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_framework(error)
    except TransientError as error:
        logger.warning("dependency away", error=error.message)
        response = error_response(503, error.code, "A part of the service is away; please try again soon.")
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    except Exception:
        # The last line of defence: the client gets a plain answer, the log gets the trace.
        logger.exception("request failed")
        return error_response(500, "internal_error", "An internal error stopped this request.")
