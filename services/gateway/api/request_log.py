"""One log line and one count per request, by route template: paths with ids would make endless label values."""

import functools
import itertools
import re
import time
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram

logger = structlog.get_logger(__name__)

REQUESTS = Counter("waterhole_http_requests_total", "Requests answered.", ["method", "route", "status"])
REQUEST_S = Histogram("waterhole_http_request_seconds", "Time to answer a request, s.", ["method", "route"])

REFUSED = Counter("waterhole_http_refused_total", "Requests that are not valid HTTP, by status.", ["status"])

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
# Fields of every log line of a request; `user_id` once the request is authenticated.
REQUEST_FIELDS = ("request_id", "user_id")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# An id is the process's id and a count: random bits for each request would cost more than the rest of this module.
_PROCESS = uuid.uuid4().hex[:20]
_COUNT = itertools.count()
# Requested by machines every few seconds, so logged at level DEBUG only.
_QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics"})
# Clients may send any method; the number of label values must stay bounded.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@functools.cache
def _metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return the metrics of such requests. Looking them up by their labels each time would cost more than counting."""
    return REQUESTS.labels(method, route, str(status)), REQUEST_S.labels(method, route)


def new_request_id() -> str:
    """Return an id for a request that brings none."""
    return f"{_PROCESS}{next(_COUNT):012x}"


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id to the answer; called before the headers are sent."""
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]


@web.middleware
async def request_log_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id for its log lines and its answer; count and time the request."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    method = request.method if request.method in _METHODS else "OTHER"
    started = time.perf_counter()
    request_id = _request_id(request)
    request[REQUEST_ID] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        response = await handler(request)
        seconds = time.perf_counter() - started
        log = logger.debug if route in _QUIET_ROUTES else logger.info
        log("request", method=method, route=route, status=response.status, ms=round(1000 * seconds, 1))
    finally:
        # The next request on this connection runs in the same context.
        structlog.contextvars.unbind_contextvars(*REQUEST_FIELDS)
    count, duration = _metrics(method, route, response.status)
    count.inc()
    duration.observe(seconds)
    return response
