"""Idempotency keys in MongoDB.

For a day, a user's key stands for one job and for the body that it came with. The key is bound before the job starts,
so that all repeats, however close in time, get the same job id, and the job store accepts each id once.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.errors import KeyReusedError
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.limits import DAY_MS
from services.gateway.mongodb.errors import translated
from shared.errors import TransientError

TRIES = 10


class MongoIdempotencyKeys:
    """The collection `idempotency_keys`. Implements `services.gateway.jobs.ports.IdempotencyKeys`."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    async def ensure_indexes(self) -> None:
        """Create the index that the queries below use."""
        with translated():
            await self._keys.create_index([("bound_ms", 1)])

    async def find(self, key: RequestKey, now_ms: int) -> str | None:
        """Return the job that a key stands for, or None.

        Raises
        ------
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable.
        """
        found = await self._find(key)
        return _job_id(found, key) if found is not None and _is_valid(found, now_ms) else None

    async def bind(self, key: RequestKey, now_ms: int) -> str:
        """Return the job that a key stands for; bind a new job id if it stands for none.

        Raises
        ------
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable.
        """
        fresh = {"job_id": str(uuid.uuid4()), "body_digest": key.body_digest, "bound_ms": now_ms}
        for _ in range(TRIES):
            found = await self._find(key)
            if found is None:
                if await self._insert({"_id": key.document_id, **fresh}):
                    return str(fresh["job_id"])
            elif _is_valid(found, now_ms):
                return _job_id(found, key)
            elif await self._replace(found, fresh):
                return str(fresh["job_id"])
        raise TransientError("The idempotency key is changing too fast.")

    async def delete_expired(self, now_ms: int) -> int:
        """Delete keys older than a day. Return how many."""
        with translated():
            return int((await self._keys.delete_many({"bound_ms": {"$lte": now_ms - DAY_MS}})).deleted_count)

    async def _find(self, key: RequestKey) -> dict[str, Any] | None:
        with translated():
            found: dict[str, Any] | None = await self._keys.find_one({"_id": key.document_id})
        return found

    async def _insert(self, document: dict[str, Any]) -> bool:
        try:
            with translated():
                await self._keys.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def _replace(self, found: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
        query = {"_id": found["_id"], "job_id": found["job_id"]}
        with translated():
            return bool((await self._keys.update_one(query, {"$set": dict(fresh)})).matched_count)


def _is_valid(found: Mapping[str, Any], now_ms: int) -> bool:
    return bool(found["bound_ms"] > now_ms - DAY_MS)


def _job_id(found: Mapping[str, Any], key: RequestKey) -> str:
    if found["body_digest"] != key.body_digest:
        raise KeyReusedError
    return str(found["job_id"])
