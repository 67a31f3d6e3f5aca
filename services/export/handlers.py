"""From `observation.classified` to `observation.exported`."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from typing import Protocol

import structlog
from pydantic import BaseModel, ValidationError

from services.export.artefacts import File, render_pictures, render_tables
from services.export.digest import sha256_of
from services.export.picture import MAX_PANELS
from services.export.waterfall import ChunkPart
from shared import formats
from shared.errors import ObjectChangedError, ObjectNotFoundError, PermanentError
from shared.events import Artefact, Event, JobProgress, ObservationClassified, ObservationExported, Upload
from shared.filterbank import BlobSource, Objects
from shared.hits import ChunkHits, Cutout
from shared.hits_reader import HitsReader, HitsStore
from shared.object_keys import artefact_key, hits_key
from shared.results import HitRecord, Results

logger = structlog.get_logger(__name__)

PRODUCER = "export"
# Jobs with more hits are exported one at a time, so that memory stays bounded and small jobs get a turn beside them.
LARGE_HITS = 1000


class ResultsStore(HitsStore, Protocol):
    """The operations on the results bucket that the handler uses."""

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None if there is none."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write the whole object."""


class Exported(BaseModel):
    """What a job's files were made from, as a digest, and the files."""

    inputs: str
    artefacts: tuple[Artefact, ...]


def _record_key(job_id: str) -> str:
    """Return the key of the object that says from what the files were made."""
    return artefact_key(job_id, "exported_from")


def _digests(event: ObservationClassified, raw: bytes, hash_up_to_bytes: int | None) -> tuple[str, str]:
    """Return the SHA-256 of `results.json`, and a digest of all that the files follow from."""
    digest = hashlib.sha256(raw)
    of_results = digest.hexdigest()
    known = event.model_dump_json(exclude={"event_id", "occurred_at", "producer"})
    digest.update(f"{version('waterhole')}\n{hash_up_to_bytes}\n{known}".encode())
    return of_results, digest.hexdigest()


class Handler:
    """Reads the results of a job and writes its files."""

    def __init__(
        self,
        results: ResultsStore,
        uploads: Objects,
        *,
        concurrent_reads: int = 8,
        hash_up_to_bytes: int | None = None,
        large: asyncio.Lock | None = None,
    ) -> None:
        """Observations of at most `hash_up_to_bytes` are read for their SHA-256; None: none is.

        `large` is held while a large job is in memory; a lock of its own unless it is given.
        """
        self._results = results
        self._uploads = uploads
        self._concurrent_reads = concurrent_reads
        self._hash_up_to_bytes = hash_up_to_bytes
        self._large = large or asyncio.Lock()

    async def handle(self, event: Event) -> Sequence[Event]:
        """Write every file of a classified observation; return the event with their keys, and the progress.

        If the event is delivered again, the files that are there are not made again.

        Raises
        ------
        PermanentError
            The event is of another type, or the results can't be read.
        """
        if not isinstance(event, ObservationClassified):
            raise PermanentError(f"Export can't handle {event.topic}.", code="unexpected_event")
        async with self._large if event.summary.raw_hits > LARGE_HITS else nullcontext():
            artefacts = await self._artefacts(event)
        return [
            ObservationExported.make(job_id=event.job_id, producer=PRODUCER, artefacts=artefacts),
            JobProgress.make(
                job_id=event.job_id, producer=PRODUCER, step="export/1/1", stage="export", done=1, total=1
            ),
        ]

    async def _artefacts(self, event: ObservationClassified) -> tuple[Artefact, ...]:
        """Return the files of a job, made unless they are there."""
        raw = await self._results.get(event.results_key)
        sha256, inputs = await asyncio.to_thread(_digests, event, raw, self._hash_up_to_bytes)
        artefacts = await self._exported_before(event.job_id, inputs)
        if artefacts is None:
            artefacts = await self._export(event, File(formats.JSON, raw, sha256))
            record = Exported(inputs=inputs, artefacts=artefacts)
            await self._results.put(_record_key(event.job_id), record.model_dump_json().encode(), "application/json")
        return artefacts

    async def _exported_before(self, job_id: str, inputs: str) -> tuple[Artefact, ...] | None:
        """Return the artefacts if they were made from the same inputs by the same version, and all are there."""
        try:
            record = Exported.model_validate_json(await self._results.get(_record_key(job_id)))
        except (ObjectNotFoundError, ValidationError):
            return None
        if record.inputs != inputs:
            return None
        sizes = await asyncio.gather(*(self._results.size(artefact.key) for artefact in record.artefacts))
        are_whole = all(size == artefact.size for size, artefact in zip(sizes, record.artefacts, strict=True))
        return record.artefacts if are_whole else None

    async def _export(self, event: ObservationClassified, unchanged: File) -> tuple[Artefact, ...]:
        """Make and write all files but `results.json`, which is there unchanged."""
        results = await asyncio.to_thread(Results.from_bytes, unchanged.body)
        if len(results.noise) != event.chunk_count:
            raise PermanentError(
                f"The results have {len(results.noise)} chunks, and the event {event.chunk_count}.",
                code="inconsistent_event",
            )
        # The observation is read for its checksum while the pictures, which don't state it, are drawn.
        writing = asyncio.create_task(self._tables(event, results))
        try:
            pictures = await self._pictures(event, results)
            tables = await writing
        finally:
            writing.cancel()
        return await asyncio.to_thread(_artefacts, event.job_id, (unchanged, *tables, *pictures))

    async def _pictures(self, event: ObservationClassified, results: Results) -> list[File]:
        parts = await self._read_parts(event, results.candidates[:MAX_PANELS])
        return await self._written(event, await asyncio.to_thread(render_pictures, event, results, parts))

    async def _tables(self, event: ObservationClassified, results: Results) -> list[File]:
        input_sha256 = await self._input_sha256(event.upload)
        return await self._written(event, await asyncio.to_thread(render_tables, event, results, input_sha256))

    async def _written(self, event: ObservationClassified, files: list[File]) -> list[File]:
        await asyncio.gather(
            *(
                self._results.put(artefact_key(event.job_id, file.format.filename), file.body, file.format.content_type)
                for file in files
            )
        )
        return files

    async def _input_sha256(self, upload: Upload) -> str | None:
        """Return the checksum of the file that was searched, or None if it is not wanted or the file is gone.

        One that the file's owner stated saves a read of the whole file.
        """
        if upload.sha256 is not None:
            return upload.sha256
        if self._hash_up_to_bytes is None or upload.file_size > self._hash_up_to_bytes:
            return None
        source = BlobSource(self._uploads, upload.file_key, upload.file_name, upload.etag)
        try:
            return await sha256_of(source)
        except (ObjectNotFoundError, ObjectChangedError) as error:
            # The search is done, and its results are those of the file that was accepted.
            logger.warning("observation is gone; catalogues do not state its checksum", code=error.code)
            return None

    async def _read_parts(self, event: ObservationClassified, shown: Iterable[HitRecord]) -> list[ChunkPart]:
        wanted: dict[int, list[int]] = {}
        for record in shown:
            wanted.setdefault(record["chunk"], []).append(record["chunk_hit"])
        reader = HitsReader(self._results, self._concurrent_reads)

        async def read(index: int) -> ChunkPart:
            def take(found: ChunkHits, _size: int) -> ChunkPart:
                # Copies, since a view would keep the whole object in memory.
                cutouts = {at: _copy_of(found.cutouts[at]) for at in wanted.get(index, [])}
                return ChunkPart(_channels_of(event, index, found), found.waterfall, cutouts)

            return await reader.read(hits_key(event.job_id, index), take)

        return list(await asyncio.gather(*map(read, range(event.chunk_count))))


def _copy_of(cutout: Cutout) -> Cutout:
    return replace(cutout, power=cutout.power.copy())


def _artefacts(job_id: str, files: Sequence[File]) -> tuple[Artefact, ...]:
    """Return the entries of the files; the checksums of large ones take a while."""
    return tuple(file.artefact(job_id) for file in files)


def _channels_of(event: ObservationClassified, index: int, found: ChunkHits) -> range:
    """Return the channels of a chunk: from the plan, or from its hits object if the event has none.

    Version 0.3.0 and earlier send no plan.

    Raises
    ------
    PermanentError
        The event has no plan, and the hits object is from an early version that did not store the channels.
    """
    if event.plan is not None:
        return event.plan.chunk(index).channels
    if found.channels is None:
        raise PermanentError(
            "The search results of this job are from an early version and can't be exported; analyze the observation "
            "again.",
            code="outdated_results",
        )
    return found.channels
