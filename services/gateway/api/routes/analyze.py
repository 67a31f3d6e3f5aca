"""POST /analyze."""

from aiohttp import web

from services.gateway.accounts.model import User
from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import AnalyzeBody, read_body
from services.gateway.api.idempotency import request_key
from services.gateway.api.routes.uploads import require_own_key, require_stored_size
from services.gateway.jobs.errors import UploadNotFoundError
from services.gateway.jobs.ports import UploadRecords, UploadsBucket
from services.gateway.jobs.submission import NewJob, Submissions
from services.gateway.settings import Settings


class AnalyzeRoutes:
    """POST /analyze."""

    def __init__(
        self, settings: Settings, *, submissions: Submissions, records: UploadRecords, uploads: UploadsBucket
    ) -> None:
        self._settings = settings
        self._submissions = submissions
        self._records = records
        self._uploads = uploads

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
        content = await self._uploads.content(body.file_key)
        if content is None:
            raise UploadNotFoundError
        await require_stored_size(self._uploads, body.file_key, content.size, self._settings.tiers[user.tier])
        filename = body.filename
        if filename is None:
            record = await self._records.get(body.file_key)
            filename = record.filename if record is not None else body.file_key.rpartition("/")[2]
        source_name, parameters = body.source_name or filename, body.search_parameters()
        return NewJob(body.file_key, filename, source_name, content.size, content.etag, parameters, body.sha256)
