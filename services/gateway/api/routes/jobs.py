"""Jobs: list, show, delete."""

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.page_query import page_of, read_page
from services.gateway.jobs.access import own_job
from services.gateway.jobs.cadences import Cadences
from services.gateway.jobs.errors import UnknownJobError
from services.gateway.jobs.ports import JobStore
from services.gateway.jobs.removal import Removal


class JobRoutes:
    """GET /jobs, and GET and DELETE /jobs/{job_id}."""

    def __init__(self, jobs: JobStore, removal: Removal, cadences: Cadences) -> None:
        self._jobs = jobs
        self._cadences = cadences
        self._removal = removal

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/jobs", self.list_jobs),
            web.get("/jobs/{job_id}", self.get_job),
            web.delete("/jobs/{job_id}", self.delete_job),
        ]

    async def list_jobs(self, request: web.Request) -> web.Response:
        """GET /jobs: the user's jobs, most recent first, in pages.

        Raises
        ------
        BadPageError
            `limit`, `status`, `q` or `cursor` is not valid.
        """
        jobs, headers = await read_page(self._jobs, "/jobs", request[USER].user_id, page_of(request.query))
        return answers.json_response([answers.Job.of(job) for job in jobs], headers=headers)

    async def get_job(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}: status and results."""
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        return answers.json_response(answers.Job.of(job))

    async def delete_job(self, request: web.Request) -> web.Response:
        """DELETE /jobs/{job_id}: cancel a job if it is open, and delete it with its results.

        Raises
        ------
        UnknownJobError
            No job has this id, or it was deleted before.
        JobOfAnotherUserError
            The job belongs to a different user.
        """
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        removed = await self._removal.remove(job.job_id, "deleted")
        if removed is None:
            raise UnknownJobError
        await self._removal.purge_soon(removed)
        await self._cadences.job_ended(job.job_id)
        return answers.json_response(answers.JobDeleted(job_id=job.job_id))
