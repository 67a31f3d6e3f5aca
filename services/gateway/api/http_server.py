"""The HTTP server's own refusals in the form of the API's errors.

Bytes that are not HTTP, headers that are too long and unknown expectations never reach the application: the HTTP
library refuses them, as plain text. Here they become JSON with a code, a sentence and a request id. Such an answer
closes its connection.
"""

import asyncio

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import (
    BadStatusLine,
    ContentEncodingError,
    HttpProcessingError,
    InvalidHeader,
    LineTooLong,
    TransferEncodingError,
)

from services.gateway.api.errors import INTERNAL, ErrorAnswer, of_framework, unsupported_encoding
from services.gateway.api.request_log import REFUSED, REQUEST_ID_HEADER, new_request_id
from services.gateway.api.security_headers import NOSNIFF, NOSNIFF_HEADER, SERVER

logger = structlog.get_logger(__name__)

# The first type that matches counts; each type stands before its bases.
_REASONS: tuple[tuple[type[HttpProcessingError], str], ...] = (
    (LineTooLong, "its first line, or one of its headers, is too long"),
    (InvalidHeader, "one of its headers is not valid"),
    (BadStatusLine, "its first line is not valid"),
    (TransferEncodingError, "its chunks are not valid"),
)


def refusal_of(error: HttpProcessingError) -> ErrorAnswer:
    """Return the answer to a request that could not be parsed. It shows nothing of the request's bytes."""
    if isinstance(error, ContentEncodingError):
        return unsupported_encoding().answer
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "its headers are not valid")
    return ErrorAnswer(400, "malformed_request", f"The request is not valid HTTP/1.1: {reason}.")


def _completed(response: web.Response) -> web.Response:
    """Return an answer with what the application adds to its own answers, counted."""
    response.headers[REQUEST_ID_HEADER] = new_request_id()
    response.headers[NOSNIFF_HEADER] = NOSNIFF
    response.headers[hdrs.SERVER] = SERVER
    REFUSED.labels(str(response.status)).inc()
    response.force_close()
    return response


class _Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed, or that failed outside the application's middlewares."""
        answer = INTERNAL
        if isinstance(exc, HttpProcessingError):
            # Scanners send such requests to every public address: they are counted, and not logged.
            answer = refusal_of(exc)
        else:
            logger.error("request failed", status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("A part of the answer was sent already.")
        return _completed(answer.response())

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer. The library's own errors, such as for an unknown Expect header, get the form of the API's."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            resp = _completed(of_framework(resp, request))
        return await super().finish_response(request, resp, start_time)


class _Server(web.Server):
    """Makes the connections."""

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class GatewayRunner(web.AppRunner):
    """Runs an application on such connections."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **self._kwargs,
        )
