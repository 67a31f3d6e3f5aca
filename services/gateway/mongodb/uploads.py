"""Upload records in MongoDB: the original file name of each upload, and how many parts it has.

A record is kept for as long as its upload can usually be completed and analyzed. It is a convenience: an upload without
a record works all the same.
"""

from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.upload_record import UploadRecord
from services.gateway.mongodb.errors import translated


class MongoUploadRecords:
    """The collection `uploads`. Implements `services.gateway.jobs.ports.UploadRecords`."""

    def __init__(self, uploads: Any) -> None:
        self._uploads = uploads

    async def ensure_indexes(self) -> None:
        """Create the index that the queries below use."""
        with translated():
            await self._uploads.create_index([("asked_ms", ASCENDING)])

    async def add(self, record: UploadRecord) -> None:
        """Store a new record.

        Raises
        ------
        ValueError
            A record of this key exists. Keys are random, so this is a bug.
        """
        document = {
            "_id": record.file_key,
            "filename": record.filename,
            "parts": record.parts,
            "asked_ms": record.asked_ms,
            "size": record.size,
            "part_size": record.part_size,
        }
        try:
            with translated():
                await self._uploads.insert_one(document)
        except DuplicateKeyError as error:
            raise ValueError(f"the upload {record.file_key!r} exists already") from error

    async def get(self, file_key: str) -> UploadRecord | None:
        """Return the record of an upload, or None."""
        with translated():
            found = await self._uploads.find_one({"_id": file_key})
        if found is None:
            return None
        return UploadRecord(
            found["_id"],
            found["filename"],
            found["parts"],
            found["asked_ms"],
            found.get("size"),
            found.get("part_size"),
        )

    async def renew(self, file_key: str, asked_ms: int) -> None:
        """Store that an upload's URLs were requested again."""
        with translated():
            await self._uploads.update_one({"_id": file_key}, {"$set": {"asked_ms": asked_ms}})

    async def delete_before(self, asked_ms: int) -> int:
        """Delete the records of uploads requested before `asked_ms`. Return how many."""
        with translated():
            return int((await self._uploads.delete_many({"asked_ms": {"$lt": asked_ms}})).deleted_count)
