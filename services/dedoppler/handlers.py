"""From `chunk.ready` to `chunk.searched`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog

from services.dedoppler.measure import search_chunk
from shared.blobs import hits_key
from shared.errors import PermanentError
from shared.events import ChunkReady, ChunkSearched, Event
from shared.hits import ChunkHits

logger = structlog.get_logger(__name__)

PRODUCER = "dedoppler"
# One chunk is searched on all threads while the next one is read; more would only take memory.
CHUNKS_IN_HAND = 2

ReadPower = Callable[[ChunkReady], Awaitable[npt.NDArray[np.float32]]]


class ResultsStore(Protocol):
    """What the handler needs of the results bucket."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write an object, whole."""


class Handler:
    """Searches chunks, one at a time."""

    def __init__(self, read_power: ReadPower, results: ResultsStore, pool: Executor) -> None:
        """`read_power` gives the raw power, float32 (T, channels), of all channels that a chunk reads."""
        self._read_power = read_power
        self._results = results
        self._pool = pool
        self._in_hand = asyncio.Semaphore(CHUNKS_IN_HAND)
        self._searching = asyncio.Lock()

    async def handle(self, event: Event) -> Sequence[Event]:
        """Search one chunk, store what it holds and publish where that is."""
        if not isinstance(event, ChunkReady):
            raise PermanentError(f"Dedoppler can't handle {event.topic}.", code="unexpected_event")
        async with self._in_hand:
            found = await self._search(event)
        key = hits_key(event.job_id, event.chunk.index)
        await self._results.put(key, found.to_bytes())
        logger.info("chunk searched", chunk=event.chunk.index, of=event.chunk.count, hits=len(found.hits))
        searched = ChunkSearched.make(
            job_id=event.job_id,
            producer=PRODUCER,
            step=str(event.chunk.index),
            upload=event.upload,
            parameters=event.parameters,
            header=event.header,
            chunk=event.chunk,
            warnings=event.warnings,
            hits_key=key,
            n_hits=len(found.hits),
        )
        return [searched]

    async def _search(self, event: ChunkReady) -> ChunkHits:
        power = await self._read_power(event)
        async with self._searching:
            return await asyncio.to_thread(search_chunk, power, event.header, event.chunk, event.parameters, self._pool)
