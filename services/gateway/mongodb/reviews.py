"""Reviews in MongoDB: one document for each job or cadence whose catalogues with verdicts were asked for.

The document holds the event that asks export for them. It is due (`due_ms`) until export has answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.model import DueEvent, Failure
from services.gateway.jobs.review import Review
from services.gateway.mongodb.errors import translated

_WAITING: dict[str, Any] = {"due_ms": {"$exists": True}}


class MongoReviews:
    """The collection `reviews`. Implements `services.gateway.jobs.review.ReviewStore`."""

    def __init__(self, reviews: Any) -> None:
        self._reviews = reviews

    async def ensure_indexes(self) -> None:
        """Create the index that the queries below use."""
        with translated():
            await self._reviews.create_index([("due_ms", ASCENDING)])

    async def get(self, job_id: str) -> Review | None:
        """Return the review of a job or cadence, or None."""
        with translated():
            found = await self._reviews.find_one({"_id": job_id})
        return None if found is None else _review_of(found)

    async def ask(self, review: Review, topic: str, event: str, *, due_ms: int) -> bool:
        """Store a new revision in place of another one, with its event (JSON), as published and due at `due_ms`.

        Return False if the revision is stored already.
        """
        fields = {
            "kind": review.kind,
            "revision": review.revision,
            "topic": topic,
            "event": event,
            "due_ms": due_ms,
            "publications": 1,
        }
        other = {"_id": review.job_id, "revision": {"$ne": review.revision}}
        try:
            with translated():
                await self._reviews.update_one(
                    other, {"$set": fields, "$unset": {"formats": "", "failure": ""}}, upsert=True
                )
        except DuplicateKeyError:
            # The document is there and has this revision: another request asked for it.
            return False
        return True

    async def record_exported(self, job_id: str, revision: str, formats: Sequence[str]) -> bool:
        """Store which catalogues are there, and that the event is not due any more. Return False if none is asked."""
        changes = {"$set": {"formats": list(formats)}, "$unset": {"due_ms": "", "event": "", "failure": ""}}
        with translated():
            updated = await self._reviews.update_one({"_id": job_id, "revision": revision}, changes)
        return bool(updated.matched_count)

    async def record_failed(self, job_id: str, failure: Failure) -> bool:
        """Store that there will be no catalogues. Return False if none are waited for."""
        changes = {"$set": {"failure": asdict(failure)}, "$unset": {"due_ms": "", "event": ""}}
        with translated():
            updated = await self._reviews.update_one({"_id": job_id, **_WAITING}, changes)
        return bool(updated.matched_count)

    async def delete_of_job(self, job_id: str) -> None:
        """Delete the review of a job or cadence, if there is one."""
        with translated():
            await self._reviews.delete_one({"_id": job_id})

    async def due_events(self, now_ms: int, limit: int) -> list[DueEvent]:
        """Return due events, most overdue first."""
        with translated():
            cursor = self._reviews.find({"due_ms": {"$lte": now_ms}}).sort("due_ms", ASCENDING).limit(limit)
            return [
                DueEvent(one["_id"], one["event"], one["due_ms"], one["publications"], one["topic"])
                async for one in cursor
            ]

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Postpone a due event to `until_ms`. Return False if another process or export's answer changed it first."""
        with translated():
            updated = await self._reviews.update_one(
                {"_id": due.job_id, "due_ms": due.due_ms}, {"$set": {"due_ms": until_ms}}
            )
        return bool(updated.matched_count)

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; the next one is due at `due_ms`, unless export has answered."""
        with translated():
            await self._reviews.update_one(
                {"_id": job_id, **_WAITING}, {"$set": {"due_ms": due_ms}, "$inc": {"publications": 1}}
            )

    async def mark_unpublished(self, job_id: str, *, due_ms: int) -> None:
        """Undo the first publication of a new event; it is due at `due_ms`."""
        with translated():
            await self._reviews.update_one(
                {"_id": job_id, "publications": 1, **_WAITING}, {"$set": {"due_ms": due_ms, "publications": 0}}
            )


def _review_of(document: Mapping[str, Any]) -> Review:
    failure = document.get("failure")
    return Review(
        job_id=document["_id"],
        kind=document["kind"],
        revision=document["revision"],
        formats=tuple(document.get("formats", ())),
        failure=Failure(**failure) if failure else None,
    )
