"""Measure the seconds that classify and export take for an observation with many hits.

The benchmark searches chunks of 16 x 2^20 channels with 1,000 tones each and passes the hits to the handlers of the two
services, with all objects in memory. Each figure is one run, after a small warm-up. `Classify` covers reading the hits
to writing results.json, `Export` covers results.json to all catalogues and pictures.
"""

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
from rich.console import Console
from rich.table import Table

from science.simulator import Scene, Tone, make_header, simulate
from services.classify.handlers import Handler as Classify
from services.classify.model import load_model
from services.dedoppler.handlers import Handler as Dedoppler
from services.dedoppler.noise.scratch import Scratch
from services.export.artefacts import warm_up
from services.export.handlers import Handler as Export
from shared.arrays import Power
from shared.content import Content
from shared.errors import ObjectNotFoundError
from shared.events import ChunkPlan, ChunkReady, ChunkSearched, ObservationClassified, SearchParameters, Upload
from shared.header import Header
from shared.object_keys import artefact_key

CHANNELS = 2**20
TONES_PER_CHUNK = 1000
# Small enough that drifting tones don't reach their neighbours.
SPACING, JITTER, WIDEST_STEPS = 1040, 400, 200
CHUNKS = (1, 10)


class MemoryBucket:
    """A bucket in memory, with the methods that the handlers use."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectNotFoundError(f"The object {key} does not exist.") from None

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        self._objects[key] = body

    async def content(self, key: str) -> Content | None:
        return Content(len(self._objects[key]), None) if key in self._objects else None

    async def get_range(self, key: str, start: int, length: int, _etag: str | None = None) -> bytes:
        return (await self.get(key))[start : start + length]

    async def get_range_into(self, key: str, start: int, buffer: memoryview, _etag: str | None = None) -> int:
        raw = await self.get_range(key, start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)

    async def size(self, key: str) -> int | None:
        return len(self._objects[key]) if key in self._objects else None

    async def list_keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._objects if key.startswith(prefix))


def crowded(index: int) -> Power:
    """Return float32 (16, 2^20): noise and `TONES_PER_CHUNK` tones of SNR 20 to 60, different for each index."""
    header, rng = make_header(CHANNELS), np.random.default_rng(index)
    places = 500 + SPACING * np.arange(TONES_PER_CHUNK) + rng.integers(0, JITTER, TONES_PER_CHUNK)
    steps = rng.integers(-WIDEST_STEPS, WIDEST_STEPS, TONES_PER_CHUNK)
    tones = tuple(
        Tone(header.frequency_hz(int(place)), header.drift_rate_hz_s(int(n)), float(snr))
        for place, n, snr in zip(places, steps, rng.uniform(20, 60, TONES_PER_CHUNK), strict=True)
    )
    return simulate(Scene(header, tones, seed=index))


async def search_all(
    bucket: MemoryBucket, header: Header, plan: ChunkPlan, read_power: Callable[[ChunkReady], Awaitable[Power]]
) -> ChunkSearched:
    """Search all chunks of an observation and return the event of the last one."""
    ready = ChunkReady.make(
        job_id="bench",
        producer="bench",
        upload=Upload(file_key="", file_name="", file_size=0, source_name="bench", submitted_at=datetime.now(UTC)),
        parameters=SearchParameters(),
        header=header,
        chunk=plan.chunk(0),
        plan=plan,
    )
    with ThreadPoolExecutor() as pool:
        dedoppler = Dedoppler(read_power, bucket, pool, Scratch())
        while True:
            done, *following = await dedoppler.handle(ready)
            if not following:
                break
            (ready,) = (event for event in following if isinstance(event, ChunkReady))
        await dedoppler.aclose()
    assert isinstance(done, ChunkSearched)
    return done


async def searched(bucket: MemoryBucket, header: Header, chunks: int) -> ChunkSearched:
    """Search an observation of `chunks` chunks and return the event of the last one."""
    plan = ChunkPlan(n_channels=header.n_channels, count=chunks, stride_channels=CHANNELS, parts=1, overlap_channels=0)

    async def read_power(event: ChunkReady) -> Power:
        return crowded(event.chunk.index)

    return await search_all(bucket, header, plan, read_power)


async def measure(console: Console) -> None:
    """Run all measurements and print a table."""
    warm_up()
    model = load_model()
    table = Table(title="Observations with many hits: seconds", title_justify="left")
    for heading in ("Hits", "Classify", "Export", "results.json, MB"):
        table.add_column(heading, justify="right")
    for chunks in CHUNKS:
        console.print(f"Searching {chunks} x 2^20 channels with {TONES_PER_CHUNK} tones each ...")
        bucket = MemoryBucket()
        last = await searched(bucket, make_header(chunks * CHANNELS), chunks)
        began = time.perf_counter()
        *_, classified = await Classify(bucket, model=model, now=lambda: datetime.now(UTC)).handle(last)
        assert isinstance(classified, ObservationClassified)
        classify_s, began = time.perf_counter() - began, time.perf_counter()
        await Export(bucket, bucket).handle(classified)
        export_s = time.perf_counter() - began
        size = len(await bucket.get(artefact_key("bench", "results.json")))
        row = (classified.summary.raw_hits, f"{classify_s:.1f}", f"{export_s:.1f}", f"{size / 1e6:.1f}")
        table.add_row(*map(str, row))
    console.print(table)
