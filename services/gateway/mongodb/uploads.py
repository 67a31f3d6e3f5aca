"""What was said of each upload when its URL was asked for: the name as it was given, and how many parts there are.

A convenience, kept for as long as such an upload may be completed and analyzed in the usual course of things: an
upload without its record works all the same. Failures of the server are `TransientError`.
"""

from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.mongodb.errors import translated


@dataclass(frozen=True)
class UploadRecord:
    """One upload; `parts` is None for one that comes whole."""

    file_key: str
    filename: str
    parts: int | None
    asked_ms: int


class UploadStore:
    """Records of uploads in MongoDB."""

    def __init__(self, uploads: Any) -> None:
        self._uploads = uploads

    async def ensure_indexes(self) -> None:
        """Create the index that the queries below use."""
        with translated():
            await self._uploads.create_index([("asked_ms", ASCENDING)])

    async def add(self, record: UploadRecord) -> None:
        """Store a new record.

        Raises:
            ValueError: there is one of this key, which is random.
        """
        document = {
            "_id": record.file_key,
            "filename": record.filename,
            "parts": record.parts,
            "asked_ms": record.asked_ms,
        }
        try:
            with translated():
                await self._uploads.insert_one(document)
        except DuplicateKeyError as error:
            raise ValueError(f"there is an upload {record.file_key!r} already") from error

    async def get(self, file_key: str) -> UploadRecord | None:
        """The record of an upload, or None."""
        with translated():
            found = await self._uploads.find_one({"_id": file_key})
        if found is None:
            return None
        return UploadRecord(found["_id"], found["filename"], found["parts"], found["asked_ms"])

    async def forget_before(self, asked_ms: int) -> int:
        """Remove the records of uploads that were asked for before then; returns how many."""
        with translated():
            return int((await self._uploads.delete_many({"asked_ms": {"$lt": asked_ms}})).deleted_count)
