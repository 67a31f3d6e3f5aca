"""No request runs for ever: one whose dependency does not answer is cancelled, and answered with 503."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.errors import TransientError


def request_timeout_middleware(limit_s: float, *, unlimited: frozenset[str]) -> Middleware:
    """Return a middleware that cancels a request after `limit_s` and raises `TransientError`.

    `unlimited` holds the route templates of requests without a limit, such as streams. A time-out of the handler's own
    is not the limit's, and a request that is cancelled from outside stays cancelled.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in unlimited:
            return await handler(request)
        try:
            async with asyncio.timeout(limit_s) as timer:
                return await handler(request)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise TransientError(f"The request was not answered within {limit_s:g} s.") from error

    return middleware
