"""GET /events: the changes of all jobs and cadences of a user as server-sent events."""

import asyncio
from contextlib import suppress

from aiohttp import web

from services.gateway.api.auth import USER, is_still_allowed
from services.gateway.api.event_streams import KEEP_ALIVE, StreamSlots, begin, stream_response, write
from services.gateway.api.user_changes import UserChanges, Watcher, event_text
from services.gateway.settings import Settings

PATH = "/events"


class UserEventRoutes:
    """GET /events."""

    def __init__(self, settings: Settings, changes: UserChanges) -> None:
        self._keep_alive_s = settings.events_keep_alive_s
        self._max_s = settings.events_max_s
        self._changes = changes
        self._slots = StreamSlots(settings.events_per_user)

    def routes(self) -> list[web.RouteDef]:
        """Return the route. HEAD is not allowed: it would return the headers only."""
        return [web.get(PATH, self.stream, allow_head=False)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """GET /events: the event `open`, and then each change of the user's jobs and cadences.

        Raises
        ------
        ApiError
            429, the user has too many streams open.
        """
        user_id = request[USER].user_id

        def is_gone() -> bool:
            return request.transport is None or request.transport.is_closing()

        with self._slots.taken(user_id), self._changes.watch(user_id, is_gone) as watcher:
            response = stream_response()
            # A client may disconnect at any time.
            with suppress(ConnectionError):
                await begin(request, response)
                # The watcher is there: a list that is read from now on misses nothing that is not told.
                await write(request, response, event_text("open", {}))
                await self._follow(request, response, watcher)
            return response

    async def _follow(self, request: web.Request, response: web.StreamResponse, watcher: Watcher) -> None:
        clock = asyncio.get_running_loop().time
        ends_s = clock() + self._max_s
        while not self._changes.closed and not watcher.is_gone() and clock() < ends_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(watcher.changed.wait(), min(self._keep_alive_s, ends_s - clock()))
            if not await is_still_allowed(request):
                return
            await write(request, response, watcher.take() or KEEP_ALIVE)
