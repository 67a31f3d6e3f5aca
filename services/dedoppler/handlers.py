"""From `chunk.ready` to `chunk.searched`, and to the next `chunk.ready` of the lane."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

import structlog

from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.read_ahead import ReadAhead, ReadPower
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import Chunk, ChunkReady, ChunkSearched, Event
from shared.hits import ChunkHits
from shared.object_keys import hits_key

logger = structlog.get_logger(__name__)

PRODUCER = "dedoppler"
# One chunk is searched on all threads while the next one is read; more would only take memory.
CHUNKS_IN_HAND = 2


class ResultsStore(Protocol):
    """What the handler needs of the results bucket."""

    async def get(self, key: str) -> bytes:
        """The whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write an object, whole."""


class Handler:
    """Searches chunks, one at a time.

    Meanwhile another one is read: one whose event is here already, of another lane or job, or else the next of this
    lane. So there are two blocks of raw power at most.
    """

    def __init__(self, read_power: ReadPower, results: ResultsStore, pool: Executor) -> None:
        """`read_power` gives the raw power, float32 (T, channels), of all channels that a chunk reads."""
        self._ahead = ReadAhead(read_power)
        self._results = results
        self._pool = pool
        self._in_hand = asyncio.Semaphore(CHUNKS_IN_HAND)
        self._searching = asyncio.Lock()

    async def aclose(self) -> None:
        """End what no event has asked for yet; to be called when no more events come."""
        await self._ahead.close()

    async def handle(self, event: Event) -> Sequence[Event]:
        """Search one chunk, store what it holds, publish where that is and, in a lane, that the next chunk is ready.

        A chunk whose hits are stored already is not searched again: a job that is submitted again, or whose events come
        twice, runs through what was done before in no time, with the same events.
        """
        if not isinstance(event, ChunkReady):
            raise PermanentError(f"Dedoppler can't handle {event.topic}.", code="unexpected_event")
        key = hits_key(event.job_id, event.chunk.index)
        found = await self._stored(key, event.chunk)
        if found is None:
            found = await self._search_and_store(event, key)
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
            plan=event.plan,
            hits_key=key,
            n_hits=len(found.hits),
        )
        return [searched, *_next_ready(event)]

    async def _stored(self, key: str, chunk: Chunk) -> ChunkHits | None:
        """The hits that an earlier search of the same chunk stored, if any.

        Hits of other channels do not count: the plan is a different one where a setting of ingest was changed.
        """
        try:
            raw = await self._results.get(key)
        except ObjectNotFoundError:
            return None
        found = await asyncio.to_thread(ChunkHits.from_bytes, raw)
        return found if found.channels == chunk.channels else None

    async def _search_and_store(self, event: ChunkReady, key: str) -> ChunkHits:
        """Search a chunk and store what it holds."""
        try:
            async with self._in_hand:
                found = await self._search(event)
            await self._results.put(key, found.to_bytes())
        except BaseException:
            # This chunk comes again before the next one does, if any does.
            await self._ahead.close()
            raise
        return found

    async def _search(self, event: ChunkReady) -> ChunkHits:
        power = await self._ahead.take(event)
        # Where there are other lanes or jobs, the next chunk to be read is one of theirs, as soon as its event comes.
        is_alone = not self._searching.locked()
        async with self._searching:
            if is_alone and not self._in_hand.locked():
                for following in _next_ready(event):
                    self._ahead.begin(following)
            return await asyncio.to_thread(search_chunk, power, event.header, event.chunk, event.parameters, self._pool)


def _next_ready(event: ChunkReady) -> list[ChunkReady]:
    """The event of the next chunk of this one's lane; none at its end, nor where all were announced at once."""
    if event.plan is None or event.plan.ends_lane(event.chunk.index):
        return []
    index = event.chunk.index + event.plan.lanes
    following = ChunkReady.make(
        job_id=event.job_id,
        producer=PRODUCER,
        step=str(index),
        upload=event.upload,
        parameters=event.parameters,
        header=event.header,
        chunk=event.plan.chunk(index),
        warnings=event.warnings,
        plan=event.plan,
    )
    return [following]
