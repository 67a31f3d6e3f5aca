"""Jobs: started, listed, shown, and their artefacts."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from aiohttp import web

from services.gateway.api.auth import USER
from services.gateway.api.bodies import AnalyzeBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.api.routes.uploads import file_not_found, require_own_key, require_size
from services.gateway.domain import Job, User, render_job
from services.gateway.jobs.limits import RemovedJob
from services.gateway.jobs.paging import Page
from services.gateway.jobs.submission import NewJob
from services.gateway.mongodb.idempotency_keys import RequestKey
from services.gateway.mongodb.uploads import UploadRecord
from services.gateway.settings import Settings
from shared.errors import ObjectNotFoundError, WaterholeError
from shared.events import SearchParameters
from shared.formats import FORMATS, JSON

logger = structlog.get_logger(__name__)

# A user need not wait for thousands of objects to go.
PURGE_TIMEOUT_S = 5.0


class JobLookup(Protocol):
    """Where a job is found."""

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""


class Jobs(JobLookup, Protocol):
    """What the routes need of the job store."""

    async def list_recent(self, user_id: str, page: Page) -> Sequence[Job]:
        """A user's jobs, the most recent first."""


class Submissions(Protocol):
    """What the routes need to start jobs."""

    async def repeated(self, key: RequestKey) -> str | None:
        """The job that an earlier request with this key started, or None."""

    async def start(self, user: User, new: NewJob, key: RequestKey | None) -> str:
        """Start a job, or find the one that the same request started; returns its id."""


class Removals(Protocol):
    """What the routes need to remove jobs."""

    async def remove(self, job_id: str, reason: str, *, even_open: bool = True) -> RemovedJob | None:
        """Hide a job and free its slot; None where it is not there (any more)."""

    async def purge(self, job: RemovedJob) -> int:
        """Remove the objects of a removed job."""


class UploadRecords(Protocol):
    """What the routes need to know of uploads."""

    async def get(self, file_key: str) -> UploadRecord | None:
        """What was said of an upload, or None."""


class UploadSizes(Protocol):
    """What the routes need of the uploads bucket (see `shared.blobs`)."""

    async def size(self, key: str) -> int | None: ...


class ResultsBucket(Protocol):
    """What the routes need of the results bucket (see `shared.blobs`)."""

    async def get(self, key: str) -> bytes: ...
    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str: ...


class JobRoutes:
    """POST /analyze, GET /jobs, GET and DELETE /jobs/{job_id}, and GET /jobs/{job_id}/download."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: Jobs,
        submissions: Submissions,
        removals: Removals,
        upload_records: UploadRecords,
        uploads: UploadSizes,
        results: ResultsBucket,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._submissions = submissions
        self._removals = removals
        self._upload_records = upload_records
        self._uploads = uploads
        self._results = results

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
        return [
            web.post("/analyze", self.analyze),
            web.get("/jobs", self.list_jobs),
            web.get("/jobs/{job_id}", self.get_job),
            web.delete("/jobs/{job_id}", self.delete_job),
            web.get("/jobs/{job_id}/download", self.download),
        ]

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /analyze: start a job on an uploaded file, or tell again of the one that this request started.

        Raises:
            ApiError: 400, 404, 413, 429 as documented; 409, the idempotency key came with another body before.
        """
        body = await read_body(request, AnalyzeBody)
        parameters = body.search_parameters()
        user = request[USER]
        require_own_key(request, body.file_key)
        key = RequestKey.of(request.headers, user.user_id, body)
        # A repeat is answered before the file is looked for: job and file may be gone by now, the answer is the same.
        job_id = await self._submissions.repeated(key) if key is not None else None
        if job_id is None:
            job_id = await self._submissions.start(user, await self._new_job(user, body, parameters), key)
        answer = {
            "job_id": job_id,
            "status": "submitted",
            "message": "Processing started. Poll GET /jobs/{job_id} for status.",
            "status_url": f"/jobs/{job_id}",
        }
        return web.json_response(answer, status=202)

    async def _new_job(self, user: User, body: AnalyzeBody, parameters: SearchParameters) -> NewJob:
        size = await self._uploads.size(body.file_key)
        if size is None:
            raise file_not_found()
        require_size(size, self._settings.tiers[user.tier])
        filename = body.filename
        if filename is None:
            record = await self._upload_records.get(body.file_key)
            filename = record.filename if record is not None else body.file_key.rpartition("/")[2]
        return NewJob(body.file_key, filename, body.source_name or filename, size, parameters)

    async def list_jobs(self, request: web.Request) -> web.Response:
        """GET /jobs: the user's jobs, the most recent first, a page at a time.

        Raises:
            ApiError: 400, `limit`, `status` or `cursor` is not valid.
        """
        page = Page.of(request.query)
        # One more than is shown tells whether there is another page.
        jobs = await self._jobs.list_recent(request[USER].user_id, replace(page, limit=page.limit + 1))
        shown = jobs[: page.limit]
        headers = page.headers_before(shown[-1]) if len(jobs) > len(shown) else None
        return web.json_response([render_job(job) for job in shown], headers=headers)

    async def get_job(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}: status and results."""
        return web.json_response(render_job(await own_job(request, self._jobs)))

    async def delete_job(self, request: web.Request) -> web.Response:
        """DELETE /jobs/{job_id}: cancel a job, or remove what it left, for good.

        Raises:
            ApiError: 404, there is no such job (any more); 403, it is another user's.
        """
        job = await own_job(request, self._jobs)
        removed = await self._removals.remove(job.job_id, "deleted")
        if removed is None:
            raise job_not_found()
        try:
            async with asyncio.timeout(PURGE_TIMEOUT_S):
                await self._removals.purge(removed)
        except (WaterholeError, TimeoutError) as error:
            # The job is gone for its user; the sweeper goes on with its objects.
            logger.warning("objects left to the sweeper", job_id=job.job_id, error=str(error))
        return web.json_response({"message": "Job deleted", "job_id": job.job_id})

    async def download(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/download: a presigned URL of an artefact, or the CSV catalogue itself."""
        job = await own_job(request, self._jobs)
        name = request.query.get("format", "json")
        key, filename = _artefact(job, name)
        if name == "csv":
            try:
                catalogue = await self._results.get(key)
            except ObjectNotFoundError as error:
                raise _not_available(job, name) from error
            return web.Response(body=catalogue, content_type="text/csv", charset="utf-8")
        expires_s = self._settings.download_expires_s
        url = await self._results.presign_get(key, expires_s=expires_s, filename=filename)
        return web.json_response({"download_url": url, "format": name, "filename": filename})


def job_not_found() -> ApiError:
    return ApiError(404, "job_not_found", "There is no job with this id.")


async def own_job(request: web.Request, jobs: JobLookup) -> Job:
    """The job that the path names.

    Raises:
        ApiError: 404, there is none; 403, it is another user's.
    """
    return require_own_job(request, await jobs.get(request.match_info["job_id"]))


def require_own_job(request: web.Request, job: Job | None) -> Job:
    """The job that was found, if any.

    Raises:
        ApiError: 404, there is none; 403, it is another user's.
    """
    if job is None:
        raise job_not_found()
    if job.user_id != request[USER].user_id:
        raise ApiError(403, "job_of_another_user", "This job belongs to a different user.")
    return job


def _artefact(job: Job, name: str) -> tuple[str, str]:
    """Key and file name of an artefact of a job."""
    artefact = job.artefact(name)
    if artefact is not None:
        return artefact.key, artefact.filename
    if name == JSON.name and job.results_key is not None:
        # The results are there before the exports are.
        return job.results_key, JSON.filename
    if name not in FORMATS:
        raise ApiError(400, "invalid_format", f"The parameter format must be one of {', '.join(FORMATS)}.")
    raise _not_available(job, name)


def _not_available(job: Job, name: str) -> ApiError:
    failure = job.failure or job.export_failure
    if failure is not None and not job.artefacts:
        return ApiError(404, "format_not_available", f"The format {name} is not available: {failure.message}")
    if job.artefacts:
        message = f"This job was exported before there was the format {name}; analyze the observation again to get it."
        return ApiError(404, "format_not_available", message)
    return ApiError(404, "format_not_available", f"The format {name} is not available yet; please try again later.")
