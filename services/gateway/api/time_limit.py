"""No request takes for ever: one that whatever it waits for does not answer is given up.

One timer watches all that share a limit, the one that began first: a timer for each (`asyncio.timeout`) costs as much
as telling who asks.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.errors import TransientError

T = TypeVar("T")


class TimeLimit:
    """The tasks that are within the limit, the oldest first, and when what each waits for is to be given up."""

    def __init__(self, limit_s: float, too_late: str) -> None:
        """`too_late` is a sentence about what took longer."""
        self._limit_s = limit_s
        self._too_late = too_late
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[T]) -> T:
        """Wait for some work of the present task, which may wait for no other within this limit meanwhile.

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
            return await work
        except asyncio.CancelledError as error:
            # Whoever else cancels it as well means the task, not just what it waits for.
            if task in self._deadlines or task.cancelling() > others + 1:
                raise
            raise TransientError(self._too_late) from error
        finally:
            if self._deadlines.pop(task, None) is None:
                # It goes on: a connection's next request has the same task.
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
    limit = TimeLimit(limit_s, f"The request was not answered within {limit_s:g} s.")

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in unlimited:
            return await handler(request)
        return await limit.keep(handler(request))

    return middleware
