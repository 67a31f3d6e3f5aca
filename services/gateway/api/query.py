"""Query parameters: each is one that the route has, and is given once.

A parameter with a typing error would otherwise be ignored, and its user would take the answer for what was asked.
"""

from collections.abc import Iterable, Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.gateway.api.errors import ApiError

# Characters shown of a name that the client chose.
MAX_SHOWN = 100

# The parameters of each operation, by its method and path template.
Parameters = Mapping[tuple[str, str], Iterable[str]]


def query_middleware(parameters: Parameters) -> Middleware:
    """Return a middleware that refuses unknown and repeated query parameters of the operations in `parameters`."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.query_string:
            resource = request.match_info.route.resource
            method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
            known = parameters.get((method, resource.canonical)) if resource is not None else None
            if known is not None:
                _require_known(request, tuple(known))
        return await handler(request)

    return middleware


def _require_known(request: web.Request, known: tuple[str, ...]) -> None:
    names = list(request.query)
    for name in names:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            message = f"This path has no query parameter {name[:MAX_SHOWN]!r}: {has}."
            raise ApiError(400, "unknown_parameter", message)
        if len(request.query.getall(name)) > 1:
            raise ApiError(400, "repeated_parameter", f"The query parameter {name} is given more than once.")
