"""Jobs: started, listed, shown, and their artefacts."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiohttp import web

from services.gateway.auth import USER
from services.gateway.bodies import AnalyzeBody, read_body
from services.gateway.domain import FORMATS, Job, render_job
from services.gateway.errors import ApiError
from services.gateway.settings import Settings
from services.gateway.uploads import file_not_found, require_own_key, require_size
from shared.errors import ObjectNotFoundError
from shared.events import Event, ObservationSubmitted, SearchParameters, Upload

logger = structlog.get_logger(__name__)

PRODUCER = "gateway"
DEFAULT_JOBS = 50
MAX_JOBS = 100


class Jobs(Protocol):
    """What the routes need of the job store."""

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""

    async def list_recent(self, user_id: str, limit: int) -> Sequence[Job]:
        """A user's jobs, the most recent first."""


class Submissions(Protocol):
    """What the routes need of the outbox."""

    async def submit(self, job: Job, event: Event) -> None:
        """Store a new job and see that its event gets published."""


class UploadSizes(Protocol):
    """What the routes need of the uploads bucket (see `shared.blobs`)."""

    async def size(self, key: str) -> int | None: ...


class ResultsBucket(Protocol):
    """What the routes need of the results bucket (see `shared.blobs`)."""

    async def get(self, key: str) -> bytes: ...
    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str: ...


class JobRoutes:
    """POST /analyze, GET /jobs, /jobs/{job_id} and /jobs/{job_id}/download."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: Jobs,
        submissions: Submissions,
        uploads: UploadSizes,
        results: ResultsBucket,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._submissions = submissions
        self._uploads = uploads
        self._results = results
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
        return [
            web.post("/analyze", self.analyze),
            web.get("/jobs", self.list_jobs),
            web.get("/jobs/{job_id}", self.get_job),
            web.get("/jobs/{job_id}/download", self.download),
        ]

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /analyze: start a job on an uploaded file."""
        body = await read_body(request, AnalyzeBody)
        parameters = body.search_parameters()
        require_own_key(request, body.file_key)
        size = await self._uploads.size(body.file_key)
        if size is None:
            raise file_not_found()
        require_size(size, self._settings.tiers[request[USER].tier])
        filename = body.filename or body.file_key.rpartition("/")[2]
        job = Job(
            job_id=str(uuid.uuid4()),
            user_id=request[USER].user_id,
            file_key=body.file_key,
            filename=filename,
            source_name=body.source_name or filename,
            file_size=size,
            submitted_ms=self._now_ms(),
        )
        await self._submissions.submit(job, _submitted(job, parameters))
        logger.info("job accepted", job_id=job.job_id, file_size=size)
        answer = {
            "job_id": job.job_id,
            "status": job.status,
            "message": "Processing started. Poll GET /jobs/{job_id} for status.",
            "status_url": f"/jobs/{job.job_id}",
        }
        return web.json_response(answer, status=202)

    async def list_jobs(self, request: web.Request) -> web.Response:
        """GET /jobs: the user's jobs, the most recent first."""
        raw = request.query.get("limit", str(DEFAULT_JOBS))
        try:
            limit = int(raw)
        except ValueError as error:
            raise ApiError(400, "invalid_limit", "The parameter limit must be a whole number from 1 to 100.") from error
        if limit < 1:
            raise ApiError(400, "invalid_limit", "The parameter limit must be a whole number from 1 to 100.")
        jobs = await self._jobs.list_recent(request[USER].user_id, min(limit, MAX_JOBS))
        return web.json_response([render_job(job) for job in jobs])

    async def get_job(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}: status and results."""
        return web.json_response(render_job(await self._own_job(request)))

    async def download(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/download: a presigned URL of an artefact, or the CSV catalogue itself."""
        job = await self._own_job(request)
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

    async def _own_job(self, request: web.Request) -> Job:
        job = await self._jobs.get(request.match_info["job_id"])
        if job is None:
            raise ApiError(404, "job_not_found", "There is no job with this id.")
        if job.user_id != request[USER].user_id:
            raise ApiError(403, "job_of_another_user", "This job belongs to a different user.")
        return job


def _submitted(job: Job, parameters: SearchParameters) -> Event:
    upload = Upload(
        file_key=job.file_key,
        file_name=job.filename,
        file_size=job.file_size,
        source_name=job.source_name,
        submitted_at=datetime.fromtimestamp(job.submitted_ms / 1000, UTC),
    )
    return ObservationSubmitted.make(job_id=job.job_id, producer=PRODUCER, upload=upload, parameters=parameters)


def _artefact(job: Job, name: str) -> tuple[str, str]:
    """Key and file name of an artefact of a job."""
    artefact = job.artefact(name)
    if artefact is not None:
        return artefact.key, artefact.filename
    if name == "json" and job.results_key is not None:
        # The results are there before the exports are.
        return job.results_key, "results.json"
    if name not in FORMATS:
        raise ApiError(400, "invalid_format", f"The parameter format must be one of {', '.join(FORMATS)}.")
    raise _not_available(job, name)


def _not_available(job: Job, name: str) -> ApiError:
    failure = job.failure or job.export_failure
    if failure is not None and not job.artefacts:
        return ApiError(404, "format_not_available", f"The format {name} is not available: {failure.message}")
    return ApiError(404, "format_not_available", f"The format {name} is not available yet; please try again later.")
