"""Jobs in MongoDB.

Every change is one conditional update of one document: no transactions, no pipeline updates, no pushes of
sub-documents, so that it is correct on every server with MongoDB's protocol.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING

from services.gateway.jobs.model import (
    ENDED_STATUSES,
    OPEN_STATUSES,
    DueEvent,
    Failure,
    Job,
    ListedJob,
    Progress,
    RemovedJob,
    Reopening,
    StartedJob,
    allowed_from,
)
from services.gateway.jobs.paging import Page
from services.gateway.mongodb.documents import JOB_KIND, NOT_REMOVED, OPEN, JobDocuments
from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.job_document import (
    CONTENT_FIELDS,
    REMOVED,
    artefacts_fields,
    cadences_of,
    document_of,
    export_failure_fields,
    exported_fields,
    failure_fields,
    job_of,
    never_started_document,
    observation_fields,
    progress_fields,
    removed_fields,
    removed_of,
    reopening_fields,
    results_fields,
    started_of,
)
from services.gateway.mongodb.page_query import list_conditions, page_conditions
from shared.events import (
    CADENCE_READY,
    OBSERVATION_SUBMITTED,
    Artefact,
    ObservationSubmitted,
    ResultsSummary,
    Upload,
)
from shared.header import Header

# Where a list's text is looked for.
TEXT_FIELDS = ("filename", "source_name")
# Complete, with neither artefacts nor the news that there will be none.
_WITHOUT_EXPORTS: dict[str, Any] = {
    "status": "complete",
    "artefacts": {"$exists": False},
    "export_failure": {"$exists": False},
}


class MongoJobStore(JobDocuments):
    """The collection `jobs`. Implements `services.gateway.jobs.ports.JobStore`.

    What needs only an id is done to cadences too; see `services.gateway.mongodb.cadences`.
    """

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._jobs.create_index([("user_id", ASCENDING), ("submitted_ms", DESCENDING)])
            await self._jobs.create_index([("status", ASCENDING), ("due_ms", ASCENDING)])
            await self._jobs.create_index([("status", ASCENDING), ("purge_due_ms", ASCENDING)])
            await self._jobs.create_index([("expires_at", ASCENDING)])
            await self._jobs.create_index([("file_key", ASCENDING)])

    async def insert(self, job: Job, event: str, *, due_ms: int) -> bool:
        """Store a new job with its submitted event (JSON) in one write, as published and due again at `due_ms`.

        Return False if a job of this id exists or existed.
        """
        return await self._insert({**document_of(job), "event": event, "due_ms": due_ms, "publications": 1})

    async def get(self, job_id: str) -> Job | None:
        """Return the job, or None."""
        with translated():
            document = await self._jobs.find_one({"_id": job_id})
        # The rest is checked here because some servers find by id alone faster than by id and status.
        is_job = document is not None and document["status"] != REMOVED and "kind" not in document
        return job_of(document) if is_job else None

    async def some(self, job_ids: Sequence[str]) -> list[Job]:
        """Return those of the jobs that exist."""
        query = {"_id": {"$in": list(job_ids)}, "kind": JOB_KIND, "status": NOT_REMOVED}
        with translated():
            return [job_of(document) async for document in self._jobs.find(query)]

    async def upload_of(self, job_id: str) -> Upload | None:
        """Return the upload of a job, as the event that started it says, or None if there is no job."""
        query = {"_id": job_id, "kind": JOB_KIND, "status": NOT_REMOVED}
        with translated():
            found = await self._jobs.find_one(query, {"event": 1})
        return None if found is None else ObservationSubmitted.model_validate_json(found["event"]).upload

    async def list_recent(self, user_id: str, page: Page) -> list[Job]:
        """Return a page of a user's jobs, most recent first."""
        query = page_conditions(_listed(user_id), page, TEXT_FIELDS)
        with translated():
            cursor = self._jobs.find(query).sort([("submitted_ms", DESCENDING), ("_id", DESCENDING)])
            return [job_of(document) async for document in cursor.limit(page.limit)]

    async def count(self, user_id: str, page: Page) -> int:
        """Return how many jobs all pages of a user's list have."""
        with translated():
            return int(await self._jobs.count_documents(list_conditions(_listed(user_id), page, TEXT_FIELDS)))

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Return due events of open jobs and of jobs without artefacts yet, most overdue first."""
        is_due = {"due_ms": {"$lte": now_ms}}
        found: list[DueEvent] = []
        # Two queries instead of an `$or`, which takes the embedded server ten times as long.
        for which in ({"status": OPEN}, _WITHOUT_EXPORTS):
            with translated():
                found += [
                    _due_of(document)
                    async for document in self._jobs.find({**which, **is_due}).sort("due_ms", ASCENDING).limit(limit)
                ]
        # A job that is completed between the two queries is found twice, but only claimed once.
        return sorted(found, key=lambda due: due.due_ms)[:limit]

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Postpone a due event to `until_ms`. Return False if another process or a worker's event changed it first."""
        query = {"_id": due.job_id, "due_ms": due.due_ms, "status": {"$in": [*OPEN_STATUSES, "complete"]}}
        return await self._set(query, {"due_ms": until_ms})

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; the next one is due at `due_ms`."""
        with translated():
            await self._jobs.update_one({"_id": job_id}, {"$set": {"due_ms": due_ms}, "$inc": {"publications": 1}})

    async def mark_unpublished(self, job_id: str, *, due_ms: int) -> None:
        """Undo the first publication of a new job; its event is due at `due_ms`."""
        await self._set({"_id": job_id, "publications": 1}, {"due_ms": due_ms, "publications": 0})

    async def record_progress(self, job_id: str, progress: Progress, *, due_ms: int) -> bool:
        """Move a submitted job to processing, postpone its next publication, and store progress that is further."""
        # Only postponed: the longer wait of a job that was published several times must not become shorter.
        sooner = {"_id": job_id, "status": OPEN, "due_ms": {"$lt": due_ms}}
        is_open = await self._set(sooner, {"due_ms": due_ms})
        is_open = await self._advance(job_id, "processing", {}) or is_open
        further = {
            "_id": job_id,
            "status": {"$in": [*OPEN_STATUSES, "complete"]},
            "progress_rank": {"$lt": progress.order},
        }
        await self._change(further, progress_fields(progress))
        return is_open or await self._exists(job_id)

    async def record_classified(
        self,
        job_id: str,
        results: ResultsSummary,
        *,
        observation: Header,
        results_key: str,
        completed_at: int,
        due_ms: int,
    ) -> bool:
        """Complete an open job, or keep the results of a failed one.

        Its event is due at `due_ms` if no artefacts come.
        """
        fields = {
            **results_fields(results),
            **observation_fields(observation),
            "results_key": results_key,
            "completed_at": completed_at,
            "due_ms": due_ms,
        }
        return await self._complete(job_id, fields, kind=JOB_KIND)

    async def record_exported(self, job_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Store the artefacts and the end of the export, whatever the status: they may arrive before the results."""
        query = {"_id": job_id, "kind": JOB_KIND, "status": NOT_REMOVED}
        fields = artefacts_fields(artefacts) | exported_fields()
        return await self._change(query, fields) or await self._exists(job_id)

    async def record_failed(self, job_id: str, failure: Failure, *, failed_ms: int) -> bool:
        """Fail an open job. If it has results but no artefacts yet, store that there will be none.

        An event that was delayed, or arrives once more, says nothing of a job that was reopened since.
        """
        for reopened in _before(failed_ms):
            query = {"_id": job_id, "status": {"$in": list(allowed_from("failed"))}, "reopened_ms": reopened}
            if await self._change(query, {"status": "failed", **failure_fields(failure)}):
                return True
        await self._change({"_id": job_id, **_WITHOUT_EXPORTS}, export_failure_fields(failure))
        return await self._exists(job_id)

    async def record_reopened(self, job_id: str, reopening: Reopening, *, due_ms: int) -> bool:
        """Move a failed job back to processing, once per reopening; complete it if its results are here already.

        An open job only notes when it was reopened: the event of its failure is still to come.
        """
        opened = {"status": "processing", "due_ms": due_ms, **reopening_fields(reopening)}
        for reopened in _before(reopening.at_ms):
            query = {"_id": job_id, "status": "failed", "reopened_ms": reopened}
            await self._change(query, opened, "failure")
            open_query = {"_id": job_id, "status": OPEN, "reopened_ms": reopened}
            await self._set(open_query, reopening_fields(reopening))
        with translated():
            found = await self._jobs.find_one({"_id": job_id, "status": NOT_REMOVED})
        if found is not None and "held" in found:
            await self._advance(job_id, "complete", found["held"])
        return found is not None

    async def record_export_failed(self, job_id: str, failure: Failure) -> bool:
        """Store that there will be no artefacts, whatever the status."""
        return await self._change({"_id": job_id, "status": NOT_REMOVED}, export_failure_fields(failure))

    async def started(self, job_ids: Sequence[str]) -> dict[str, StartedJob]:
        """Return those of the jobs that were ever started, removed ones included."""
        fields = {"user_id": 1, "status": 1, "slot_ms": 1, "scan_of": 1, "kind": 1}
        with translated():
            found = [one async for one in self._jobs.find({"_id": {"$in": list(job_ids)}}, fields)]
        return {one["_id"]: started_of(one) for one in found}

    async def list_all(self, user_id: str) -> list[ListedJob]:
        """Return all jobs that the user sees, oldest first."""
        query = {"user_id": user_id, "kind": JOB_KIND, "status": NOT_REMOVED}
        with translated():
            cursor = self._jobs.find(query, {"status": 1, "submitted_ms": 1, "scan_of": 1, "uses": 1})
            ordered = cursor.sort([("submitted_ms", ASCENDING), ("_id", ASCENDING)])
            return [
                ListedJob(found["_id"], found["status"] in OPEN_STATUSES, cadences_of(found), found.get("uses", 0))
                async for found in ordered
            ]

    async def expired(self, now_s: int, limit: int) -> list[str]:
        """Return the ids of expired jobs, open ones included."""
        query = {"status": NOT_REMOVED, "expires_at": {"$lte": now_s}}
        with translated():
            return [found["_id"] async for found in self._jobs.find(query, {"_id": 1}).limit(limit)]

    async def remove(self, job_id: str, *, now_ms: int, even_open: bool, uses: int | None = None) -> bool:
        """Hide a job for good; its objects are due to be purged. Return False if it does not exist (any more).

        With `uses`, the job stays if other than so many cadences have used it.
        """
        query: dict[str, Any] = {"_id": job_id, "status": NOT_REMOVED if even_open else {"$in": list(ENDED_STATUSES)}}
        if uses is not None:
            query["uses"] = uses or {"$exists": False}
        return await self._change(query, removed_fields(now_ms), *CONTENT_FIELDS)

    async def prevent_insert(self, job_id: str, user_id: str, *, now_ms: int) -> bool:
        """Block an insert of this job that may still be pending. Return False if the job is stored already."""
        return await self._insert(never_started_document(job_id, user_id, now_ms))

    async def removed(self, job_id: str) -> RemovedJob | None:
        """Return the job if it was removed, or None."""
        with translated():
            document = await self._jobs.find_one({"_id": job_id, "status": REMOVED})
        return removed_of(document) if document is not None else None

    async def due_purges(self, now_ms: int, limit: int) -> list[RemovedJob]:
        """Return removed jobs whose objects are due to be purged."""
        query = {"status": REMOVED, "purge_due_ms": {"$lte": now_ms}}
        with translated():
            return [removed_of(document) async for document in self._jobs.find(query).limit(limit)]

    async def postpone_purge(self, job: RemovedJob, *, until_ms: int) -> bool:
        """Purge a removed job again at `until_ms`. Return False if another process changed the time first."""
        query = {"_id": job.job_id, "status": REMOVED, "purge_due_ms": job.purge_due_ms}
        return await self._set(query, {"purge_due_ms": until_ms})

    async def delete_removed(self, job_id: str) -> None:
        """Delete what is left of a removed job."""
        with translated():
            await self._jobs.delete_one({"_id": job_id, "status": REMOVED})

    async def files_in_use(self, file_keys: Sequence[str]) -> set[str]:
        """Return those of the uploads that some job analyzes."""
        query = {"file_key": {"$in": list(file_keys)}, "status": NOT_REMOVED}
        with translated():
            return {found["file_key"] async for found in self._jobs.find(query, {"file_key": 1})}

    async def files_of_removed(self, file_keys: Sequence[str]) -> set[str]:
        """Return those of the uploads that a job analyzed which was removed since, for as long as it is known."""
        query = {"file_key": {"$in": list(file_keys)}, "status": REMOVED}
        with translated():
            return {found["file_key"] async for found in self._jobs.find(query, {"file_key": 1})}


def _listed(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "kind": JOB_KIND, "status": NOT_REMOVED}


def _due_of(document: Mapping[str, Any]) -> DueEvent:
    topic = CADENCE_READY if "kind" in document else OBSERVATION_SUBMITTED
    return DueEvent(document["_id"], document["event"], document["due_ms"], document["publications"], topic)


def _before(at_ms: int) -> tuple[dict[str, Any], ...]:
    """Return the conditions under which a job was not reopened since: two, as some servers match too much with $or."""
    return {"$exists": False}, {"$lt": at_ms}
