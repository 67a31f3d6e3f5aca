"""The SHA-256 of an uploaded observation."""

import asyncio
import hashlib

from shared.filterbank import Source

READ_BYTES = 8 * 2**20


async def sha256_of(source: Source, *, read_bytes: int = READ_BYTES) -> str:
    """Return the SHA-256 of a file as `sha256sum` prints it; at most two reads are in memory.

    Raises
    ------
    ObjectNotFoundError
        The file does not exist.
    ObjectChangedError
        The file was replaced.
    """
    digest, start = hashlib.sha256(), read_bytes
    data = await source.read(0, read_bytes)
    while len(data) == read_bytes:
        # The next read is fetched while this one is hashed in a thread.
        data, _ = await asyncio.gather(source.read(start, read_bytes), asyncio.to_thread(digest.update, data))
        start += read_bytes
    digest.update(data)
    return digest.hexdigest()
