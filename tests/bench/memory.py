"""Measure the peak resident memory of one dedoppler worker by file size, on the embedded servers.

The observation is generated part by part during the upload to S3 and never stored as a file on disk. Its samples are
noise, the same for every 2^20 channels. The worker reads it in byte ranges, as it reads every upload. The peak is VmHWM
of /proc after the hits of all chunks are stored.
"""

import asyncio
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import REPOSITORY, EmbeddedServers, answers_http, child_environment, embedded_servers
from science.simulator import make_header
from science.simulator.writers import sigproc_header
from shared.blobs import Blobs, UploadedPart, open_storage
from shared.bus import open_publisher
from shared.filterbank import BlobSource, read_header
from shared.header import Header
from shared.object_keys import hits_prefix
from shared.settings import ServiceSettings
from tests.bench import observation
from tests.bench.files import chunks_ready

PART_BYTES = 64 * 2**20
PATIENCE_S = 300.0
COARSE_CHANNELS, LONG_COARSE_CHANNELS = (1, 4, 16), (64,)


@dataclass(frozen=True)
class Worker:
    """The process of the service."""

    process: asyncio.subprocess.Process

    def megabytes(self, field: str) -> float:
        """Return VmHWM or VmRSS in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1000


@asynccontextmanager
async def running_worker(environment: dict[str, str]) -> AsyncIterator[Worker]:
    """Start one dedoppler service; stop it at the end."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.dedoppler"),
        env=child_environment(environment | {"WATERHOLE_PORT": str(port), "WATERHOLE_LOG_LEVEL": "WARNING"}),
        cwd=REPOSITORY,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await answers_http(f"http://{HOST}:{port}/ready"):  # noqa: ASYNC110 -- polls another process
                await asyncio.sleep(0.1)
        yield Worker(process)
    finally:
        process.terminate()
        await process.wait()


def parts(header: Header) -> Iterator[bytes]:
    """Yield a file of noise in parts of `PART_BYTES`, the last one shorter."""
    rng = np.random.default_rng(1)
    tile = 100 / 51 * rng.standard_gamma(51.0, (header.n_spectra, observation.COARSE_CHANNEL), dtype=np.float32)
    held = bytearray(sigproc_header(header))
    for row in tile:
        for _ in range(header.n_channels // len(row)):
            held += row.tobytes()
            if len(held) >= PART_BYTES:
                yield bytes(held[:PART_BYTES])
                del held[:PART_BYTES]
    yield bytes(held)


async def upload(uploads: Blobs, key: str, header: Header) -> None:
    """Upload an observation in parts, as clients do."""
    upload_id = await uploads.create_multipart(key)
    done = []
    async with aiohttp.ClientSession() as session:
        for number, part in enumerate(parts(header), start=1):
            url = await uploads.presign_part(key, upload_id, number, expires_s=600)
            async with session.put(url, data=part) as response:
                response.raise_for_status()
                done.append(UploadedPart(number, response.headers["ETag"]))
    await uploads.complete_multipart(key, upload_id, done)


def settings_of(servers: EmbeddedServers) -> ServiceSettings:
    """Return settings with the addresses of the servers."""
    environment: Mapping[str, Any] = servers.environment
    names = {name.removeprefix("WATERHOLE_").lower(): value for name, value in environment.items()}
    return ServiceSettings(**{name: value for name, value in names.items() if name in ServiceSettings.model_fields})


async def measure(console: Console, folder: Path, *, long: bool) -> None:
    """Measure, and print a table."""
    table = Table(title="One worker: files in S3, chunk events to stored hits", title_justify="left")
    for heading in ("File", "GB", "Chunks", "Seconds", "Resident before, MB", "Peak, MB"):
        table.add_column(heading, justify="right")
    async with embedded_servers(folder / "servers") as servers, open_storage(settings_of(servers)) as storage:
        for n_coarse in (*COARSE_CHANNELS, *(LONG_COARSE_CHANNELS if long else ())):
            header = make_header(n_coarse * observation.COARSE_CHANNEL, coarse_channel_width=observation.COARSE_CHANNEL)
            key = f"uploads/bench/{n_coarse}.fil"
            console.print(
                f"Storing a file of {observation.size_name(header)} ({observation.gigabytes(header):.2f} GB) ..."
            )
            await upload(storage.uploads, key, header)
            # One process per file, because a peak never decreases.
            async with running_worker(dict(servers.environment)) as worker:
                row = await _row(servers, storage, worker, key, header)
            table.add_row(*row)
            console.print(f"Peak: {row[-1]} MB")
            await storage.uploads.delete(key)
    console.print(table)


async def _row(servers: EmbeddedServers, storage, worker: Worker, key: str, header: Header) -> list[str]:
    read, _ = await read_header(BlobSource(storage.uploads, key, "bench.fil"))
    ready = chunks_ready(read, key, "bench.fil", 0, job_id=str(uuid.uuid4()))
    before = worker.megabytes("VmRSS")
    began = time.perf_counter()
    async with open_publisher(settings_of(servers)) as publisher, asyncio.timeout(PATIENCE_S):
        for event in ready:
            await publisher.publish(event)
        prefix = hits_prefix(ready[0].job_id)
        while len(await storage.results.list_keys(prefix)) < len(ready):  # noqa: ASYNC110 -- S3 sends no events
            await asyncio.sleep(0.1)
    took = time.perf_counter() - began
    return [
        observation.size_name(header),
        f"{observation.gigabytes(header):.2f}",
        str(len(ready)),
        f"{took:.1f}",
        f"{before:.0f}",
        f"{worker.megabytes('VmHWM'):.0f}",
    ]
