"""OPTIONS: what a path can do, and which web pages may do it from a browser (CORS).

Nothing here weakens authentication: browsers send no key by themselves, so a page only reads what it has a key for.
"""

from collections.abc import Sequence

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Api-Key, X-Request-Id"
EXPOSED_HEADERS = "ETag, Link, Location, Retry-After, X-Next-Cursor, X-Request-Id"
# How long a browser remembers a preflight, s.
MAX_AGE_S = 600
ANY = "*"


class Cors:
    """The origins of web pages that may read answers; none by default."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def _allowed(self, request: web.Request) -> str | None:
        """What `Access-Control-Allow-Origin` is to say, or None."""
        if ANY in self._origins:
            return ANY
        origin = request.headers.get(hdrs.ORIGIN)
        return origin if origin in self._origins else None

    async def tell(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell the browser whether the page may read this answer; called before the headers leave."""
        if ANY not in self._origins:
            # A cache must not hand one origin's answer to another.
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        allowed = self._allowed(request)
        if allowed is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = allowed
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED_HEADERS

    @web.middleware
    async def options_middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer OPTIONS of any path that there is, without a key: a browser's preflight carries none."""
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
