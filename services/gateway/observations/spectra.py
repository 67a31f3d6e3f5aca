"""Reads samples of uploaded observations: the object that the job was accepted with, and no other."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Protocol

from services.gateway.jobs.model import Job
from services.gateway.observations.errors import ObservationGoneError
from services.gateway.observations.selection import Read, Selection
from shared.content import Content
from shared.errors import ObjectChangedError, ObjectNotFoundError

# Of one answer, and of all together; each takes up to `selection.READ_BYTES`.
READS_AT_ONCE = 8
ALL_READS_AT_ONCE = 32


class ObservationBucket(Protocol):
    """The bucket of uploads, as far as samples are read from it (see `shared.blobs`)."""

    async def content(self, key: str) -> Content | None: ...
    async def get_range_into(self, key: str, start: int, buffer: memoryview, etag: str | None = None) -> int: ...


class Spectra:
    """The samples of all observations."""

    def __init__(self, uploads: ObservationBucket) -> None:
        self._uploads = uploads
        self._turns = asyncio.Semaphore(ALL_READS_AT_ONCE)

    async def etag(self, job: Job) -> str | None:
        """Return the ETag of a job's observation: that of its acceptance, or of now for jobs of early versions.

        Raises
        ------
        ObservationGoneError
            The object is not there, or is another one.
        TransientError
            Storage is unavailable.
        """
        content = await self._uploads.content(job.file_key)
        if content is None or content.size != job.file_size or job.etag not in (None, content.etag):
            raise ObservationGoneError
        return content.etag

    async def read(self, job: Job, etag: str | None, selection: Selection) -> AsyncGenerator[bytes, None]:
        """Yield the samples of a selection in the order of the file, about 1 MiB at a time.

        Raises
        ------
        ObservationGoneError
            The object was removed or replaced.
        TransientError
            Storage is unavailable.
        """
        todo = selection.reads()
        running: deque[asyncio.Task[bytes]] = deque()
        try:
            while True:
                for read in islice(todo, READS_AT_ONCE - len(running)):
                    running.append(asyncio.create_task(self._fetch(job.file_key, etag, selection, read)))
                if not running:
                    return
                yield await running.popleft()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _fetch(self, key: str, etag: str | None, selection: Selection, read: Read) -> bytes:
        async with self._turns:
            raw = bytearray(read.length)
            try:
                filled = await self._uploads.get_range_into(key, read.start, memoryview(raw), etag)
            except (ObjectNotFoundError, ObjectChangedError) as error:
                raise ObservationGoneError from error
        if filled != read.length:
            raise ObservationGoneError
        return selection.pieces_of(read, bytes(raw))
