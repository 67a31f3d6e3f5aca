"""The changes of jobs and cadences in MongoDB, those of other gateways included.

The server writes the time of a change, and counts the changes, as it makes the change. So one query by time finds the
changes of all users since the last query, and the number tells whether the last one of a document is known already.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING

from services.gateway.jobs.change import Change
from services.gateway.mongodb.documents import CADENCE, NOT_REMOVED
from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.job_document import REMOVED, cadences_of

_FIELDS = {"user_id": 1, "revision": 1, "status": 1, "kind": 1, "scan_of": 1, "uses": 1}


class MongoChanges:
    """The changes of the collection `jobs`. Implements `services.gateway.jobs.ports.Changes`."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs

    async def ensure_indexes(self) -> None:
        """Create the index of the query by time."""
        with translated():
            await self._jobs.create_index([("changed_at", ASCENDING)])

    async def since(self, at_ms: int) -> list[Change]:
        """Return the last change of each job and cadence that has changed since `at_ms`, unix ms."""
        query = {"changed_at": {"$gte": datetime.fromtimestamp(at_ms / 1000, UTC)}}
        with translated():
            return [
                Change(
                    job_id=found["_id"],
                    user_id=found["user_id"],
                    revision=found["revision"],
                    status=found["status"],
                    is_removed=found["status"] == REMOVED,
                    is_cadence="kind" in found,
                    cadences=cadences_of(found),
                    uses=found.get("uses", 0),
                )
                async for found in self._jobs.find(query, _FIELDS)
            ]

    async def cadences_with(self, user_id: str, job_ids: Sequence[str]) -> set[str]:
        """Return those of a user's cadences, ended ones included, that have one of the jobs as a scan."""
        wanted = set(job_ids)
        query = {"kind": CADENCE, "user_id": user_id, "status": NOT_REMOVED}
        with translated():
            # Compared here: not every server finds a document by an entry of an array.
            return {
                found["_id"]
                async for found in self._jobs.find(query, {"scan_jobs": 1})
                if not wanted.isdisjoint(found.get("scan_jobs", ()))
            }
