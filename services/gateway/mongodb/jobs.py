"""Jobs in MongoDB.

A job that is removed stays for some days as a document with little in it and a status that users never see: events and
objects that come late find out that it is gone, and its id is never used again.

Every change is one conditional update of one document: no transactions, no pipeline updates, no pushes of
sub-documents, so that it is right on every server that speaks MongoDB's protocol. Failures of the server are
`TransientError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.domain import OPEN_STATUSES, Failure, Job, Progress, Status, allowed_from
from services.gateway.jobs.limits import ListedJob, RemovedJob, StartedJob
from services.gateway.jobs.outbox import DueEvent
from services.gateway.jobs.paging import Page
from services.gateway.mongodb.errors import translated
from shared.events import Artefact, ResultsSummary, SearchParameters

# Lower than the rank of any progress.
NO_PROGRESS = -1
REMOVED = "removed"
ENDED_STATUSES: tuple[Status, ...] = ("complete", "failed")
NOT_REMOVED = {"$ne": REMOVED}
# What a removed job is remembered without.
_CONTENT = (
    *("event", "filename", "source_name", "results", "results_key", "progress", "failure", "export_failure"),
    *("artefacts", "completed_at", "expires_at", "due_ms", "parameters"),
)

# Complete, and neither the artefacts were heard of nor that there will be none.
_WITHOUT_EXPORTS: dict[str, Any] = {
    "status": "complete",
    "artefacts": {"$exists": False},
    "export_failure": {"$exists": False},
}


def _job_of(document: Mapping[str, Any]) -> Job:
    """Read a job document; `job_document` writes it."""
    results, progress = document.get("results"), document.get("progress")
    failure, export_failure = document.get("failure"), document.get("export_failure")
    parameters = document.get("parameters")
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
        expires_at=document.get("expires_at"),
        slot_ms=document.get("slot_ms"),
        parameters=SearchParameters.model_validate(parameters) if parameters else None,
    )


def _removed_of(document: Mapping[str, Any]) -> RemovedJob:
    return RemovedJob(
        job_id=document["_id"],
        user_id=document["user_id"],
        file_key=document["file_key"],
        removed_ms=document["removed_ms"],
        purge_due_ms=document["purge_due_ms"],
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
            await self._jobs.create_index([("status", ASCENDING), ("purge_due_ms", ASCENDING)])
            await self._jobs.create_index([("expires_at", ASCENDING)])
            await self._jobs.create_index([("file_key", ASCENDING)])

    async def insert(self, job: Job, event: str, *, due_ms: int) -> bool:
        """Store a new job with its submitted event (JSON) in one write; as published, and due again at `due_ms`.

        False where there is, or was, such a job.
        """
        document = {
            "_id": job.job_id,
            "user_id": job.user_id,
            "status": job.status,
            "file_key": job.file_key,
            "filename": job.filename,
            "source_name": job.source_name,
            "file_size": job.file_size,
            "submitted_ms": job.submitted_ms,
            "expires_at": job.expires_at,
            "slot_ms": job.slot_ms,
            "parameters": job.parameters.model_dump() if job.parameters is not None else None,
            "progress_rank": NO_PROGRESS,
            "event": event,
            "due_ms": due_ms,
            "publications": 1,
        }
        return await self._insert(document)

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        with translated():
            document = await self._jobs.find_one({"_id": job_id})
        # Looked at here: some servers find by id alone faster than by more.
        return _job_of(document) if document is not None and document["status"] != REMOVED else None

    async def list_recent(self, user_id: str, page: Page) -> list[Job]:
        """A user's jobs, the most recent first."""
        query: dict[str, Any] = {"user_id": user_id, "status": page.status or NOT_REMOVED}
        if page.after is not None:
            at = page.after.submitted_ms
            query["$or"] = [{"submitted_ms": {"$lt": at}}, {"submitted_ms": at, "_id": {"$lt": page.after.job_id}}]
        with translated():
            cursor = self._jobs.find(query).sort([("submitted_ms", DESCENDING), ("_id", DESCENDING)])
            return [_job_of(document) async for document in cursor.limit(page.limit)]

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Events that are due, of open jobs and of those without artefacts yet, the most overdue first."""
        is_due = {"due_ms": {"$lte": now_ms}}
        found: list[DueEvent] = []
        # Two queries and not an `$or`, which takes the embedded server ten times as long.
        for which in ({"status": {"$in": list(OPEN_STATUSES)}}, _WITHOUT_EXPORTS):
            with translated():
                found += [
                    DueEvent(document["_id"], document["event"], document["due_ms"], document["publications"])
                    async for document in self._jobs.find({**which, **is_due}).sort("due_ms", ASCENDING).limit(limit)
                ]
        # A job that was completed between the two is found twice, and claimed once.
        return sorted(found, key=lambda due: due.due_ms)[:limit]

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Put off the due time to `until_ms`; False where another process or a worker's event was quicker."""
        query = {"_id": due.job_id, "due_ms": due.due_ms, "status": {"$in": [*OPEN_STATUSES, "complete"]}}
        with translated():
            updated = await self._jobs.update_one(query, {"$set": {"due_ms": until_ms}})
        return bool(updated.matched_count)

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; the next one is due at `due_ms`."""
        with translated():
            await self._jobs.update_one({"_id": job_id}, {"$set": {"due_ms": due_ms}, "$inc": {"publications": 1}})

    async def mark_unpublished(self, job_id: str, *, due_ms: int) -> None:
        """Take back the first publication of a new job; it is due at `due_ms`."""
        with translated():
            await self._jobs.update_one(
                {"_id": job_id, "publications": 1}, {"$set": {"due_ms": due_ms, "publications": 0}}
            )

    async def record_progress(self, job_id: str, progress: Progress, *, due_ms: int) -> bool:
        """Move a submitted job to processing, put off its next submission, show progress that is further."""
        # Only ever put off: the longer silence of a job that was submitted several times must not be cut short.
        sooner = {"_id": job_id, "status": {"$in": list(OPEN_STATUSES)}, "due_ms": {"$lt": due_ms}}
        is_open = await self._set(sooner, {"due_ms": due_ms})
        is_open = await self._advance(job_id, "processing", {}) or is_open
        further = {
            "_id": job_id,
            "status": {"$in": [*OPEN_STATUSES, "complete"]},
            "progress_rank": {"$lt": progress.rank},
        }
        await self._set(further, {"progress": asdict(progress), "progress_rank": progress.rank})
        return is_open or await self._exists(job_id)

    async def record_classified(
        self, job_id: str, results: ResultsSummary, *, results_key: str, completed_at: int, due_ms: int
    ) -> bool:
        """Complete an open job; at `due_ms` it is submitted again, should its artefacts not be heard of."""
        fields = {
            "results": results.model_dump(mode="json"),
            "results_key": results_key,
            "completed_at": completed_at,
            "due_ms": due_ms,
        }
        return await self._advance(job_id, "complete", fields) or await self._exists(job_id)

    async def record_exported(self, job_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Set the artefacts, whatever the status: this may be heard of before the results."""
        fields = {"artefacts": [one.model_dump(mode="json") for one in artefacts]}
        return await self._set({"_id": job_id, "status": NOT_REMOVED}, fields)

    async def record_failed(self, job_id: str, failure: Failure) -> bool:
        """Fail an open job; where the results are there but no artefacts yet, note that there will be none."""
        if await self._advance(job_id, "failed", {"failure": asdict(failure)}):
            return True
        await self._set({"_id": job_id, **_WITHOUT_EXPORTS}, {"export_failure": asdict(failure)})
        return await self._exists(job_id)

    async def record_export_failed(self, job_id: str, failure: Failure) -> bool:
        """Note that there will be no artefacts, whatever the status."""
        return await self._set({"_id": job_id, "status": NOT_REMOVED}, {"export_failure": asdict(failure)})

    async def started(self, job_ids: Sequence[str]) -> dict[str, StartedJob]:
        """Those of the jobs that were ever started, removed ones too."""
        fields = {"user_id": 1, "status": 1, "slot_ms": 1}
        with translated():
            return {
                found["_id"]: StartedJob(found["user_id"], found["status"] in OPEN_STATUSES, found.get("slot_ms"))
                async for found in self._jobs.find({"_id": {"$in": list(job_ids)}}, fields)
            }

    async def listed(self, user_id: str) -> list[ListedJob]:
        """All jobs that the user can see, the oldest first."""
        query = {"user_id": user_id, "status": NOT_REMOVED}
        with translated():
            cursor = self._jobs.find(query, {"status": 1, "submitted_ms": 1})
            ordered = cursor.sort([("submitted_ms", ASCENDING), ("_id", ASCENDING)])
            return [ListedJob(found["_id"], found["status"] in OPEN_STATUSES) async for found in ordered]

    async def expired(self, now_s: int, limit: int) -> list[str]:
        """Jobs, open or not, whose time is over."""
        query = {"status": NOT_REMOVED, "expires_at": {"$lte": now_s}}
        with translated():
            return [found["_id"] async for found in self._jobs.find(query, {"_id": 1}).limit(limit)]

    async def remove(self, job_id: str, *, now_ms: int, even_open: bool) -> bool:
        """Hide a job for good; its objects are due to be looked for. False where it is not there (any more)."""
        status = NOT_REMOVED if even_open else {"$in": list(ENDED_STATUSES)}
        hidden = {"status": REMOVED, "removed_ms": now_ms, "purge_due_ms": now_ms}
        with translated():
            updated = await self._jobs.update_one(
                {"_id": job_id, "status": status}, {"$set": hidden, "$unset": dict.fromkeys(_CONTENT, "")}
            )
        return bool(updated.matched_count)

    async def void(self, job: Job, *, now_ms: int) -> bool:
        """See that a job which was to be inserted never will be, should that write still be on its way.

        False where it was inserted.
        """
        document = {
            "_id": job.job_id,
            "user_id": job.user_id,
            "file_key": None,
            "status": REMOVED,
            "submitted_ms": job.submitted_ms,
            "removed_ms": now_ms,
            "purge_due_ms": now_ms,
        }
        return await self._insert(document)

    async def removed(self, job_id: str) -> RemovedJob | None:
        """The job, if it is one that was removed."""
        with translated():
            document = await self._jobs.find_one({"_id": job_id, "status": REMOVED})
        return _removed_of(document) if document is not None else None

    async def due_purges(self, now_ms: int, limit: int) -> list[RemovedJob]:
        """Removed jobs whose objects are to be looked for."""
        query = {"status": REMOVED, "purge_due_ms": {"$lte": now_ms}}
        with translated():
            return [_removed_of(document) async for document in self._jobs.find(query).limit(limit)]

    async def put_off_purge(self, job: RemovedJob, *, until_ms: int) -> bool:
        """Look for the objects of a removed job again at `until_ms`; False where somebody else changed that."""
        query = {"_id": job.job_id, "status": REMOVED, "purge_due_ms": job.purge_due_ms}
        return await self._set(query, {"purge_due_ms": until_ms})

    async def forget(self, job_id: str) -> None:
        """Delete what is left of a removed job."""
        with translated():
            await self._jobs.delete_one({"_id": job_id, "status": REMOVED})

    async def files_in_use(self, file_keys: Sequence[str]) -> set[str]:
        """Those of the uploads that some job is about."""
        query = {"file_key": {"$in": list(file_keys)}, "status": NOT_REMOVED}
        with translated():
            return {found["file_key"] async for found in self._jobs.find(query, {"file_key": 1})}

    async def _advance(self, job_id: str, status: Status, fields: Mapping[str, Any]) -> bool:
        query = {"_id": job_id, "status": {"$in": list(allowed_from(status))}}
        return await self._set(query, {"status": status, **fields})

    async def _set(self, query: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        with translated():
            updated = await self._jobs.update_one(query, {"$set": fields})
        return bool(updated.matched_count)

    async def _insert(self, document: Mapping[str, Any]) -> bool:
        try:
            with translated():
                await self._jobs.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def _exists(self, job_id: str) -> bool:
        with translated():
            return await self._jobs.find_one({"_id": job_id, "status": NOT_REMOVED}, {"_id": 1}) is not None
