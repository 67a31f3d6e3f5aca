"""From `chunk.searched` to `observation.classified`."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from services.classify.classification import classify_observation
from services.classify.model import ShapeModel
from services.classify.results_document import results_document
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import Chunk, ChunkPlan, ChunkSearched, Event, JobProgress, ObservationClassified, ResultsSummary
from shared.formats import JSON
from shared.hits import ChunkHits
from shared.object_keys import artefact_key, hits_key, hits_prefix
from shared.results import Results

logger = structlog.get_logger(__name__)

PRODUCER = "classify"
# Of a job's chunks, about so many make a `job.progress`: each takes a listing of the job's objects.
MOST_PROGRESS = 100


class ResultsStore(Protocol):
    """What the handler needs of the results bucket."""

    async def get(self, key: str) -> bytes:
        """The whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write an object, whole."""

    async def list_keys(self, prefix: str) -> list[str]:
        """Sorted keys that start with `prefix`."""


def _may_be_last(event: ChunkSearched) -> bool:
    """Whether the chunk may be the last one of its job to come in.

    A lane's chunks are stored one after another, so the last one of all is the last one of its lane. Where all chunks
    were announced at once, any may be.
    """
    return event.plan is None or event.plan.ends_lane(event.chunk.index)


def _is_reported(chunk: Chunk) -> bool:
    """Whether progress is told with this chunk: with every one of a small job, with some of a large one."""
    return chunk.index % -(-chunk.count // MOST_PROGRESS) == 0


def _finisher_key(job_id: str) -> str:
    """Key of the object that says with which chunk's event the job was finished."""
    return artefact_key(job_id, "finished_by_chunk")


def _is_of_plan(plan: ChunkPlan, index: int, found: ChunkHits) -> bool:
    """Return whether hits are those of the plan's chunk; hits of unknown channels (early versions) are accepted."""
    return found.channels is None or found.channels == plan.chunk(index).channels


def _classified(
    event: ChunkSearched, raw_chunks: Sequence[bytes], model: ShapeModel, seconds: float
) -> tuple[bytes, ResultsSummary] | None:
    """`results.json` and the summary of a job whose hits objects are all there; None where some are of another plan."""
    chunks = [ChunkHits.from_bytes(raw) for raw in raw_chunks]
    if event.plan is not None:
        strangers = [index for index, found in enumerate(chunks) if not _is_of_plan(event.plan, index, found)]
        if strangers:
            logger.warning("chunks of another plan", chunks=len(strangers), first=strangers[0])
            return None
    hits = classify_observation(event.header, event.parameters, chunks, model)
    document = results_document(event, chunks, hits, model_version=model.version, processing_time_seconds=seconds)
    return document.to_bytes(), document.summary


class Handler:
    """Counts the chunks that are in and, when all are, finishes the job off."""

    def __init__(
        self, results: ResultsStore, *, model: ShapeModel, now: Callable[[], datetime], concurrent_reads: int = 8
    ) -> None:
        self._results = results
        self._model = model
        self._now = now
        self._concurrent_reads = concurrent_reads

    async def handle(self, event: Event) -> Sequence[Event]:
        """Publish, for some of the chunks, how many are searched and, when all are, the classified observation.

        The event with which the last chunk came in finishes the job; handled again, it finishes it again: the same
        bytes, the same events. Events of other chunks that come after it leave it at that, since they come after its
        acknowledgement, on the same partition.

        Of a job that was cut twice (see `services.ingest.kept_plan`), chunks of both cuts may lie in the bucket. It is
        not finished with these: where chunks that fit are under way, their event finishes it; else it is silent, and
        the gateway submits it again.
        """
        if not isinstance(event, ChunkSearched):
            raise PermanentError(f"Classify can't handle {event.topic}.", code="unexpected_event")
        if not _may_be_last(event) and not _is_reported(event.chunk):
            return []
        count = event.chunk.count
        wanted = [hits_key(event.job_id, index) for index in range(count)]
        present = set(await self._results.list_keys(hits_prefix(event.job_id))) & set(wanted)
        progress = self._progress(event.job_id, "dedoppler", len(present), count)
        if len(present) < count or not _may_be_last(event) or await self._was_finished_by_another(event):
            return [progress]
        classified = await self._finish(event, wanted)
        if classified is None:
            return [progress]
        return [progress, self._progress(event.job_id, "classify", 1, 1), classified]

    async def _finish(self, event: ChunkSearched, keys: list[str]) -> ObservationClassified | None:
        raw_chunks = await self._read_chunks(keys)
        results_key = artefact_key(event.job_id, JSON.filename)
        seconds = await self._processing_time(event, results_key)
        # Off the event loop, all of it: with thousands of hits it takes seconds, in which heartbeats must go on.
        made = await asyncio.to_thread(_classified, event, raw_chunks, self._model, seconds)
        if made is None:
            return None
        document, summary = made
        await self._results.put(results_key, document, JSON.content_type)
        await self._results.put(_finisher_key(event.job_id), str(event.chunk.index).encode(), "text/plain")
        return ObservationClassified.make(
            job_id=event.job_id,
            producer=PRODUCER,
            upload=event.upload,
            parameters=event.parameters,
            header=event.header,
            chunk_count=event.chunk.count,
            plan=event.plan,
            results_key=results_key,
            summary=summary,
        )

    async def _was_finished_by_another(self, event: ChunkSearched) -> bool:
        """Whether the event of another chunk finished the job, and would finish it again.

        Where its plan was lost and it was cut into more or fewer lanes, another chunk than before may have to do it.
        """
        try:
            finisher = int(await self._results.get(_finisher_key(event.job_id)))
        except ObjectNotFoundError:
            return False
        is_of_plan = finisher < event.chunk.count and (event.plan is None or event.plan.ends_lane(finisher))
        return is_of_plan and finisher != event.chunk.index

    async def _read_chunks(self, keys: list[str]) -> list[bytes]:
        gate = asyncio.Semaphore(self._concurrent_reads)

        async def read(key: str) -> bytes:
            async with gate:
                return await self._results.get(key)

        return list(await asyncio.gather(*map(read, keys)))

    async def _processing_time(self, event: ChunkSearched, results_key: str) -> float:
        """Seconds from acceptance to now; a repeat keeps the first finish's, so that it writes the same bytes."""
        try:
            earlier = await self._results.get(results_key)
        except ObjectNotFoundError:
            return max(0.0, (self._now() - event.upload.submitted_at).total_seconds())
        return (await asyncio.to_thread(Results.from_bytes, earlier)).processing_time_seconds

    def _progress(self, job_id: str, stage: str, done: int, total: int) -> Event:
        return JobProgress.make(
            job_id=job_id, producer=PRODUCER, step=f"{stage}/{done}/{total}", stage=stage, done=done, total=total
        )
