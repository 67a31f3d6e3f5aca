"""The next chunk of a lane, read while the one before it is searched.

The event of that chunk comes when this one is done, so without reading ahead a lane would read and search in turns.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from shared.events import ChunkReady

logger = structlog.get_logger(__name__)

Power = npt.NDArray[np.float32]
ReadPower = Callable[[ChunkReady], Awaitable[Power]]


class _Begun(NamedTuple):
    block: tuple[object, ...]
    task: asyncio.Task[Power | None]


class ReadAhead:
    """Reads blocks of raw power, at most one of them before it is asked for."""

    def __init__(self, read_power: ReadPower) -> None:
        """`read_power` gives the raw power, float32 (T, channels), of all channels that a chunk reads."""
        self._read_power = read_power
        self._begun: _Begun | None = None
        self._ending = asyncio.Lock()

    def begin(self, event: ChunkReady) -> None:
        """Start to read a chunk; not where one is read ahead already."""
        if self._begun is None:
            self._begun = _Begun(_block_of(event), asyncio.create_task(self._read(event)))

    async def take(self, event: ChunkReady) -> Power:
        """The raw power of a chunk: what was read ahead where it is that chunk's, else read now.

        What was read ahead of another chunk is gone before the reading begins, so two blocks never become three.

        Raises:
            WaterholeError: whatever `read_power` raises; never for a read that was begun ahead.
        """
        # No other name for it here: it would keep the block of another chunk in memory while this one is read.
        if self._begun is None or self._begun.block != _block_of(event):
            await self.close()
            return await self._read_power(event)
        task, self._begun = self._begun.task, None
        power = await task
        return power if power is not None else await self._read_power(event)

    async def close(self) -> None:
        """Drop what was read ahead; where it is still being read, end that first."""
        async with self._ending:
            begun, self._begun = self._begun, None
            if begun is not None:
                begun.task.cancel()
                await asyncio.wait([begun.task])

    async def _read(self, event: ChunkReady) -> Power | None:
        """The block, or None where it can't be had: the chunk's own event reads it again, and tells why it can't."""
        try:
            return await self._read_power(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported when it comes again
            logger.debug("reading ahead failed", chunk=event.chunk.index, error=str(error))
            return None


def _block_of(event: ChunkReady) -> tuple[object, ...]:
    """What tells the block of one event from that of another."""
    return event.job_id, event.upload, event.chunk
