"""Verdicts on the hits of a job and on the events of a cadence."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from aiohttp import web

from services.gateway.api import answers, verdict_answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import read_body
from services.gateway.api.page_query import CURSOR_HEADER, page_of
from services.gateway.api.user_turns import UserTurns
from services.gateway.api.verdict_bodies import VerdictBody
from services.gateway.jobs.access import own_cadence, own_job
from services.gateway.jobs.ports import CadenceStore, JobStore
from services.gateway.jobs.verdict import GivenVerdict, Kind, VerdictStore, require_event, require_hit, require_space

# Longer numbers name no hit, and `int` is slow for thousands of digits.
MOST_DIGITS = 9
# Of one user at one gateway: ten thousand verdicts with long notes are 20 MB, and take a quarter of a second.
LISTS_AT_ONCE = 2
LISTS_WAIT_S = 20.0


class VerdictRoutes:
    """GET /verdicts, and GET, PUT and DELETE below /jobs/{job_id}/verdicts and /cadences/{cadence_id}/verdicts."""

    def __init__(
        self, verdicts: VerdictStore, *, jobs: JobStore, cadences: CadenceStore, now_ms: Callable[[], int]
    ) -> None:
        self._verdicts = verdicts
        self._jobs = jobs
        self._cadences = cadences
        self._now_ms = now_ms
        self._lists = UserTurns(LISTS_AT_ONCE, wait_s=LISTS_WAIT_S)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        of_hit, of_event = "/jobs/{job_id}/verdicts/{hit}", "/cadences/{cadence_id}/verdicts/{event}"
        return [
            web.get("/verdicts", self.list_verdicts),
            web.get("/jobs/{job_id}/verdicts", self.of_job),
            web.put(of_hit, self.put_on_hit),
            web.delete(of_hit, self.delete_on_hit),
            web.get("/cadences/{cadence_id}/verdicts", self.of_cadence),
            web.put(of_event, self.put_on_event),
            web.delete(of_event, self.delete_on_event),
        ]

    async def list_verdicts(self, request: web.Request) -> web.Response:
        """GET /verdicts: the user's verdicts, those changed last first, in pages.

        Raises
        ------
        BadPageError
            `limit` or `cursor` is not valid.
        """
        page = page_of(request.query)
        # One more verdict than the page shows reveals whether there is another page.
        found = await self._verdicts.list_recent(request[USER].user_id, page.limit + 1, page.after)
        shown, headers = found[: page.limit], None
        if len(found) > len(shown):
            cursor = str(shown[-1].cursor)
            query = urlencode({"limit": page.limit, "cursor": cursor})
            headers = {CURSOR_HEADER: cursor, "Link": f'</verdicts?{query}>; rel="next"'}
        listed = [verdict_answers.ListedVerdict.of(one) for one in shown]
        return answers.json_response(verdict_answers.ListedVerdicts(verdicts=listed), headers=headers)

    async def of_job(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/verdicts: all verdicts on the job's hits.

        Raises
        ------
        ApiError
            429, the user reads too many lists at a time.
        """
        user_id = request[USER].user_id
        job = await own_job(self._jobs, request.match_info["job_id"], user_id)
        async with self._lists.taken(user_id):
            found = map(verdict_answers.HitVerdict.of, await self._verdicts.of_job(user_id, job.job_id))
            return _listed(verdict_answers.HitVerdicts(verdicts=list(found)))

    async def put_on_hit(self, request: web.Request) -> web.Response:
        """PUT /jobs/{job_id}/verdicts/{hit}: give a verdict, in place of an earlier one.

        Raises
        ------
        UnknownHitError
            The job has no such hit.
        TooManyVerdictsError
            The job has as many verdicts as one may have.
        """
        body = await read_body(request, VerdictBody)
        given = await self._put("job", await self._hit(request), body, request)
        return answers.json_response(verdict_answers.HitVerdict.of(given))

    async def delete_on_hit(self, request: web.Request) -> web.Response:
        """DELETE /jobs/{job_id}/verdicts/{hit}: take a verdict back, if there is one.

        Raises
        ------
        UnknownHitError
            The job has no such hit.
        """
        return await self._delete(await self._hit(request), request)

    async def of_cadence(self, request: web.Request) -> web.Response:
        """GET /cadences/{cadence_id}/verdicts: all verdicts on the cadence's events.

        Raises
        ------
        ApiError
            429, the user reads too many lists at a time.
        """
        user_id = request[USER].user_id
        cadence = await own_cadence(self._cadences, request.match_info["cadence_id"], user_id)
        async with self._lists.taken(user_id):
            found = map(verdict_answers.EventVerdict.of, await self._verdicts.of_job(user_id, cadence.job_id))
            return _listed(verdict_answers.EventVerdicts(verdicts=list(found)))

    async def put_on_event(self, request: web.Request) -> web.Response:
        """PUT /cadences/{cadence_id}/verdicts/{event}: give a verdict, in place of an earlier one.

        Raises
        ------
        UnknownEventError
            The cadence has no such event.
        TooManyVerdictsError
            The cadence has as many verdicts as one may have.
        """
        body = await read_body(request, VerdictBody)
        given = await self._put("cadence", await self._event(request), body, request)
        return answers.json_response(verdict_answers.EventVerdict.of(given))

    async def delete_on_event(self, request: web.Request) -> web.Response:
        """DELETE /cadences/{cadence_id}/verdicts/{event}: take a verdict back, if there is one.

        Raises
        ------
        UnknownEventError
            The cadence has no such event.
        """
        return await self._delete(await self._event(request), request)

    async def _hit(self, request: web.Request) -> tuple[str, int]:
        """Return the job and the hit that a path names."""
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        number = _number(request.match_info["hit"])
        require_hit(job, number)
        return job.job_id, number

    async def _event(self, request: web.Request) -> tuple[str, int]:
        """Return the cadence and the event that a path names."""
        cadence = await own_cadence(self._cadences, request.match_info["cadence_id"], request[USER].user_id)
        number = _number(request.match_info["event"])
        require_event(cadence, number)
        return cadence.job_id, number

    async def _put(self, kind: Kind, of: tuple[str, int], body: VerdictBody, request: web.Request) -> GivenVerdict:
        user_id, (job_id, number) = request[USER].user_id, of
        before = await self._verdicts.get(user_id, job_id, number)
        if before is None:
            require_space(await self._verdicts.count(user_id, job_id))
        given = GivenVerdict(user_id, kind, job_id, number, body.verdict, body.note, self._now_ms())
        if before is not None and replace(given, changed_ms=before.changed_ms) == before:
            return before
        await self._verdicts.put(given)
        return given

    async def _delete(self, of: tuple[str, int], request: web.Request) -> web.Response:
        await self._verdicts.delete(request[USER].user_id, *of)
        return answers.json_response(verdict_answers.VerdictDeleted())


def _listed(verdicts: verdict_answers.HitVerdicts | verdict_answers.EventVerdicts) -> web.Response:
    """Return the answer. pydantic writes a long list five times as fast as `answers`, and in a third of the bytes."""
    return web.Response(body=verdicts.model_dump_json().encode(), content_type="application/json", charset="utf-8")


def _number(text: str) -> int:
    """Return the number of a hit or event in a path, or -1, which no hit has."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if is_number else -1
