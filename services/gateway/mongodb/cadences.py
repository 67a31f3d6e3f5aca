"""Cadences in MongoDB: documents of the kind `cadence` in the collection of the jobs.

Every change is one conditional update of one document, as for jobs. Which cadences use a job is in that job's document
(`scan_of`, a map by cadence), because not every server finds a document by an entry of an array.
"""

from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING

from services.gateway.jobs.cadence import Cadence, ClassifiedScan, ScanJob
from services.gateway.jobs.model import OPEN_STATUSES, Failure, ListedJob
from services.gateway.jobs.paging import Page
from services.gateway.mongodb.cadence_document import (
    SCAN_JOB_FIELDS,
    cadence_of,
    classified_fields,
    document_of_cadence,
    scan_job_of,
)
from services.gateway.mongodb.documents import CADENCE, NOT_REMOVED, OPEN, JobDocuments
from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.job_document import artefacts_fields, exported_fields, failure_fields
from services.gateway.mongodb.page_query import list_conditions, page_conditions
from shared.cadence import CadenceSummary
from shared.events import Artefact

# Where a list's text is looked for. The second one holds the names of the scans.
TEXT_FIELDS = ("name", "scan_names")


class MongoCadenceStore(JobDocuments):
    """The cadences of the collection `jobs`. Implements `services.gateway.jobs.ports.CadenceStore`."""

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use, beside those of jobs."""
        with translated():
            await self._jobs.create_index([("check_ms", ASCENDING)])
            await self._jobs.create_index([("kind", ASCENDING), ("user_id", ASCENDING), ("submitted_ms", DESCENDING)])

    async def insert(self, cadence: Cadence, *, check_ms: int) -> bool:
        """Store a new cadence, to be checked at `check_ms`. Return False if one of this id exists or existed."""
        return await self._insert({**document_of_cadence(cadence), "kind": CADENCE, "check_ms": check_ms})

    async def get(self, cadence_id: str) -> Cadence | None:
        """Return the cadence, or None."""
        with translated():
            document = await self._jobs.find_one({"_id": cadence_id, "kind": CADENCE, "status": NOT_REMOVED})
        return cadence_of(document) if document is not None else None

    async def some(self, cadence_ids: Sequence[str]) -> list[Cadence]:
        """Return those of the cadences that exist."""
        query = {"_id": {"$in": list(cadence_ids)}, "kind": CADENCE, "status": NOT_REMOVED}
        with translated():
            return [cadence_of(document) async for document in self._jobs.find(query)]

    async def list_recent(self, user_id: str, page: Page) -> list[Cadence]:
        """Return a page of a user's cadences, most recent first."""
        query = page_conditions(_listed(user_id), page, TEXT_FIELDS)
        with translated():
            cursor = self._jobs.find(query).sort([("submitted_ms", DESCENDING), ("_id", DESCENDING)])
            return [cadence_of(document) async for document in cursor.limit(page.limit)]

    async def count(self, user_id: str, page: Page) -> int:
        """Return how many cadences all pages of a user's list have."""
        with translated():
            return int(await self._jobs.count_documents(list_conditions(_listed(user_id), page, TEXT_FIELDS)))

    async def use_jobs(self, cadence_id: str, job_ids: Sequence[str]) -> None:
        """Note at jobs that a cadence uses them. From then on, no pruning that has not seen this removes them."""
        if job_ids:
            query = {"_id": {"$in": list(job_ids)}, "status": NOT_REMOVED}
            changes = {"$set": {_use(cadence_id): True}, "$inc": {"uses": 1}}
            with translated():
                await self._jobs.update_many(query, changes)

    async def release_jobs(self, cadence_id: str, job_ids: Sequence[str]) -> None:
        """Note at jobs that a cadence does not need them any more."""
        with translated():
            await self._jobs.update_many({"_id": {"$in": list(job_ids)}}, {"$unset": {_use(cadence_id): ""}})

    async def scan_jobs(self, job_ids: Sequence[str]) -> dict[str, ScanJob]:
        """Return the state of those of the jobs that were ever stored."""
        with translated():
            cursor = self._jobs.find({"_id": {"$in": list(job_ids)}}, SCAN_JOB_FIELDS)
            return {found["_id"]: scan_job_of(found) async for found in cursor}

    async def mark_started(self, cadence_id: str) -> None:
        """Store that all jobs of new scans are stored."""
        await self._change({"_id": cadence_id, "status": OPEN}, {"is_started": True})

    async def mark_processing(self, cadence_id: str) -> None:
        """Move a submitted cadence to processing."""
        await self._advance(cadence_id, "processing", {}, kind=CADENCE)

    async def due_checks(self, now_ms: int, limit: int) -> list[str]:
        """Return cadences that wait for their jobs and are due to be checked, most overdue first."""
        query = {"check_ms": {"$lte": now_ms}, "kind": CADENCE, "status": OPEN}
        with translated():
            cursor = self._jobs.find(query, {"_id": 1}).sort("check_ms", ASCENDING).limit(limit)
            return [found["_id"] async for found in cursor]

    async def postpone_check(self, cadence_id: str, *, until_ms: int) -> None:
        """Check a waiting cadence again at `until_ms`."""
        await self._set({"_id": cadence_id, "check_ms": {"$exists": True}}, {"check_ms": until_ms})

    async def make_ready(self, cadence_id: str, event: str, *, due_ms: int) -> bool:
        """Store the `cadence.ready` event (JSON) of a waiting cadence, as published and due again at `due_ms`.

        Return False if the cadence does not wait (any more).
        """
        query = {"_id": cadence_id, "kind": CADENCE, "status": OPEN, "event": {"$exists": False}}
        fields = {"status": "processing", "event": event, "due_ms": due_ms, "publications": 1}
        return await self._change(query, fields, "check_ms")

    async def fail_waiting(self, cadence_id: str, failure: Failure) -> bool:
        """Fail a cadence that waits for its jobs. Return False if it does not wait (any more)."""
        query = {"_id": cadence_id, "kind": CADENCE, "status": OPEN, "event": {"$exists": False}}
        return await self._change(query, {"status": "failed", **failure_fields(failure)})

    async def record_classified(
        self,
        cadence_id: str,
        scans: Sequence[ClassifiedScan],
        results: CadenceSummary,
        *,
        results_key: str,
        completed_at: int,
        due_ms: int,
    ) -> bool:
        """Complete an open cadence, or keep the results of a failed one; as `record_classified` of jobs."""
        fields = {
            **classified_fields(scans, results),
            "results_key": results_key,
            "completed_at": completed_at,
            "due_ms": due_ms,
        }
        return await self._complete(cadence_id, fields, kind=CADENCE)

    async def record_exported(self, cadence_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Store the artefacts and the end of the export, whatever the status; as `record_exported` of jobs."""
        query = {"_id": cadence_id, "kind": CADENCE, "status": NOT_REMOVED}
        fields = artefacts_fields(artefacts) | exported_fields()
        return await self._change(query, fields) or await self._exists(cadence_id)

    async def forget_removed(self, cadence_id: str) -> None:
        """Store that a removed cadence has let go of its jobs."""
        with translated():
            await self._jobs.update_one({"_id": cadence_id}, {"$unset": {"scan_jobs": "", "starts": ""}})

    async def list_all(self, user_id: str) -> list[ListedJob]:
        """Return all cadences that the user sees, oldest first."""
        with translated():
            cursor = self._jobs.find(_listed(user_id), {"status": 1, "submitted_ms": 1})
            ordered = cursor.sort([("submitted_ms", ASCENDING), ("_id", ASCENDING)])
            return [ListedJob(found["_id"], found["status"] in OPEN_STATUSES) async for found in ordered]


def _listed(user_id: str) -> dict[str, Any]:
    return {"kind": CADENCE, "user_id": user_id, "status": NOT_REMOVED}


def _use(cadence_id: str) -> str:
    return f"scan_of.{cadence_id}"
