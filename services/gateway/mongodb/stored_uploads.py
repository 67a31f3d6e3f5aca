"""What users' uploads count for, in MongoDB.

There is one document per user, and every change is one conditional update of it, as with quotas. `uploads` maps the id
of each upload to what it counts for, `open_count` is the number of open ones, and `bytes` the sum of their sizes.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.stored_upload import StoredUpload, UploadLimit, UploadUsage
from services.gateway.mongodb.errors import translated
from shared.errors import TransientError

# A try only fails if another change came first, so some request always makes progress.
TRIES = 100


class MongoStoredUploads:
    """The collection `stored_uploads`. Implements `services.gateway.jobs.ports.StoredUploads`."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    async def take(
        self, user_id: str, upload: StoredUpload, *, open_limit: int, bytes_limit: int
    ) -> UploadLimit | None:
        """Count a new, open upload. Return the limit, and count nothing, if one is reached.

        Raises
        ------
        TransientError
            MongoDB is unavailable, or other changes came first in every try.
        """
        free = {
            "_id": user_id,
            "open_count": {"$lt": open_limit},
            "bytes": {"$lte": bytes_limit - upload.size},
            _field(upload): {"$exists": False},
        }
        for _ in range(TRIES):
            if await self._update(free, _changes(None, upload)):
                return None
            found = await self._find(user_id)
            if found is None:
                await self._create(user_id)
            elif found["open_count"] >= open_limit:
                return UploadLimit.OPEN
            elif found["bytes"] > bytes_limit - upload.size:
                return UploadLimit.STORED
        raise TransientError("The uploads of this user are changing too fast.")

    async def all_of(self, user_id: str) -> list[StoredUpload]:
        """Return the user's uploads that are counted."""
        found = await self._find(user_id)
        return [_upload_of(content) for content in found["uploads"].values()] if found is not None else []

    async def change(self, user_id: str, before: StoredUpload | None, after: StoredUpload | None) -> bool:
        """Count an upload differently, begin (`before` is None) or end (`after` is None) to count it.

        Return False, and change nothing, if it is not counted as `before` says.
        """
        either = after if before is None else before
        if either is None:
            return False
        field = _field(either)
        query: dict[str, Any] = {"_id": user_id}
        if before is None:
            await self._create(user_id)
            query[field] = {"$exists": False}
        else:
            query |= {f"{field}.{name}": value for name, value in _content_of(before).items()}
        return await self._update(query, _changes(before, after))

    async def usage(self, user_id: str) -> UploadUsage:
        """Return how many uploads the user has open, and how many bytes all of them take."""
        found = await self._find(user_id)
        return UploadUsage(found["open_count"], found["bytes"]) if found is not None else UploadUsage(0, 0)

    async def _create(self, user_id: str) -> None:
        try:
            with translated():
                await self._stored.insert_one({"_id": user_id, "open_count": 0, "bytes": 0, "uploads": {}})
        except DuplicateKeyError:
            # Another request has created it.
            return

    async def _find(self, user_id: str) -> dict[str, Any] | None:
        with translated():
            found: dict[str, Any] | None = await self._stored.find_one({"_id": user_id})
        return found

    async def _update(self, query: dict[str, Any], changes: dict[str, Any]) -> bool:
        with translated():
            return bool((await self._stored.update_one(query, changes)).matched_count)


def _field(upload: StoredUpload) -> str:
    return f"uploads.{upload.upload_id}"


def _changes(before: StoredUpload | None, after: StoredUpload | None) -> dict[str, Any]:
    """Return the update from one state of an upload to another; None means that it is not counted."""
    opened = int(after is not None and after.is_open) - int(before is not None and before.is_open)
    more = (after.size if after is not None else 0) - (before.size if before is not None else 0)
    changes: dict[str, Any] = {"$inc": {"open_count": opened, "bytes": more}}
    if after is not None:
        changes["$set"] = {f"{_field(after)}.{name}": value for name, value in _content_of(after).items()}
    elif before is not None:
        changes["$unset"] = {_field(before): ""}
    return changes


def _content_of(upload: StoredUpload) -> dict[str, Any]:
    return {
        "key": upload.file_key,
        "size": upload.size,
        "is_open": upload.is_open,
        "is_multipart": upload.is_multipart,
        "asked_ms": upload.asked_ms,
    }


def _upload_of(content: Mapping[str, Any]) -> StoredUpload:
    return StoredUpload(
        content["key"], content["size"], content["is_open"], content["is_multipart"], content["asked_ms"]
    )
