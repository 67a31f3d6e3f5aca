"""One line of log and one count per request, by route template: paths with ids in them would be endless."""

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

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Asked every few seconds by machines.
_QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics"})
# Clients may invent methods; labels may not grow without bound.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


@web.middleware
async def request_log_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, which every line of its log carries and the answer returns; count and time it."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    method = request.method if request.method in _METHODS else "OTHER"
    started = time.perf_counter()
    request_id = _request_id(request)
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await handler(request)
        seconds = time.perf_counter() - started
        log = logger.debug if route in _QUIET_ROUTES else logger.info
        log("request", method=method, route=route, status=response.status, ms=round(1000 * seconds, 1))
    response.headers[REQUEST_ID_HEADER] = request_id
    REQUESTS.labels(method, route, str(response.status)).inc()
    REQUEST_S.labels(method, route).observe(seconds)
    return response
