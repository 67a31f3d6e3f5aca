"""The waterfall of a job that one can zoom into: its grid, and the parts of it that a view shows."""

from aiohttp import web

from services.gateway.api.answers import encoded
from services.gateway.api.auth import USER
from services.gateway.api.channel_query import channels_of
from services.gateway.api.immutable import Immutable
from services.gateway.api.waterfall_answers import WaterfallInfo
from services.gateway.jobs.access import own_job
from services.gateway.jobs.model import Job
from services.gateway.jobs.ports import JobStore
from services.gateway.observations.errors import UnknownLevelError, UnknownStatisticError
from services.gateway.observations.waterfall import Waterfall, Waterfalls
from shared.waterfall import Statistic

BINARY = "application/octet-stream"
PATH = "/jobs/{job_id}/waterfall"
# No level has a factor of more digits.
MAX_DIGITS = 15


class WaterfallRoutes:
    """GET /jobs/{job_id}/waterfall and its paths below."""

    def __init__(self, jobs: JobStore, waterfalls: Waterfalls) -> None:
        self._jobs = jobs
        self._waterfalls = waterfalls

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(PATH, self.get_waterfall),
            web.get(f"{PATH}/levels/{{factor}}", self.get_level),
            web.get(f"{PATH}/noise", self.get_noise),
            web.get(f"{PATH}/samples", self.get_samples),
        ]

    async def get_waterfall(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/waterfall: its grid and its levels.

        Raises
        ------
        NoWaterfallError
            The job has none, or not yet. The other paths raise it too.
        """
        job, waterfall = await self._found(request)
        answer = _immutable(request, job)
        if answer.is_known:
            return answer.not_modified()
        return await answer.response(encoded(WaterfallInfo.of(waterfall)), "application/json")

    async def get_level(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/waterfall/levels/{factor}: columns of one level.

        Raises
        ------
        UnknownLevelError
            The waterfall has no level of this factor.
        UnknownStatisticError
            `statistic` is not valid.
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        """
        job, waterfall = await self._found(request)
        statistic, raw = _statistic(request), request.match_info["factor"]
        if not (raw.isascii() and raw.isdigit() and len(raw) <= MAX_DIGITS):
            raise UnknownLevelError("The factor of a level is a whole number, one of those that the waterfall lists.")
        channels = channels_of(request.query, waterfall.manifest.header.n_channels)
        answer = _immutable(request, job)
        if answer.is_known:
            return answer.not_modified()
        return await answer.response(await self._waterfalls.level(waterfall, statistic, int(raw), channels), BINARY)

    async def get_noise(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/waterfall/noise: level and sigma of some channels.

        Raises
        ------
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        """
        job, waterfall = await self._found(request)
        channels = channels_of(request.query, waterfall.manifest.header.n_channels)
        answer = _immutable(request, job)
        if answer.is_known:
            return answer.not_modified()
        return await answer.response(await self._waterfalls.noise(waterfall, channels), BINARY)

    async def get_samples(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/waterfall/samples: the single channels that are kept round hits.

        Raises
        ------
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        """
        job, waterfall = await self._found(request)
        channels = channels_of(request.query, waterfall.manifest.header.n_channels)
        answer = _immutable(request, job)
        if answer.is_known:
            return answer.not_modified()
        return await answer.response(await self._waterfalls.samples(waterfall, channels), BINARY)

    async def _found(self, request: web.Request) -> tuple[Job, Waterfall]:
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        return job, await self._waterfalls.find(job)


def _immutable(request: web.Request, job: Job) -> Immutable:
    return Immutable(request, job.job_id, job.completed_at)


def _statistic(request: web.Request) -> Statistic:
    match request.query.get("statistic", "max"):
        case "max":
            return "max"
        case "mean":
            return "mean"
    raise UnknownStatisticError("The parameter statistic must be max or mean.")
