"""Cadences through the handlers of the services, in one process, with a bucket in memory in place of the servers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from science.simulator import Scene, spectra
from science.simulator.writers import sample_dtype, sigproc_header
from services.classify.cadence_handlers import CadenceHandler
from services.classify.handlers import Handler as ClassifyHandler
from services.classify.model import load_model
from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.handlers import Handler as DedopplerHandler
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.track_handlers import TrackHandler
from services.ingest.handlers import Handler as IngestHandler
from shared.arrays import Power
from shared.cadence import CadenceParameters, CadenceScan, Role
from shared.cadence_document import CadenceDocument
from shared.content import Content
from shared.errors import ObjectNotFoundError
from shared.event_fields import MAX_CHUNK_SAMPLES
from shared.events import (
    CadenceClassified,
    CadenceReady,
    ChunkReady,
    ChunkSearched,
    Event,
    ObservationClassified,
    ObservationSubmitted,
    SearchParameters,
    TrackMeasured,
    TrackReady,
    Upload,
)
from shared.filterbank.source import BlobSource
from shared.object_keys import measured_prefix
from shared.tracks import MeasuredTracks, Measurements

CADENCE_ID = "c0ffee00-0000-4000-8000-000000000000"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryBucket:
    """A bucket in memory, with the methods that the handlers use."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes:
        """Return a whole object."""
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectNotFoundError(f"The object {key} does not exist.") from None

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write a whole object."""
        self._objects[key] = body

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        return sorted(key for key in self._objects if key.startswith(prefix))

    async def content(self, key: str) -> Content | None:
        """Return the size of an object, None if there is none."""
        return Content(len(self._objects[key]), None) if key in self._objects else None

    async def get_range(self, key: str, start: int, length: int, _etag: str | None = None) -> bytes:
        """Return `length` bytes from byte `start`."""
        return (await self.get(key))[start : start + length]

    async def get_range_into(self, key: str, start: int, buffer: memoryview, _etag: str | None = None) -> int:
        """Fill `buffer` from byte `start`; return how many bytes."""
        raw = await self.get_range(key, start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)


@dataclass(frozen=True)
class RunCadence:
    """What the services found: `events.json`, and by scan the measurements of all tracks."""

    document: CadenceDocument
    measured: dict[int, Measurements]


class _Services:
    """The handlers of ingest, dedoppler and classify, and what they hand to each other."""

    def __init__(self, uploads: MemoryBucket, results: MemoryBucket, pool: Executor) -> None:
        blocks = Scratch()

        def source_of(upload: Upload) -> BlobSource:
            return BlobSource(uploads, upload.file_key, upload.file_name, upload.etag, upload.file_size)

        async def read_power(event: ChunkReady) -> Power:
            return await chunk_power(source_of(event.upload), event, pool, blocks)

        async def lanes() -> int:
            return 1

        cadences = CadenceHandler(results, now=lambda: NOW)
        self._chunks = DedopplerHandler(read_power, results, pool, Scratch(), blocks)
        self._handle = {
            ObservationSubmitted: IngestHandler(
                uploads, results, max_chunk_samples=MAX_CHUNK_SAMPLES, lanes=lanes
            ).handle,
            ChunkReady: self._chunks.handle,
            ChunkSearched: ClassifyHandler(results, model=load_model(), now=lambda: NOW).handle,
            CadenceReady: cadences.handle,
            TrackReady: TrackHandler(source_of, results, pool).handle,
            TrackMeasured: cadences.handle,
        }

    async def run(self, first: Event) -> list[Event]:
        """Handle an event and all that follow from it; return those that none of these services handles."""
        waiting, ends = deque([first]), []
        while waiting:
            event = waiting.popleft()
            handle = self._handle.get(type(event))
            if handle is None:
                ends.append(event)
            else:
                waiting.extend(await handle(event))
        return ends

    async def aclose(self) -> None:
        await self._chunks.aclose()


def run_cadence(
    scenes: Sequence[Scene], roles: Sequence[Role], pool: Executor, parameters: CadenceParameters | None = None
) -> RunCadence:
    """Search the scans of a cadence and find its events, as the services do.

    Parameters
    ----------
    scenes
        The scans.
    roles
        Of each.
    pool
        Threads of the search and of the measurement.
    parameters
        The rule; the defaults unless stated.

    Returns
    -------
    RunCadence
        What was found.
    """
    return asyncio.run(_run(scenes, roles, pool, parameters or CadenceParameters()))


async def _run(
    scenes: Sequence[Scene], roles: Sequence[Role], pool: Executor, parameters: CadenceParameters
) -> RunCadence:
    uploads, results = MemoryBucket(), MemoryBucket()
    services = _Services(uploads, results, pool)
    try:
        scans = []
        for place, (scene, role) in enumerate(zip(scenes, roles, strict=True)):
            upload = await _upload(uploads, scene, place)
            scans.append(await _search(services, upload, place, role))
        ready = CadenceReady.make(
            job_id=CADENCE_ID,
            producer="gateway",
            name="simulated",
            scans=tuple(scans),
            parameters=parameters,
            submitted_at=NOW,
        )
        ends = await services.run(ready)
    finally:
        await services.aclose()
    key = next(event.events_key for event in ends if isinstance(event, CadenceClassified))
    parts: dict[int, list[Measurements]] = {}
    for measured_key in await results.list_keys(measured_prefix(CADENCE_ID)):
        found = MeasuredTracks.from_bytes(await results.get(measured_key))
        parts.setdefault(found.scan, []).append(found.measurements)
    measured = {scan: np.concatenate(some) for scan, some in parts.items()}
    return RunCadence(CadenceDocument.from_bytes(await results.get(key)), measured)


async def _upload(uploads: MemoryBucket, scene: Scene, place: int) -> Upload:
    """Store a scan as a filterbank file."""
    dtype = sample_dtype(scene.header)
    raw = b"".join([sigproc_header(scene.header), *(row.astype(dtype, copy=False).tobytes() for row in spectra(scene))])
    key = f"uploads/u/{place}/scan.fil"
    await uploads.put(key, raw)
    return Upload(
        file_key=key,
        file_name=f"scan_{place}.fil",
        file_size=len(raw),
        source_name=scene.header.source_name,
        submitted_at=NOW,
    )


async def _search(services: _Services, upload: Upload, place: int, role: Role) -> CadenceScan:
    """Search a scan as a job does, and return it as the gateway describes it."""
    job_id = f"a1b2c3d4-0000-4000-8000-{place:012d}"
    submitted = ObservationSubmitted.make(
        job_id=job_id, producer="gateway", upload=upload, parameters=SearchParameters()
    )
    ends = await services.run(submitted)
    key = next(event.results_key for event in ends if isinstance(event, ObservationClassified))
    return CadenceScan(role=role, job_id=job_id, upload=upload, results_key=key)
