"""Measure the time from a file on disk to all of its hits, on every core, and compare it with turboSETI on two cores.

Our figure is dedoppler's handler on a local file: it reads one chunk while it searches another. turboSETI is fastest
with two processes and compiled kernels that each search one coarse channel at a time, on HDF5, which it reads without
conversion. Files are in the page cache for both.
"""

import asyncio
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from science.simulator import write_fil, write_h5
from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from services.ingest.chunk_plan import plan_observation
from services.ingest.settings import Settings as IngestSettings
from shared.errors import ObjectNotFoundError
from shared.events import ChunkReady, ChunkSearched, SearchParameters, Upload
from shared.filterbank import LocalSource, read_block, read_header
from shared.header import Header
from tests.bench import observation, peer

MAX_DRIFT_HZ_S = 4.0
RUNS = 3
JOB = "00000000-0000-4000-8000-000000000000"


class Forgetful:
    """A results bucket that stores nothing."""

    def __init__(self) -> None:
        self.n_objects = 0

    async def get(self, key: str) -> bytes:
        raise ObjectNotFoundError(key)

    async def put(self, key: str, body: bytes, content_type: str = "") -> None:
        self.n_objects += 1


def chunks_ready(header: Header, file_key: str, file_name: str, file_size: int, job_id: str = JOB) -> list[ChunkReady]:
    """Return the `chunk.ready` events of an observation."""
    parameters = SearchParameters(max_drift_rate_hz_s=MAX_DRIFT_HZ_S)
    upload = Upload(
        file_key=file_key,
        file_name=file_name,
        file_size=file_size,
        source_name="bench",
        submitted_at=datetime.now(UTC),
    )
    most = IngestSettings.model_fields["max_chunk_samples"].default
    plan = plan_observation(header, parameters, max_chunk_samples=most)
    return [
        ChunkReady.make(
            job_id=job_id,
            producer="bench",
            step=str(chunk.index),
            upload=upload,
            parameters=parameters,
            header=header,
            chunk=chunk,
        )
        for chunk in map(plan.chunk, range(plan.count))
    ]


async def file_to_hits(path: Path, pool: ThreadPoolExecutor) -> tuple[float, int]:
    """Return the seconds from the file to the stored hits of all chunks, and the number of hits."""
    began = time.perf_counter()
    source = LocalSource(path)
    header, _ = await read_header(source)
    blocks = Scratch()

    async def read_power(event: ChunkReady):
        return await chunk_power(source, event, pool, blocks)

    handler = Handler(read_power, Forgetful(), pool, Scratch(), blocks)
    ready = chunks_ready(header, "", path.name, path.stat().st_size)
    searched = await asyncio.gather(*(handler.handle(event) for event in ready))
    return time.perf_counter() - began, sum(
        event.n_hits for events in searched for event in events if isinstance(event, ChunkSearched)
    )


async def read_alone(path: Path) -> float:
    """Return the seconds to read all chunks, overlap included, one after the other."""
    began = time.perf_counter()
    source = LocalSource(path)
    header, _ = await read_header(source)
    for event in chunks_ready(header, "", path.name, 0):
        await read_block(source, header, event.chunk.read_start_channel, event.chunk.read_stop_channel)
    return time.perf_counter() - began


def measure(console: Console, folder: Path, warm: Path, *, long: bool) -> None:
    """Measure, and print a table."""
    made = observation.scene(16 if long else 4)
    header = made.header
    name = observation.size_name(header)
    table = Table(title=f"{name} channels ({observation.gigabytes(header):.2f} GB), file to hits", title_justify="left")
    for heading in ("File", "Threads", "Read alone, s", "File to hits, s", "Hits", "turboSETI / ours"):
        table.add_column(heading, justify="right")
    writers = {
        "h5": lambda path, data: write_h5(path, header, data),
        "bshuf.h5": lambda path, data: write_h5(path, header, data, bitshuffle=True),
        "fil": lambda path, data: write_fil(path, header, data),
    }
    theirs = None
    for suffix, write in writers.items():
        path = folder / f"observation.{suffix}"
        write(path, observation.shown_spectra(made, console, f"Writing {name} as .{suffix} ..."))
        if suffix == "h5" and peer.is_installed():
            console.print("turboSETI searches it, two processes ..." + (" (a minute)" if long else ""))
            theirs = peer.run(path, warm, what="file", max_drift=MAX_DRIFT_HZ_S, partitions=2)
        cores = os.cpu_count() or 1
        for threads in [cores] if long else sorted({1, cores}):
            table.add_row(f".{suffix}", str(threads), *_row(path, threads, theirs, 1 if long else RUNS))
        path.unlink()
    if theirs is not None:
        table.add_row("turboSETI", "2", "", f"{statistics.median(theirs.seconds):.2f}", str(theirs.hits), "1")
    console.print(table)


def _row(path: Path, threads: int, theirs: peer.Measured | None, runs: int) -> list[str]:
    with ThreadPoolExecutor(threads) as pool:
        asyncio.run(file_to_hits(path, pool))
        results = [asyncio.run(file_to_hits(path, pool)) for _ in range(runs)]
    read_s = statistics.median(asyncio.run(read_alone(path)) for _ in range(runs))
    took = statistics.median(seconds for seconds, _ in results)
    ratio = f"{statistics.median(theirs.seconds) / took:.1f}" if theirs is not None else "-"
    return [f"{read_s:.2f}", f"{took:.2f}", str(results[0][1]), ratio]
