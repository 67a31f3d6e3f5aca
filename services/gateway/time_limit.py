"""No request takes for ever: one that whatever it waits for does not answer is given up.

One timer watches all requests, the one that began first: a timer for each (`asyncio.timeout`) costs as much as telling
who asks.
"""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.errors import TransientError


class TimeLimit:
    """The requests under way, the oldest first, and when each is to be given up."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request within the limit.

        Raises:
            TransientError: it took longer.
        """
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        others = task.cancelling()
        self._deadlines[task] = loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_at(self._deadlines[task], self._give_up_late, loop)
        try:
            return await handler(request)
        except asyncio.CancelledError as error:
            # Whoever else cancels it as well means the task, not just the request.
            if task in self._deadlines or task.cancelling() > others + 1:
                raise
            raise TransientError(f"The request was not answered within {self._limit_s:g} s.") from error
        finally:
            if self._deadlines.pop(task, None) is None:
                # Its connection's next request has the same task.
                task.uncancel()

    def _give_up_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for task, deadline in list(self._deadlines.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._give_up_late, loop)
                break
            del self._deadlines[task]
            task.cancel()


def time_limit_middleware(limit_s: float, *, unlimited: frozenset[str]) -> Middleware:
    """Give a request up after `limit_s`: whatever it waits for is away. `unlimited` are route templates of streams."""
    limit = TimeLimit(limit_s)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in unlimited:
            return await handler(request)
        return await limit.keep(request, handler)

    return middleware
