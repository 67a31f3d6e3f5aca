"""Reports: what users have to say about a job."""

import json
import uuid
from collections.abc import Callable
from typing import Protocol

import structlog
from aiohttp import web

from services.gateway.api.auth import USER
from services.gateway.api.bodies import ReportBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.api.routes.jobs import require_own_job
from services.gateway.domain import Job, Report, nesting

logger = structlog.get_logger(__name__)

MAX_METADATA_BYTES = 8192
MAX_METADATA_DEPTH = 5


class Jobs(Protocol):
    """What the routes need of the job store."""

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""


class Reports(Protocol):
    """What the routes need of the report store."""

    async def add(self, report: Report) -> None:
        """Store a new report."""


class ReportRoutes:
    """POST /reports."""

    def __init__(self, reports: Reports, jobs: Jobs, *, now_s: Callable[[], float]) -> None:
        self._reports = reports
        self._jobs = jobs
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Method and path."""
        return [web.post("/reports", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """POST /reports: keep what the user says about a job."""
        body = await read_body(request, ReportBody)
        metadata = _metadata(body)
        job = require_own_job(request, await self._jobs.get(body.job_id))
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
        answer = {"report_id": report.report_id, "message": "Report submitted. Thank you."}
        return web.json_response(answer, status=201)


def _metadata(body: ReportBody) -> str:
    if nesting(body.metadata) > MAX_METADATA_DEPTH:
        raise _refused(f"it must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    metadata = json.dumps(body.metadata, ensure_ascii=False, separators=(",", ":"))
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        raise _refused(f"it must not be longer than {MAX_METADATA_BYTES} bytes")
    return metadata


def _refused(reason: str) -> ApiError:
    return ApiError(400, "invalid_field", f"The field 'metadata' is not valid: {reason}.")
