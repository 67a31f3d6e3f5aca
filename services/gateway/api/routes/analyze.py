"""POST /analyze."""

from aiohttp import web

from services.gateway.accounts.model import User
from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import AnalyzeBody, read_body
from services.gateway.api.idempotency import request_key
from services.gateway.api.uploaded_files import UploadedFiles, require_own_key
from services.gateway.jobs.submission import NewJob, Submissions


class AnalyzeRoutes:
    """POST /analyze."""

    def __init__(self, *, submissions: Submissions, files: UploadedFiles) -> None:
        self._submissions = submissions
        self._files = files

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/analyze", self.analyze)]

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /analyze: start a job on an uploaded file, or return the job that the same request started before.

        Raises
        ------
        UploadNotFoundError
            The file does not exist.
        FileTooLargeError
            The file exceeds the tier's limit; it is deleted.
        LimitReachedError
            The user has reached a limit of the tier.
        BadIdempotencyKeyError
            The idempotency key is malformed.
        KeyReusedError
            The idempotency key was used with another body before.
        """
        body = await read_body(request, AnalyzeBody)
        user = request[USER]
        require_own_key(user, body.file_key)
        key = request_key(request, user.user_id, body)
        # A repeat is answered before the file is looked for: the answer stays the same when job and file are deleted.
        job_id = await self._submissions.repeated(key) if key is not None else None
        if job_id is None:
            job_id = await self._submissions.start(user, await self._new_job(user, body), key)
        return answers.json_response(answers.JobAccepted(job_id=job_id, status_url=f"/jobs/{job_id}"), status=202)

    async def _new_job(self, user: User, body: AnalyzeBody) -> NewJob:
        file = await self._files.find(user, body.file_key, body.filename)
        source_name, parameters = body.source_name or file.filename, body.search_parameters()
        return NewJob(body.file_key, file.filename, source_name, file.size, file.etag, parameters, body.sha256)
