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
from services.gateway.jobs.access import own_job
from services.gateway.jobs.ports import JobStore, Reports
from services.gateway.jobs.report import Report, nesting_depth

logger = structlog.get_logger(__name__)

MAX_METADATA_BYTES = 8192
MAX_METADATA_DEPTH = 5


class ReportRoutes:
    """POST /reports."""

    def __init__(self, reports: Reports, jobs: JobStore, *, now_s: Callable[[], float]) -> None:
        self._reports = reports
        self._jobs = jobs
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/reports", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """POST /reports: store a report about a job.

        Raises
        ------
        UnknownJobError
            No job has this id.
        JobOfAnotherUserError
            The job belongs to a different user.
        """
        body = await read_body(request, ReportBody)
        metadata = _metadata(body)
        job = await own_job(self._jobs, body.job_id, request[USER].user_id)
        report = Report(
            report_id=f"rpt-{uuid.uuid4().hex}",
            user_id=request[USER].user_id,
            job_id=job.job_id,
            error_type=body.error_type,
            description=body.description,
            metadata=metadata,
            created_at=int(self._now_s()),
        )
        await self._reports.add(report)
        logger.info("report submitted", report_id=report.report_id, job_id=job.job_id, error_type=report.error_type)
        return answers.json_response(answers.ReportAccepted(report_id=report.report_id), status=201)


def _metadata(body: ReportBody) -> str:
    if nesting_depth(body.metadata) > MAX_METADATA_DEPTH:
        raise _invalid(f"it must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    metadata = json.dumps(body.metadata, ensure_ascii=False, separators=(",", ":"))
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        raise _invalid(f"it must not be longer than {MAX_METADATA_BYTES} bytes")
    return metadata


def _invalid(reason: str) -> ApiError:
    return ApiError(400, "invalid_field", f"The field 'metadata' is not valid: {reason}.")
