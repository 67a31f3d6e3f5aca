"""GET /jobs/{job_id}/events: the changes of a job as server-sent events."""

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.event_streams import EventStreams, State
from services.gateway.jobs.access import own_job
from services.gateway.jobs.model import Job, is_settled
from services.gateway.jobs.ports import JobStore

PATH = "/jobs/{job_id}/events"


def state_of(job: Job) -> State:
    """Return what a stream shows of a job."""
    return State("job", answers.Job.of(job), is_settled(job))


class JobEventRoutes:
    """GET /jobs/{job_id}/events."""

    def __init__(self, streams: EventStreams, *, jobs: JobStore) -> None:
        self._streams = streams
        self._jobs = jobs

    def routes(self) -> list[web.RouteDef]:
        """Return the route. HEAD is not allowed: it would return the headers only."""
        return [web.get(PATH, self.stream, allow_head=False)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """GET /jobs/{job_id}/events: the job now, and after each change until it is final.

        Raises
        ------
        UnknownJobError
            No job has this id.
        JobOfAnotherUserError
            The job belongs to a different user.
        ApiError
            429, the user has too many streams open.
        """
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)

        async def read() -> State | None:
            found = await self._jobs.get(job.job_id)
            return None if found is None else state_of(found)

        return await self._streams.answer(request, job.job_id, state_of(job), read)
