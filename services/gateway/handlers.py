"""The routes of the REST API."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiohttp import web

from services.gateway.auth import USER, Authenticate, auth_middleware
from services.gateway.bodies import (
    MAX_PARTS,
    AbortUploadBody,
    AnalyzeBody,
    CompleteUploadBody,
    UploadUrlBody,
    read_body,
)
from services.gateway.domain import (
    FORMATS,
    FileNameError,
    Job,
    clean_file_name,
    owns_upload_key,
    part_count,
    quoted_etag,
    render_job,
    upload_key,
)
from services.gateway.errors import ApiError, errors_middleware
from services.gateway.request_log import request_log_middleware
from services.gateway.settings import Settings, Tier
from shared.blobs import MultipartError, UploadedPart
from shared.errors import ObjectNotFoundError
from shared.events import Event, ObservationSubmitted, SearchParameters, Upload

logger = structlog.get_logger(__name__)

PRODUCER = "gateway"
MAX_BODY_BYTES = 1024 * 1024
DEFAULT_JOBS = 50
MAX_JOBS = 100
# Signing is work for the processor alone: other requests get their turn after so many.
SIGNED_AT_ONCE = 50


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


class Uploads(Protocol):
    """What the routes need of the uploads bucket (see `shared.blobs`)."""

    async def size(self, key: str) -> int | None: ...
    async def presign_put(self, key: str, *, expires_s: int) -> str: ...
    async def create_multipart(self, key: str) -> str: ...
    async def presign_part(self, key: str, upload_id: str, part_number: int, *, expires_s: int) -> str: ...
    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart]) -> None: ...
    async def abort_multipart(self, key: str, upload_id: str) -> None: ...


class Results(Protocol):
    """What the routes need of the results bucket (see `shared.blobs`)."""

    async def get(self, key: str) -> bytes: ...
    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str: ...


class Api:
    """The routes; each method answers one."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: Jobs,
        submissions: Submissions,
        uploads: Uploads,
        results: Results,
        version: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._submissions = submissions
        self._uploads = uploads
        self._results = results
        self._version = version
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
        return [
            web.get("/health", self.health),
            web.post("/upload-url", self.upload_url),
            web.post("/complete-upload", self.complete_upload),
            web.post("/abort-upload", self.abort_upload),
            web.post("/analyze", self.analyze),
            web.get("/jobs", self.list_jobs),
            web.get("/jobs/{job_id}", self.get_job),
            web.get("/jobs/{job_id}/download", self.download),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """GET /health: this process answers."""
        return web.json_response({"status": "healthy", "version": self._version})

    async def upload_url(self, request: web.Request) -> web.Response:
        """POST /upload-url: where to PUT a file, whole or, above the threshold, in parts."""
        body = await read_body(request, UploadUrlBody)
        tier = self._tier(request)
        try:
            file_name = clean_file_name(body.filename)
        except FileNameError as error:
            raise ApiError(400, error.code, str(error)) from error
        if body.file_size is not None:
            _require_size(body.file_size, tier)
        key = upload_key(request[USER].user_id, uuid.uuid4(), file_name)
        expires_s = self._settings.upload_expires_s
        common = {"file_key": key, "expires_in": expires_s, "max_size_mb": tier.max_file_mb}
        if body.file_size is None or body.file_size <= self._settings.multipart_threshold_bytes:
            url = await self._uploads.presign_put(key, expires_s=expires_s)
            return web.json_response({"upload_url": url, "multipart": False, **common})
        return web.json_response({"multipart": True, **await self._multipart(key, body.file_size), **common})

    async def _multipart(self, key: str, size: int) -> dict[str, object]:
        part_size, expires_s = self._settings.part_size_bytes, self._settings.upload_expires_s
        count = part_count(size, part_size)
        if count > MAX_PARTS:
            raise ApiError(413, "file_too_large", f"The file has {count} parts; S3 takes at most {MAX_PARTS}.")
        upload_id = await self._uploads.create_multipart(key)
        parts = []
        for number in range(1, count + 1):
            url = await self._uploads.presign_part(key, upload_id, number, expires_s=expires_s)
            parts.append({"partNumber": number, "url": url})
            if number % SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return {"upload_id": upload_id, "parts": parts, "part_size": part_size}

    async def complete_upload(self, request: web.Request) -> web.Response:
        """POST /complete-upload: put the parts together."""
        body = await read_body(request, CompleteUploadBody)
        _require_own_key(request, body.file_key)
        numbers = [part.part_number for part in body.parts]
        if len(set(numbers)) < len(numbers):
            raise ApiError(400, "invalid_field", "The field 'parts' names a partNumber twice.")
        parts = [UploadedPart(part.part_number, quoted_etag(part.etag)) for part in body.parts]
        try:
            await self._uploads.complete_multipart(body.file_key, body.upload_id, parts)
        except MultipartError as error:
            # A client whose first answer got lost asks again for what is done: nobody else can have made this key.
            if await self._uploads.size(body.file_key) is None:
                raise ApiError(400, error.code, error.message) from error
        return web.json_response({"message": "Upload complete", "file_key": body.file_key})

    async def abort_upload(self, request: web.Request) -> web.Response:
        """POST /abort-upload: forget the parts."""
        body = await read_body(request, AbortUploadBody)
        _require_own_key(request, body.file_key)
        try:
            await self._uploads.abort_multipart(body.file_key, body.upload_id)
        except MultipartError as error:
            raise ApiError(404, "upload_not_found", error.message) from error
        return web.json_response({"message": "Upload aborted"})

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /analyze: start a job on an uploaded file."""
        body = await read_body(request, AnalyzeBody)
        parameters = body.search_parameters()
        _require_own_key(request, body.file_key)
        size = await self._uploads.size(body.file_key)
        if size is None:
            raise _file_not_found()
        _require_size(size, self._tier(request))
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

    def _tier(self, request: web.Request) -> Tier:
        return self._settings.tiers[request[USER].tier]

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


def _file_not_found() -> ApiError:
    return ApiError(404, "file_not_found", "The file was not found: upload it first, to the URL of POST /upload-url.")


def _require_own_key(request: web.Request, key: str) -> None:
    """Another user's key is answered as one that is not there, so that nothing is told about it."""
    if not owns_upload_key(request[USER].user_id, key):
        raise _file_not_found()


def _require_size(size: int, tier: Tier) -> None:
    if size > tier.max_file_bytes:
        raise ApiError(413, "file_too_large", f"The file exceeds your tier's limit of {tier.max_file_mb} MB.")


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


def make_http_app(api: Api, authenticate: Authenticate) -> web.Application:
    """The HTTP application; each request passes the middlewares from left to right."""
    middlewares = [request_log_middleware, errors_middleware, auth_middleware(authenticate)]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app.add_routes(api.routes())
    return app
