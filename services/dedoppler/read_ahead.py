"""Reads the next chunk of a lane while the previous one is searched.

The event of the next chunk is published when the previous one is done, so without reading ahead a lane would read and
search alternately.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from shared.arrays import Power
from shared.events import ChunkReady

logger = structlog.get_logger(__name__)

ReadPower = Callable[[ChunkReady], Awaitable[Power]]


class _Begun(NamedTuple):
    chunk: tuple[object, ...]
    task: asyncio.Task[Power | None]


class ReadAhead:
    """Reads the raw power of chunks, at most one of them ahead of its event."""

    def __init__(self, read_power: ReadPower) -> None:
        """`read_power` returns the raw power, float32 (T, channels), of all channels that a chunk reads."""
        self._read_power = read_power
        self._begun: _Begun | None = None
        self._ending = asyncio.Lock()

    def begin(self, event: ChunkReady) -> None:
        """Start to read a chunk, unless another one is being read ahead already."""
        if self._begun is None:
            self._begun = _Begun(_identity(event), asyncio.create_task(self._read(event)))

    async def take(self, event: ChunkReady) -> Power:
        """Return the raw power of a chunk: that read ahead if it is the same chunk, else read now.

        Power read ahead for another chunk is dropped before this read begins, so two chunks in memory never become
        three.

        Raises
        ------
        WaterholeError
            From `read_power`. A failure of the read ahead is not raised: the chunk is read again.
        """
        # No local name for it here: that would keep the other chunk's power in memory while this one is read.
        if self._begun is None or self._begun.chunk != _identity(event):
            await self.close()
            return await self._read_power(event)
        task, self._begun = self._begun.task, None
        power = await task
        return power if power is not None else await self._read_power(event)

    async def close(self) -> None:
        """Drop the chunk read ahead; if it is still being read, cancel that first."""
        async with self._ending:
            begun, self._begun = self._begun, None
            if begun is not None:
                begun.task.cancel()
                await asyncio.wait([begun.task])

    async def _read(self, event: ChunkReady) -> Power | None:
        """Return the power, or None if the read fails: the chunk's own event reads it again and raises the error."""
        try:
            return await self._read_power(event)
        except Exception as error:  # noqa: BLE001 - any error is raised by the second read
            logger.debug("reading ahead failed", chunk=event.chunk.index, error=str(error))
            return None


def _identity(event: ChunkReady) -> tuple[object, ...]:
    """Return what identifies the power that an event reads."""
    return event.job_id, event.upload, event.chunk
