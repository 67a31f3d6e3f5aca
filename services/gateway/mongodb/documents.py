"""The collection that holds jobs and cadences, and the conditional updates that both have.

A cadence is a document of the kind `cadence`, with the fields of a job where they mean the same. So outbox, slots,
expiry, removal and the news of workers know it by its id, as they know a job.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.model import OPEN_STATUSES, Status, allowed_from
from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.job_document import REMOVED

NOT_REMOVED = {"$ne": REMOVED}
OPEN = {"$in": list(OPEN_STATUSES)}
CADENCE = "cadence"
# The field `kind` of a job's document and of a cadence's.
JOB_KIND: dict[str, Any] = {"$exists": False}
# Every change that users see has a time, by the server's clock, and a number. By them, event streams find the changes
# of all gateways; see `services.gateway.mongodb.changes`.
REPORTED: dict[str, Any] = {"$currentDate": {"changed_at": True}, "$inc": {"revision": 1}}
# The status changes at most a few times while one event is recorded.
TRIES = 3


class JobDocuments:
    """The collection `jobs`."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs

    async def _set(self, query: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        with translated():
            updated = await self._jobs.update_one(query, {"$set": fields})
        return bool(updated.matched_count)

    async def _change(self, query: Mapping[str, Any], fields: Mapping[str, Any], *lost: str) -> bool:
        """Set fields that users see, and remove those that are `lost`. Event streams report the change."""
        update = {"$set": fields, **({"$unset": dict.fromkeys(lost, "")} if lost else {}), **REPORTED}
        with translated():
            return bool((await self._jobs.update_one(query, update)).matched_count)

    async def _insert(self, document: Mapping[str, Any]) -> bool:
        # An insert can't have the server's time. This is one: each document has a status, so none matches.
        absent = {"_id": document["_id"], "status": {"$exists": False}}
        fields = {name: value for name, value in document.items() if name != "_id"}
        try:
            with translated():
                await self._jobs.update_one(absent, {"$set": fields, **REPORTED}, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def _exists(self, job_id: str) -> bool:
        with translated():
            return await self._jobs.find_one({"_id": job_id, "status": NOT_REMOVED}, {"_id": 1}) is not None

    async def _advance(self, job_id: str, status: Status, fields: Mapping[str, Any], **more: Any) -> bool:
        return await self._change(
            {"_id": job_id, "status": {"$in": list(allowed_from(status))}, **more}, {"status": status, **fields}
        )

    async def _complete(self, job_id: str, fields: Mapping[str, Any], *, kind: Any) -> bool:
        """Complete an open job of a kind, or keep the fields of a failed one. Return whether the job exists.

        The results of a replayed dead letter may arrive before the event that reopens the job.
        """
        for _ in range(TRIES):
            if await self._advance(job_id, "complete", fields, kind=kind):
                return True
            # Between the two updates the job may fail, or be reopened. Then the first one fits.
            if await self._set({"_id": job_id, "status": "failed", "kind": kind}, {"held": fields}):
                return True
        return await self._exists(job_id)
