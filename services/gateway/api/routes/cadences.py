"""Cadences: start, list, show, delete."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from services.gateway.accounts.model import User
from services.gateway.api import answers, cadence_answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import read_body
from services.gateway.api.cadence_bodies import CadenceBody, ScanBody
from services.gateway.api.idempotency import request_key
from services.gateway.api.page_query import page_of, read_page
from services.gateway.api.uploaded_files import UploadedFiles
from services.gateway.jobs.access import own_cadence, own_job
from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.cadences import Cadences
from services.gateway.jobs.errors import JobError, ScanError, ScanJobFailedError, UnknownCadenceError
from services.gateway.jobs.new_cadence import NewCadence, NewScan, require_different, require_roles
from services.gateway.jobs.ports import CadenceStore, JobStore
from services.gateway.jobs.removal import Removal

PATH = "/cadences"


class CadenceRoutes:
    """GET and POST /cadences, and GET and DELETE /cadences/{cadence_id}."""

    def __init__(
        self, cadences: Cadences, *, store: CadenceStore, jobs: JobStore, files: UploadedFiles, removal: Removal
    ) -> None:
        self._cadences = cadences
        self._store = store
        self._jobs = jobs
        self._files = files
        self._removal = removal

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(PATH, self.start_cadence),
            web.get(PATH, self.list_cadences),
            web.get("/cadences/{cadence_id}", self.get_cadence),
            web.delete("/cadences/{cadence_id}", self.delete_cadence),
        ]

    async def start_cadence(self, request: web.Request) -> web.Response:
        """POST /cadences: start a cadence, or return the one that the same request started before.

        Raises
        ------
        BadCadenceError
            The scans make no cadence.
        ScanError
            A scan is no file or job of the user, its file is too large, or its job has failed.
        LimitReachedError
            The user has reached a limit of the tier.
        BadIdempotencyKeyError
            The idempotency key is malformed.
        KeyReusedError
            The idempotency key was used with another body before.
        """
        body = await read_body(request, CadenceBody)
        user = request[USER]
        require_roles([scan.role for scan in body.scans], body.parameters.min_on_scans)
        key = request_key(request, user.user_id, body)
        # A repeat is answered before anything is looked for: the answer stays the same when files and jobs are deleted.
        cadence_id = await self._cadences.repeated(key) if key is not None else None
        if cadence_id is None:
            cadence_id = await self._cadences.start(user, await self._new_cadence(user, body), key)
        accepted = cadence_answers.CadenceAccepted(cadence_id=cadence_id, status_url=f"{PATH}/{cadence_id}")
        return answers.json_response(accepted, status=202)

    async def list_cadences(self, request: web.Request) -> web.Response:
        """GET /cadences: the user's cadences, most recent first, in pages.

        Raises
        ------
        BadPageError
            `limit`, `status`, `q` or `cursor` is not valid.
        """
        found, headers = await read_page(self._store, PATH, request[USER].user_id, page_of(request.query))
        return answers.json_response(await self._answers(found), headers=headers)

    async def get_cadence(self, request: web.Request) -> web.Response:
        """GET /cadences/{cadence_id}: status, scans and results."""
        cadence = await own_cadence(self._store, request.match_info["cadence_id"], request[USER].user_id)
        (answer,) = await self._answers([cadence])
        return answers.json_response(answer)

    async def delete_cadence(self, request: web.Request) -> web.Response:
        """DELETE /cadences/{cadence_id}: cancel a cadence if it is open, and delete it with its results.

        Raises
        ------
        UnknownCadenceError
            No cadence has this id, or it was deleted before.
        CadenceOfAnotherUserError
            The cadence belongs to a different user.
        """
        cadence = await own_cadence(self._store, request.match_info["cadence_id"], request[USER].user_id)
        removed = await self._removal.remove(cadence.job_id, "deleted")
        if removed is None:
            raise UnknownCadenceError
        await self._removal.purge_soon(removed)
        return answers.json_response(cadence_answers.CadenceDeleted(cadence_id=cadence.job_id))

    async def _answers(self, cadences: Sequence[Cadence]) -> list[cadence_answers.Cadence]:
        job_ids = {scan.job_id for cadence in cadences for scan in cadence.scans}
        jobs = await self._store.scan_jobs(sorted(job_ids))
        return [cadence_answers.Cadence.of(cadence, jobs) for cadence in cadences]

    async def _new_cadence(self, user: User, body: CadenceBody) -> NewCadence:
        outcomes = await asyncio.gather(
            *(self._new_scan(user, number, scan) for number, scan in enumerate(body.scans, 1)), return_exceptions=True
        )
        scans: list[NewScan] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            scans.append(outcome)
        require_different(scans)
        first = next((scan for scan in scans if scan.role == "on"), scans[0])
        return NewCadence(
            name=body.name or first.source_name,
            scans=tuple(scans),
            parameters=body.rule(),
            search=body.search_parameters(),
        )

    async def _new_scan(self, user: User, number: int, scan: ScanBody) -> NewScan:
        try:
            if scan.file_key is not None:
                return await self._of_file(user, scan, scan.file_key)
            return await self._of_job(user, scan, scan.job_id or "")
        except JobError as error:
            raise ScanError(number, error) from error

    async def _of_file(self, user: User, scan: ScanBody, file_key: str) -> NewScan:
        file = await self._files.find(user, file_key, scan.filename)
        return NewScan(
            file_key=file_key,
            filename=file.filename,
            source_name=scan.source_name or file.filename,
            file_size=file.size,
            etag=file.etag,
            sha256=scan.sha256,
            role=scan.role,
        )

    async def _of_job(self, user: User, scan: ScanBody, job_id: str) -> NewScan:
        job = await own_job(self._jobs, job_id, user.user_id)
        if job.failure is not None and job.status == "failed":
            raise ScanJobFailedError(job.failure.message)
        return NewScan(
            file_key=job.file_key,
            filename=job.filename,
            source_name=job.source_name,
            file_size=job.file_size,
            etag=job.etag,
            sha256=None,
            role=scan.role,
            job_id=job.job_id,
            submitted_ms=job.submitted_ms,
        )
