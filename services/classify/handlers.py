"""From `chunk.searched` to `observation.classified`."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any, Protocol

import structlog
from pydantic import BaseModel, Field, ValidationError

from services.classify.classification import classify_observation
from services.classify.finished import Finished, document_digest, inputs_digest
from services.classify.measurement import MOST_HITS
from services.classify.model import ShapeModel
from services.classify.results_document import results_document
from services.classify.stored_hits import Memory, StoredHits
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import Chunk, ChunkPlan, ChunkSearched, Event, JobProgress, ObservationClassified, ResultsSummary
from shared.formats import JSON
from shared.hits import ChunkHits
from shared.hits_reader import HitsStore
from shared.object_keys import artefact_key, hits_key, hits_prefix

logger = structlog.get_logger(__name__)

PRODUCER = "classify"
# About so many chunks of a job publish `job.progress`: each needs a listing of the job's objects.
MOST_PROGRESS = 100
# Jobs with more hits are labelled one at a time, so that memory stays bounded and small jobs get a turn beside them.
LARGE_HITS = 1000
# Jobs that are labelled at the same time.
THREADS = 4


class _EarlierResults(BaseModel):
    """The only field of an earlier `results.json` that is kept, whatever version wrote the document."""

    processing_time_seconds: float = Field(ge=0, allow_inf_nan=False)


class ResultsStore(HitsStore, Protocol):
    """The operations on the results bucket that the handler uses."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write the whole object."""

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""


def _may_be_last(event: ChunkSearched) -> bool:
    """Return whether the chunk may be the last of its job to be stored.

    A lane's chunks are stored one after another, so the last of all is the last of its lane. Without a plan all chunks
    are announced at once, and any may be the last.
    """
    return event.plan is None or event.plan.ends_lane(event.chunk.index)


def _is_reported(chunk: Chunk) -> bool:
    """Return whether this chunk publishes progress: every chunk of a small job does, some of a large one."""
    return chunk.index % -(-chunk.count // MOST_PROGRESS) == 0


def _finisher_key(job_id: str) -> str:
    """Return the key of the object that holds the index of the chunk whose event finished the job."""
    return artefact_key(job_id, "finished_by_chunk")


def _record_key(job_id: str) -> str:
    """Return the key of the object that says from what the job was finished."""
    return artefact_key(job_id, "classified_from")


def _is_of_plan(plan: ChunkPlan, index: int, found: ChunkHits) -> bool:
    """Return whether hits are those of the plan's chunk; hits of unknown channels (early versions) are accepted."""
    chunk = plan.chunk(index)
    return found.channels is None or (found.channels, found.ifs) == (chunk.channels, chunk.ifs)


def _are_of_plan(plan: ChunkPlan | None, chunks: Sequence[ChunkHits]) -> bool:
    """Return whether all hits objects are of the job's plan."""
    foreign = [index for index, found in enumerate(chunks) if plan is not None and not _is_of_plan(plan, index, found)]
    if foreign:
        logger.warning("chunks of another plan", chunks=len(foreign), first=foreign[0])
    return not foreign


class Handler:
    """Counts the chunks that are stored and finishes the job when all are."""

    def __init__(
        self,
        results: ResultsStore,
        *,
        model: ShapeModel,
        now: Callable[[], datetime],
        concurrent_reads: int = 8,
        max_hits: int = MOST_HITS,
    ) -> None:
        self._results = results
        self._model = model
        self._now = now
        self._concurrent_reads = concurrent_reads
        self._max_hits = max_hits
        self._memory = Memory()
        # Threads that may wait for the event loop, which needs the default ones.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="classify")
        self._large = asyncio.Lock()

    async def handle(self, event: Event) -> Sequence[Event]:
        """Return the progress of the job and, once all its chunks are stored, the classified observation.

        The event of the chunk that was stored last finishes the job. If it is delivered again, the same events are
        published again; the results are made again only if they are not there, or would differ. Later events of other
        chunks do not finish it again.

        If a job was cut twice (see `services.ingest.kept_plan`), the bucket may hold chunks of both plans. The job is
        not finished with such a mixture: the event of the last matching chunk finishes it, or if there is none, the
        gateway submits the job again.

        Raises
        ------
        PermanentError
            The event is of another type.
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
        stored = StoredHits(self._results, keys, self._concurrent_reads, self._memory)
        try:
            return await self._finish_from(event, stored)
        finally:
            stored.close()

    async def _finish_from(self, event: ChunkSearched, stored: StoredHits) -> ObservationClassified | None:
        chunks = await stored.chunks()
        if not _are_of_plan(event.plan, chunks):
            return None
        results_key = artefact_key(event.job_id, JSON.filename)
        rules = f"{self._model.version} {self._max_hits}"
        inputs = await asyncio.to_thread(inputs_digest, event, chunks, rules)
        earlier = await self._earlier(results_key)
        summary = await self._finished_before(event, inputs, earlier)
        if summary is None:
            seconds = await self._processing_time(event, earlier)
            async with self._turn(sum(len(found.hits) for found in chunks)):
                # In a thread: with thousands of hits it takes seconds, and the consumer must send heartbeats meanwhile.
                loop = asyncio.get_running_loop()
                document, summary = await loop.run_in_executor(
                    self._threads, self._classified, event, chunks, stored, seconds
                )
                await self._results.put(results_key, document, JSON.content_type)
                # The record comes after the document, so a document that it describes is complete.
                digest = await asyncio.to_thread(document_digest, document)
                record = Finished(inputs=inputs, document=digest, summary=summary)
                await self._results.put(_record_key(event.job_id), record.to_bytes(), "application/json")
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

    def _turn(self, hits: int) -> AbstractAsyncContextManager[Any]:
        """Return what a job of so many hits holds while it is labelled."""
        return self._large if hits > LARGE_HITS else nullcontext()

    def _classified(
        self, event: ChunkSearched, chunks: Sequence[ChunkHits], stored: StoredHits, seconds: float
    ) -> tuple[bytes, ResultsSummary]:
        """Return `results.json` and the summary of a job."""
        hits = classify_observation(
            event.header, event.parameters, chunks, self._model, most=self._max_hits, cutouts_of=stored.cutouts_of
        )
        document = results_document(
            event,
            chunks,
            hits,
            model_version=self._model.version,
            processing_time_seconds=seconds,
            most=self._max_hits,
        )
        return document.to_bytes(), document.summary

    async def _was_finished_by_another(self, event: ChunkSearched) -> bool:
        """Return whether the event of another chunk finished the job, and would finish it again.

        If the plan was lost and the job was cut into more or fewer lanes, a different chunk may have to finish it.
        """
        try:
            finisher = int(await self._results.get(_finisher_key(event.job_id)))
        except ObjectNotFoundError:
            return False
        is_of_plan = finisher < event.chunk.count and (event.plan is None or event.plan.ends_lane(finisher))
        return is_of_plan and finisher != event.chunk.index

    async def _earlier(self, results_key: str) -> bytes | None:
        try:
            return await self._results.get(results_key)
        except ObjectNotFoundError:
            return None

    async def _finished_before(self, event: ChunkSearched, inputs: str, earlier: bytes | None) -> ResultsSummary | None:
        """Return the summary of the job if `results.json` was made from the same inputs by the same version."""
        if earlier is None:
            return None
        try:
            record = Finished.read(await self._results.get(_record_key(event.job_id)))
        except ObjectNotFoundError:
            return None
        if record is None or record.inputs != inputs:
            return None
        is_whole = await asyncio.to_thread(document_digest, earlier) == record.document
        return record.summary if is_whole else None

    async def _processing_time(self, event: ChunkSearched, earlier: bytes | None) -> float:
        """Return the seconds from acceptance to now; for a repeat those of the first time, so that bytes are equal."""
        if earlier is not None:
            try:
                return (await asyncio.to_thread(_EarlierResults.model_validate_json, earlier)).processing_time_seconds
            except ValidationError:
                # It is written anew, so nothing is lost.
                logger.warning("earlier results not readable", job_id=event.job_id)
        return max(0.0, (self._now() - event.upload.submitted_at).total_seconds())

    def _progress(self, job_id: str, stage: str, done: int, total: int) -> Event:
        return JobProgress.make(
            job_id=job_id, producer=PRODUCER, step=f"{stage}/{done}/{total}", stage=stage, done=done, total=total
        )
