"""GET /cadences/{cadence_id}/events: the changes of a cadence as server-sent events."""

from aiohttp import web

from services.gateway.api.auth import USER
from services.gateway.api.cadence_answers import Cadence as Shown
from services.gateway.api.event_streams import EventStreams, State
from services.gateway.jobs.access import own_cadence
from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.model import is_settled
from services.gateway.jobs.ports import CadenceStore

PATH = "/cadences/{cadence_id}/events"


class CadenceEventRoutes:
    """GET /cadences/{cadence_id}/events."""

    def __init__(self, streams: EventStreams, *, cadences: CadenceStore) -> None:
        self._streams = streams
        self._cadences = cadences

    def routes(self) -> list[web.RouteDef]:
        """Return the route. HEAD is not allowed: it would return the headers only."""
        return [web.get(PATH, self.stream, allow_head=False)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """GET /cadences/{cadence_id}/events: the cadence now, and after each change until it is final.

        Raises
        ------
        UnknownCadenceError
            No cadence has this id.
        CadenceOfAnotherUserError
            The cadence belongs to a different user.
        ApiError
            429, the user has too many streams open.
        """
        cadence = await own_cadence(self._cadences, request.match_info["cadence_id"], request[USER].user_id)

        async def read() -> State | None:
            found = await self._cadences.get(cadence.job_id)
            return None if found is None else await self._state_of(found)

        return await self._streams.answer(request, cadence.job_id, await self._state_of(cadence), read)

    async def _state_of(self, cadence: Cadence) -> State:
        jobs = await self._cadences.scan_jobs([scan.job_id for scan in cadence.scans])
        return State("cadence", Shown.of(cadence, jobs), is_settled(cadence))
