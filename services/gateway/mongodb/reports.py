"""Users' reports about their jobs, in MongoDB. Only people read them."""

from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING

from services.gateway.jobs.report import Report
from services.gateway.mongodb.errors import translated


class MongoReports:
    """The collection `reports`. Implements `services.gateway.jobs.ports.Reports`."""

    def __init__(self, reports: Any) -> None:
        self._reports = reports

    async def ensure_indexes(self) -> None:
        """Create the index by which people find the reports about a job."""
        with translated():
            await self._reports.create_index([("job_id", ASCENDING)])

    async def add(self, report: Report) -> None:
        """Store a new report."""
        document = asdict(report)
        document["_id"] = document.pop("report_id")
        with translated():
            await self._reports.insert_one(document)
