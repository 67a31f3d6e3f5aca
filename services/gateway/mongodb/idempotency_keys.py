"""`Idempotency-Key`: a request that is repeated, because its answer got lost, starts nothing again.

For a day a user's key stands for one job and for the body that it was sent with. It is bound before the job is started,
so that all repeats, however close, mean the same job id, and the job store takes each id once.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pymongo.errors import DuplicateKeyError

from services.gateway.api.errors import ApiError
from services.gateway.jobs.limits import DAY_MS
from services.gateway.mongodb.errors import translated
from shared.errors import TransientError

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
TRIES = 10


@dataclass(frozen=True)
class RequestKey:
    """A user's key and the digest of the body that came with it."""

    user_id: str
    key: str
    body_digest: str

    @classmethod
    def of(cls, headers: Mapping[str, str], user_id: str, body: BaseModel) -> "RequestKey | None":
        """The key that a request has, or None.

        Raises:
            ApiError: 400, it is empty, too long, or not printable ASCII.
        """
        key = headers.get(HEADER)
        if key is None:
            return None
        if not _KEY.fullmatch(key):
            raise ApiError(
                400, "invalid_idempotency_key", f"The header {HEADER} must be 1 to 255 printable ASCII characters."
            )
        # Of what was understood, not of the bytes: spaces and the order of fields make no other request.
        canonical = json.dumps(body.model_dump(mode="json", exclude_none=True), sort_keys=True)
        return cls(user_id, key, hashlib.sha256(canonical.encode()).hexdigest())

    @property
    def document_id(self) -> str:
        """The same for the same user and key, of a length and alphabet that every store takes."""
        return hashlib.sha256(f"{self.user_id}/{self.key}".encode()).hexdigest()


class IdempotencyKeys:
    """Which job each key stands for, in MongoDB."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    async def ensure_indexes(self) -> None:
        """Create the index that the queries below use."""
        with translated():
            await self._keys.create_index([("bound_ms", 1)])

    async def find(self, key: RequestKey, now_ms: int) -> str | None:
        """The job that a key stands for, or None.

        Raises:
            ApiError: 409, the key came with another body before.
            TransientError: MongoDB is away.
        """
        found = await self._find(key)
        return _job_id(found, key) if found is not None and _is_valid(found, now_ms) else None

    async def bind(self, key: RequestKey, now_ms: int) -> str:
        """The job that a key stands for, from now on where it stood for none.

        Raises:
            ApiError: 409, the key came with another body before.
            TransientError: MongoDB is away.
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

    async def forget_old(self, now_ms: int) -> int:
        """Remove the keys whose day is over; returns how many."""
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
        raise ApiError(409, "idempotency_key_reused", f"The {HEADER} was used with another body before; use a new one.")
    return str(found["job_id"])
