"""OPTIONS requests: the methods of a path, and which web pages may use them from a browser (CORS).

This does not weaken authentication: browsers do not add a key by themselves, so a page only reads what its key allows.
"""

from collections.abc import Sequence

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Api-Key, X-Request-Id"
EXPOSED_HEADERS = (
    "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Next-Cursor, X-Request-Id, X-Total-Count"
)
# How long a browser caches a preflight, s.
MAX_AGE_S = 600
ANY = "*"


class Cors:
    """Adds CORS headers for the origins whose web pages may read answers; none by default."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def _allowed(self, request: web.Request) -> str | None:
        """Return the value of `Access-Control-Allow-Origin`, or None."""
        if ANY in self._origins:
            return ANY
        origin = request.headers.get(hdrs.ORIGIN)
        return origin if origin in self._origins else None

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that allow a page to read this answer; called before the headers are sent."""
        if ANY not in self._origins:
            # A cache must not return one origin's answer to another origin.
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        allowed = self._allowed(request)
        if allowed is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = allowed
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED_HEADERS

    @web.middleware
    async def options_middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer OPTIONS on any existing path, without a key: a browser's preflight has none."""
        refusal = request.match_info.http_exception
        if request.method != hdrs.METH_OPTIONS or not isinstance(refusal, web.HTTPMethodNotAllowed):
            return await handler(request)
        methods = ", ".join(sorted({*refusal.allowed_methods, hdrs.METH_OPTIONS}))
        response = web.Response(status=204, headers={hdrs.ALLOW: methods})
        if hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers and self._allowed(request) is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = methods
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = ALLOWED_HEADERS
            response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(MAX_AGE_S)
        return response
