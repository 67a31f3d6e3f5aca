"""Handles `chunk.ready`: searches the chunk, publishes `chunk.searched` and the lane's next `chunk.ready`."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

import structlog

from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.pyramid import ChunkPyramid
from services.dedoppler.read_ahead import ReadAhead, ReadPower
from shared.averaging import searched_grid
from shared.errors import ObjectNotFoundError, PermanentError
from shared.event_fields import MAX_CHUNK_SAMPLES
from shared.events import Chunk, ChunkReady, ChunkSearched, Event
from shared.hits import ChunkHits
from shared.object_keys import hits_key, waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import Manifest

logger = structlog.get_logger(__name__)

PRODUCER = "dedoppler"
# One chunk is searched on all threads while the next one is read; more chunks would only take memory.
CHUNKS_IN_HAND = 2


class ResultsStore(Protocol):
    """The results bucket, as far as the handler uses it."""

    async def get(self, key: str) -> bytes:
        """Return a whole object; raise `ObjectNotFoundError` if there is none."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write a whole object."""


class Handler:
    """Searches chunks, one at a time, and reads another one meanwhile.

    The other one is the chunk of an event that has arrived already, from another lane or job, or else the next chunk of
    this lane. So the raw power of at most two chunks is in memory.
    """

    def __init__(
        self,
        read_power: ReadPower,
        results: ResultsStore,
        pool: Executor,
        scratch: Scratch,
        blocks: Scratch | None = None,
    ) -> None:
        """Prepare to handle events.

        Parameters
        ----------
        read_power : ReadPower
            Returns the raw power, float32 (T, channels), of all channels that a chunk reads.
        results : ResultsStore
            The results bucket.
        pool : Executor
            Threads of a search.
        scratch : Scratch
            Memory that consecutive searches share.
        blocks : Scratch, optional
            Where the memory of raw power goes when its chunk is searched: `read_power` may take it from there.
        """
        self._ahead = ReadAhead(read_power)
        self._results = results
        self._pool = pool
        self._scratch = scratch
        self._blocks = blocks if blocks is not None else Scratch()
        self._in_hand = asyncio.Semaphore(CHUNKS_IN_HAND)
        self._searching = asyncio.Lock()

    async def aclose(self) -> None:
        """Cancel reading ahead; call it after the last event."""
        await self._ahead.close()

    async def handle(self, event: Event) -> Sequence[Event]:
        """Search one chunk and store what it found; return `chunk.searched` and, in a lane, the next `chunk.ready`.

        A chunk whose hits are stored already is not searched again, so a job that is resubmitted, or whose events are
        delivered twice, repeats finished chunks quickly and returns the same events.

        Raises
        ------
        PermanentError
            If the event is no `chunk.ready`, or the chunk goes beyond the band.
        """
        if not isinstance(event, ChunkReady):
            raise PermanentError(f"Dedoppler can't handle {event.topic}.", code="unexpected_event")
        _require_chunk_of_file(event)
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
        """Return the stored hits of this chunk; None if there are none, or if their chunk has other edges or IFs."""
        try:
            raw = await self._results.get(key)
        except ObjectNotFoundError:
            return None
        found = await asyncio.to_thread(ChunkHits.from_bytes, raw)
        return found if (found.channels, found.ifs) == (chunk.channels, chunk.ifs) else None

    async def _search_and_store(self, event: ChunkReady, key: str) -> ChunkHits:
        """Search a chunk, store its waterfall, and then its hits: with these, the chunk counts as done."""
        manifest = _manifest(event)
        pyramid = ChunkPyramid(manifest, event.chunk) if manifest is not None else None
        try:
            async with self._in_hand:
                found = await self._search(event, pyramid)
            if manifest is not None and pyramid is not None:
                await self._store_waterfall(event, manifest, pyramid)
            # In a thread: the cut-outs of a crowded chunk take half a second, and heartbeats must go on.
            await self._results.put(key, await asyncio.to_thread(found.to_bytes))
        except BaseException:
            # This chunk is delivered again before the next one of the lane.
            await self._ahead.close()
            raise
        return found

    async def _store_waterfall(self, event: ChunkReady, manifest: Manifest, pyramid: ChunkPyramid) -> None:
        job_id, index = event.job_id, event.chunk.index
        await self._results.put(waterfall_key(job_id, index), pyramid.pyramid)
        await self._results.put(waterfall_samples_key(job_id, index), pyramid.samples)
        if index == 0:
            text = manifest.model_dump_json().encode()
            await self._results.put(waterfall_manifest_key(job_id), text, "application/json")

    async def _search(self, event: ChunkReady, pyramid: ChunkPyramid | None) -> ChunkHits:
        power = await self._ahead.take(event)
        # With other lanes or jobs, their next event decides which chunk is read next.
        is_alone = not self._searching.locked()
        async with self._searching:
            if is_alone and not self._in_hand.locked():
                for following in _next_ready(event):
                    self._ahead.begin(following)
            found = await asyncio.to_thread(
                search_chunk, power, event.header, event.chunk, event.parameters, self._pool, self._scratch, pyramid
            )
        self._blocks.give_back(power)
        return found


def _manifest(event: ChunkReady) -> Manifest | None:
    """Return how the job's waterfall is written; None if the event has no plan, as those of early versions."""
    if event.plan is None:
        return None
    return Manifest.of(event.header, event.parameters.max_drift_rate_hz_s, event.plan, event.upload.file_size)


def _require_chunk_of_file(event: ChunkReady) -> None:
    """Raise `PermanentError` if the chunk goes beyond the band, or is larger than any that ingest makes."""
    chunk, grid = event.chunk, searched_grid(event.header, event.parameters.max_drift_rate_hz_s)
    if chunk.read_stop_channel > grid.n_channels:
        problem = f"ends with channel {chunk.read_stop_channel}, and the band with {grid.n_channels}"
    elif grid.n_spectra * (chunk.read_stop_channel - chunk.read_start_channel) > MAX_CHUNK_SAMPLES:
        problem = f"has more than {MAX_CHUNK_SAMPLES} samples"
    else:
        return
    raise PermanentError(f"Chunk {chunk.index} {problem}.", code="inconsistent_event")


def _next_ready(event: ChunkReady) -> list[ChunkReady]:
    """Return the event of the lane's next chunk; none at the lane's end, or if all chunks were announced at once."""
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
