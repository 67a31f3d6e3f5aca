"""Measure a job on the embedded servers, from POST /analyze to its artefacts, beside a plain reader of the same object.

The plain reader is the floor: it fetches the object from S3 in ranges, several at a time, and does nothing with it.
Processor time is that of each process during the job. The second job is the one that counts; the first fills caches.
"""

import asyncio
import hashlib
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.client import Waterhole
from deploy.local.servers import BROKER, MONGODB, S3
from deploy.local.stack import SERVICES, Stack, running_stack
from science.simulator import write_fil
from shared.blobs import open_storage
from shared.filterbank import BlobSource
from shared.filterbank.fetch import READ_BYTES, for_each
from shared.settings import ServiceSettings
from tests.bench import observation

RUNS = 2
POLL_S = 0.05
SERVERS = (BROKER, MONGODB, S3)


async def read_plainly(stack: Stack, file_key: str) -> float:
    """Return the seconds to fetch an object in ranges of the size that the workers read, as many at once as they do."""
    settings = ServiceSettings.model_validate(settings_of(stack))
    async with open_storage(settings) as storage:
        source = BlobSource(storage.uploads, file_key, "bench")
        size = await source.size()

        async def fetch(start, scratch):
            await source.read_into(start, scratch.take(min(READ_BYTES, size - start)))

        began = time.perf_counter()
        await for_each(range(0, size, READ_BYTES), fetch)
        return time.perf_counter() - began


def settings_of(stack: Stack) -> dict[str, str]:
    """Return the settings of a service of the stack, by their names."""
    prefix = "WATERHOLE_"
    found = {name.removeprefix(prefix).lower(): value for name, value in stack.environment.items() if prefix in name}
    return {name: value for name, value in found.items() if name in ServiceSettings.model_fields}


def cpu_s(pid: int) -> float:
    """Return the processor time that a process and its ended children have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


async def run_job(waterhole: Waterhole, file_key: str, name: str) -> dict[str, float]:
    """Run a job; return the seconds from POST /analyze to each part's end."""
    began = time.perf_counter()
    job_id = await waterhole.analyze(file_key, name)
    parts: dict[str, float] = {"accepted": time.perf_counter() - began}
    while True:
        job = await waterhole.job(job_id)
        now = time.perf_counter() - began
        stage = (job.get("progress") or {}).get("stage")
        if job["status"] == "failed":
            raise SystemExit(job["error"])
        if stage not in (None, "ingest"):
            parts.setdefault("first chunk searched", now)
        if job["status"] == "complete":
            parts.setdefault("complete", now)
            if stage == "export":
                return parts | {"artefacts": now}
        await asyncio.sleep(POLL_S)


async def measure(console: Console, folder: Path, *, long: bool) -> None:
    """Measure, and print a table."""
    made = observation.scene(16 if long else 4)
    name = observation.size_name(made.header)
    path = folder / "job.fil"
    write_fil(path, made.header, observation.shown_spectra(made, console, f"Writing {name} ..."))
    began = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    hash_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory(prefix="waterhole-stack-") as data:
        async with running_stack(Path(data)) as stack, Waterhole(stack.url, stack.api_key) as waterhole:
            file_key = await waterhole.upload(path)
            pids = {part: stack.pid_of(part) for part in (*SERVICES, *SERVERS)}
            floor_s = [await read_plainly(stack, file_key) for _ in range(RUNS)][-1]
            for _ in range(RUNS):
                before = {part: cpu_s(pid) for part, pid in pids.items()}
                parts = await run_job(waterhole, file_key, path.name)
                taken = {part: cpu_s(pid) - before[part] for part, pid in pids.items()}
    path.unlink()
    table = Table(title=f"A job, {name} ({observation.gigabytes(made.header):.2f} GB) on embedded servers")
    for heading in ("Part", "s"):
        table.add_column(heading)
    table.add_row("a plain reader of the same object", f"{floor_s:.2f}")
    table.add_row("SHA-256 of the same bytes, one core", f"{hash_s:.2f}")
    for part, seconds in parts.items():
        table.add_row(f"POST /analyze to: {part}", f"{seconds:.2f}")
    for part, seconds in taken.items():
        table.add_row(f"processor time of {part}", f"{seconds:.2f}")
    console.print(table)
