"""Measure crowded bands from raw power to artefacts, with all objects in memory, in one process.

A bad day of interference: a line in every sixth channel, so 21,845 to 87,381 lines. Seconds are shown for each stage,
with the largest lag of the event loop meanwhile: heartbeats to Kafka come every 1.7 s. The peak is that of the whole
process, with its objects.
"""

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from science.simulator import make_header
from services.classify.compile import compile_kernels
from services.classify.handlers import Handler as Classify
from services.classify.model import load_model
from services.export.artefacts import warm_up
from services.export.handlers import Handler as Export
from shared.arrays import Power
from shared.events import ChunkPlan, ChunkReady, ChunkSearched, ObservationClassified
from tests.bench.hits import MemoryBucket, search_all

SPECTRA = 16
Result = TypeVar("Result")


class Band(NamedTuple):
    """An observation: channels, channels of a chunk, and the distance of the lines in channels."""

    name: str
    channels: int
    per_chunk: int
    spacing: int


BANDS = (
    Band("8 MB, a line in every 6th channel", 2**17, 2**17, 6),
    Band("8 MB, the same in coarse channels of 2^14", 2**17, 2**14, 6),
    Band("34 MB, a line in every 6th channel", 2**19, 2**16, 6),
)


def crowded(band: Band, first: int, stop: int) -> Power:
    """Return float32 (16, channels): noise and lines without drift of SNR 12 to 60, the same for the same channel."""
    rng = np.random.default_rng(first)
    power = (100 / 51 * rng.standard_gamma(51.0, (SPECTRA, stop - first))).astype(np.float32)
    lines = np.arange(3, stop - first - 3, band.spacing)
    sigma = 100 / np.sqrt(51)
    power[:, lines] += (rng.uniform(12, 60, len(lines)) * sigma / np.sqrt(SPECTRA)).astype(np.float32)
    return power


async def timed(work: Coroutine[Any, Any, Result]) -> tuple[Result, float, float]:
    """Return the result of some work, its seconds, and how late the event loop was at worst."""
    lag = 0.0

    async def probe() -> None:
        nonlocal lag
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            lag = max(lag, time.perf_counter() - before - 0.01)

    probing, began = asyncio.create_task(probe()), time.perf_counter()
    await asyncio.sleep(0)
    result = await work
    took = time.perf_counter() - began
    # The probe notices a lag only when it runs again.
    await asyncio.sleep(0.02)
    probing.cancel()
    return result, took, lag


async def _search(band: Band, bucket: MemoryBucket) -> ChunkSearched:
    header = make_header(band.channels)
    count = band.channels // band.per_chunk
    plan = ChunkPlan(n_channels=band.channels, count=count, stride_channels=band.per_chunk, parts=1, overlap_channels=0)

    async def read_power(event: ChunkReady) -> Power:
        return await asyncio.to_thread(crowded, band, event.chunk.read_start_channel, event.chunk.read_stop_channel)

    return await search_all(bucket, header, plan, read_power)


async def row(band: Band) -> list[str]:
    """Measure one band."""
    model, bucket = load_model(), MemoryBucket()
    warm_up()
    compile_kernels(model)
    # Once uncounted, with chunks of the same size: kernels are compiled for the layout of the slices.
    await _search(band._replace(channels=band.per_chunk), MemoryBucket())
    done, search_s, search_lag = await timed(_search(band, bucket))
    classify = Classify(bucket, model=model, now=lambda: datetime.now(UTC))
    events, classify_s, classify_lag = await timed(classify.handle(done))
    classified = events[-1]
    assert isinstance(classified, ObservationClassified)
    _, export_s, export_lag = await timed(Export(bucket, bucket).handle(classified))
    lag = max(search_lag, classify_lag, export_lag)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    figures = (f"{search_s:.1f}", f"{classify_s:.1f}", f"{export_s:.1f}", f"{lag:.2f}", f"{peak:.0f}")
    return [band.name, str(band.channels // band.spacing), str(classified.summary.raw_hits), *figures]


def _row_alone(band: Band) -> list[str]:
    return asyncio.run(row(band))


def measure(console: Console) -> None:
    """Measure every band, each in a process of its own, and print a table."""
    table = Table(title="Crowded bands: seconds from raw power to artefacts", title_justify="left")
    for heading in ("Band", "Lines", "Hits listed", "Search", "Classify", "Export", "Loop's lag", "Peak, MB"):
        table.add_column(heading, justify="left" if heading == "Band" else "right")
    for band in BANDS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            table.add_row(*pool.apply(_row_alone, (band,)))
    console.print(table)
