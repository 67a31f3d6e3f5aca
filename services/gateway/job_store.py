"""Jobs in MongoDB.

Every change is one conditional update of one document: no transactions, no pipeline updates, no pushes of
sub-documents, so that it is right on every server that speaks MongoDB's protocol. Failures of the server are
`TransientError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING

from services.gateway.domain import OPEN_STATUSES, Failure, Job, Progress, Status, allowed_from
from services.gateway.mongodb_errors import translated
from services.gateway.outbox import DueEvent
from shared.events import Artefact, ResultsSummary

# Lower than the rank of any progress.
NO_PROGRESS = -1


def _job_of(document: Mapping[str, Any]) -> Job:
    """Read a job document; `job_document` writes it."""
    results, progress = document.get("results"), document.get("progress")
    failure, export_failure = document.get("failure"), document.get("export_failure")
    return Job(
        job_id=document["_id"],
        user_id=document["user_id"],
        file_key=document["file_key"],
        filename=document["filename"],
        source_name=document["source_name"],
        file_size=document["file_size"],
        submitted_ms=document["submitted_ms"],
        status=document["status"],
        completed_at=document.get("completed_at"),
        results=ResultsSummary.model_validate(results) if results else None,
        results_key=document.get("results_key"),
        progress=Progress(**progress) if progress else None,
        failure=Failure(**failure) if failure else None,
        export_failure=Failure(**export_failure) if export_failure else None,
        artefacts=tuple(Artefact.model_validate(one) for one in document.get("artefacts", [])),
    )


class JobStore:
    """Jobs: what users see of them, and their event in the outbox."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._jobs.create_index([("user_id", ASCENDING), ("submitted_ms", DESCENDING)])
            await self._jobs.create_index([("status", ASCENDING), ("due_ms", ASCENDING)])

    async def insert(self, job: Job, event: str, *, due_ms: int) -> None:
        """Store a new job with its submitted event (JSON), due to be published at `due_ms`, in one write."""
        document = {
            "_id": job.job_id,
            "user_id": job.user_id,
            "status": job.status,
            "file_key": job.file_key,
            "filename": job.filename,
            "source_name": job.source_name,
            "file_size": job.file_size,
            "submitted_ms": job.submitted_ms,
            "progress_rank": NO_PROGRESS,
            "event": event,
            "due_ms": due_ms,
            "publications": 0,
        }
        with translated():
            await self._jobs.insert_one(document)

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        with translated():
            document = await self._jobs.find_one({"_id": job_id})
        return _job_of(document) if document is not None else None

    async def list_recent(self, user_id: str, limit: int) -> list[Job]:
        """A user's jobs, the most recent first."""
        with translated():
            cursor = self._jobs.find({"user_id": user_id}).sort([("submitted_ms", DESCENDING)]).limit(limit)
            return [_job_of(document) async for document in cursor]

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Events of open jobs that are due, the most overdue first."""
        query = {"status": {"$in": list(OPEN_STATUSES)}, "due_ms": {"$lte": now_ms}}
        with translated():
            cursor = self._jobs.find(query).sort([("due_ms", ASCENDING)]).limit(limit)
            return [
                DueEvent(document["_id"], document["event"], document["due_ms"], document["publications"])
                async for document in cursor
            ]

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Put off the due time to `until_ms`; False where another process or a worker's event was quicker."""
        query = {"_id": due.job_id, "due_ms": due.due_ms, "status": {"$in": list(OPEN_STATUSES)}}
        with translated():
            updated = await self._jobs.update_one(query, {"$set": {"due_ms": until_ms}})
        return bool(updated.matched_count)

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; the next one is due at `due_ms`."""
        with translated():
            await self._jobs.update_one({"_id": job_id}, {"$set": {"due_ms": due_ms}, "$inc": {"publications": 1}})

    async def record_progress(self, job_id: str, progress: Progress, *, due_ms: int) -> bool:
        """Move a submitted job to processing, put off its next submission, show progress that is further."""
        is_open = await self._set({"_id": job_id, "status": {"$in": list(OPEN_STATUSES)}}, {"due_ms": due_ms})
        if is_open:
            await self._advance(job_id, "processing", {})
        further = {"_id": job_id, "status": {"$ne": "failed"}, "progress_rank": {"$lt": progress.rank}}
        await self._set(further, {"progress": asdict(progress), "progress_rank": progress.rank})
        return is_open or await self._exists(job_id)

    async def record_classified(
        self, job_id: str, results: ResultsSummary, *, results_key: str, completed_at: int
    ) -> bool:
        """Complete an open job."""
        fields = {
            "results": results.model_dump(mode="json"),
            "results_key": results_key,
            "completed_at": completed_at,
        }
        return await self._advance(job_id, "complete", fields) or await self._exists(job_id)

    async def record_exported(self, job_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Set the artefacts, whatever the status: this may be heard of before the results."""
        return await self._set({"_id": job_id}, {"artefacts": [one.model_dump(mode="json") for one in artefacts]})

    async def record_failed(self, job_id: str, failure: Failure) -> bool:
        """Fail an open job."""
        return await self._advance(job_id, "failed", {"failure": asdict(failure)}) or await self._exists(job_id)

    async def record_export_failed(self, job_id: str, failure: Failure) -> bool:
        """Note that there will be no artefacts, whatever the status."""
        return await self._set({"_id": job_id}, {"export_failure": asdict(failure)})

    async def _advance(self, job_id: str, status: Status, fields: Mapping[str, Any]) -> bool:
        query = {"_id": job_id, "status": {"$in": list(allowed_from(status))}}
        return await self._set(query, {"status": status, **fields})

    async def _set(self, query: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        with translated():
            updated = await self._jobs.update_one(query, {"$set": fields})
        return bool(updated.matched_count)

    async def _exists(self, job_id: str) -> bool:
        with translated():
            return await self._jobs.find_one({"_id": job_id}, {"_id": 1}) is not None
