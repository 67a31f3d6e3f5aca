"""Users' verdicts in MongoDB: one document for each hit or event that has one.

A job has one owner, so the id of a document names the job and the number alone. Every query names the user too.
"""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.paging import Cursor
from services.gateway.jobs.verdict import GivenVerdict, verdict_id
from services.gateway.mongodb.errors import translated


class MongoVerdicts:
    """The collection `verdicts`. Implements `services.gateway.jobs.verdict.VerdictStore`."""

    def __init__(self, verdicts: Any) -> None:
        self._verdicts = verdicts

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._verdicts.create_index([("job_id", ASCENDING), ("number", ASCENDING)])
            await self._verdicts.create_index([("user_id", ASCENDING), ("changed_ms", DESCENDING)])

    async def put(self, verdict: GivenVerdict) -> None:
        """Store a verdict in place of an earlier one about the same hit or event."""
        try:
            await self._put(verdict)
        except DuplicateKeyError:
            # Another request has just inserted it.
            await self._put(verdict)

    async def _put(self, verdict: GivenVerdict) -> None:
        fields = {
            "user_id": verdict.user_id,
            "kind": verdict.kind,
            "job_id": verdict.job_id,
            "number": verdict.number,
            "verdict": verdict.verdict,
            "note": verdict.note,
            "changed_ms": verdict.changed_ms,
        }
        with translated():
            await self._verdicts.update_one({"_id": verdict.verdict_id}, {"$set": fields}, upsert=True)

    async def get(self, user_id: str, job_id: str, number: int) -> GivenVerdict | None:
        """Return the verdict about a hit or event, or None."""
        with translated():
            found = await self._verdicts.find_one({"_id": verdict_id(job_id, number), "user_id": user_id})
        return None if found is None else _verdict_of(found)

    async def delete(self, user_id: str, job_id: str, number: int) -> None:
        """Delete the verdict about a hit or event, if there is one."""
        with translated():
            await self._verdicts.delete_one({"_id": verdict_id(job_id, number), "user_id": user_id})

    async def of_job(self, user_id: str, job_id: str) -> list[GivenVerdict]:
        """Return a user's verdicts of a job or cadence, by number."""
        with translated():
            cursor = self._verdicts.find({"job_id": job_id, "user_id": user_id}).sort("number", ASCENDING)
            return [_verdict_of(document) async for document in cursor]

    async def count(self, user_id: str, job_id: str) -> int:
        """Return how many verdicts a user has given in a job or cadence."""
        with translated():
            return int(await self._verdicts.count_documents({"job_id": job_id, "user_id": user_id}))

    async def list_recent(self, user_id: str, limit: int, after: Cursor | None) -> list[GivenVerdict]:
        """Return a page of a user's verdicts, those changed last first."""
        query: dict[str, Any] = {"user_id": user_id}
        if after is not None:
            at = after.submitted_ms
            query["$or"] = [{"changed_ms": {"$lt": at}}, {"changed_ms": at, "_id": {"$lt": after.job_id}}]
        with translated():
            cursor = self._verdicts.find(query).sort([("changed_ms", DESCENDING), ("_id", DESCENDING)])
            return [_verdict_of(document) async for document in cursor.limit(limit)]

    async def delete_of_job(self, job_id: str) -> None:
        """Delete all verdicts of a job or cadence."""
        with translated():
            await self._verdicts.delete_many({"job_id": job_id})


def _verdict_of(document: Mapping[str, Any]) -> GivenVerdict:
    return GivenVerdict(
        user_id=document["user_id"],
        kind=document["kind"],
        job_id=document["job_id"],
        number=document["number"],
        verdict=document["verdict"],
        note=document["note"],
        changed_ms=document["changed_ms"],
    )
