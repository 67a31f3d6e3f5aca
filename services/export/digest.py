"""The SHA-256 of an uploaded observation."""

import asyncio
import hashlib
from typing import Protocol

READ_BYTES = 8 * 2**20


class UploadStore(Protocol):
    """The operation on the uploads bucket that the digest uses."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start`, fewer at the end of the object."""


async def sha256_of(uploads: UploadStore, key: str, *, read_bytes: int = READ_BYTES) -> str:
    """Return the SHA-256 of an object as `sha256sum` prints it; at most two reads are in memory.

    Raises
    ------
    ObjectNotFoundError
        The object does not exist.
    """
    digest, start = hashlib.sha256(), read_bytes
    data = await uploads.get_range(key, 0, read_bytes)
    while len(data) == read_bytes:
        # The next read is fetched while this one is hashed in a thread.
        data, _ = await asyncio.gather(
            uploads.get_range(key, start, read_bytes), asyncio.to_thread(digest.update, data)
        )
        start += read_bytes
    digest.update(data)
    return digest.hexdigest()
