"""The SHA-256 of an uploaded observation, read in blocks."""

import asyncio
import hashlib
from typing import Protocol

BLOCK_BYTES = 8 * 2**20


class UploadStore(Protocol):
    """What the digest needs of the uploads bucket."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`; fewer where the object ends."""


async def sha256_of(uploads: UploadStore, key: str, *, block_bytes: int = BLOCK_BYTES) -> str:
    """Hex SHA-256 of an object, as `sha256sum` prints it of the file; at most two blocks are in memory.

    Raises:
        ObjectNotFoundError: it is not there.
    """
    digest, start = hashlib.sha256(), block_bytes
    block = await uploads.get_range(key, 0, block_bytes)
    while len(block) == block_bytes:
        # The next block travels while this one is hashed, off the event loop.
        block, _ = await asyncio.gather(
            uploads.get_range(key, start, block_bytes), asyncio.to_thread(digest.update, block)
        )
        start += block_bytes
    digest.update(block)
    return digest.hexdigest()
