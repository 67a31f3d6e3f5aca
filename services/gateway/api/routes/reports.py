"""Reports: errors and feedback of users about a job."""

import json
import uuid
from collections.abc import Callable

import structlog
from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import ReportBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.jobs.access import own_cadence, own_job
from services.gateway.jobs.errors import UnknownCadenceError, UnknownJobError
from services.gateway.jobs.ports import CadenceStore, JobStore, Reports
from services.gateway.jobs.report import Report, nesting_depth

logger = structlog.get_logger(__name__)

MAX_METADATA_BYTES = 8192
MAX_METADATA_DEPTH = 5


class ReportRoutes:
    """POST /reports."""

    def __init__(self, reports: Reports, jobs: JobStore, cadences: CadenceStore, *, now_s: Callable[[], float]) -> None:
        self._reports = reports
        self._jobs = jobs
        self._cadences = cadences
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/reports", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """POST /reports: store a report about a job or a cadence.

        Raises
        ------
        UnknownJobError
            No job has this id.
        JobOfAnotherUserError
            The job belongs to a different user.
        CadenceOfAnotherUserError
            The cadence belongs to a different user.
        """
        body = await read_body(request, ReportBody)
        metadata = _metadata(body)
        await self._require_own(body.job_id, request[USER].user_id)
        report = Report(
            report_id=f"rpt-{uuid.uuid4().hex}",
            user_id=request[USER].user_id,
            job_id=body.job_id,
            error_type=body.error_type,
            description=body.description,
            metadata=metadata,
            created_at=int(self._now_s()),
        )
        await self._reports.add(report)
        logger.info("report submitted", report_id=report.report_id, job_id=body.job_id, error_type=report.error_type)
        return answers.json_response(answers.ReportAccepted(report_id=report.report_id), status=201)

    async def _require_own(self, job_id: str, user_id: str) -> None:
        """Raise an error unless the job, or the cadence, with this id is the user's."""
        try:
            await own_job(self._jobs, job_id, user_id)
        except UnknownJobError:
            try:
                await own_cadence(self._cadences, job_id, user_id)
            except UnknownCadenceError:
                raise UnknownJobError from None


def _metadata(body: ReportBody) -> str:
    if nesting_depth(body.metadata) > MAX_METADATA_DEPTH:
        raise _invalid(f"it must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    metadata = json.dumps(body.metadata, ensure_ascii=False, separators=(",", ":"))
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        raise _invalid(f"it must not be longer than {MAX_METADATA_BYTES} bytes")
    return metadata


def _invalid(reason: str) -> ApiError:
    return ApiError(400, "invalid_field", f"The field 'metadata' is not valid: {reason}.")
