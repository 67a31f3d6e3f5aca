"""How the stages scale, and what the bus costs, on real Kafka: `python -m tests.chaos.scale [--exponent 24]`.

One file of 2^EXPONENT channels and 16 spectra (2^24: 1 GB in 16 chunks) is searched by 1 and by 2 dedoppler replicas of
one thread each; then a small job is run some twenty times, and what it takes beside the work of the handlers is the
bus. All times are those of the events and of the services' logs.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.client import Waterhole
from shared.events import (
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_SUBMITTED,
    Event,
    decode,
)
from shared.simulator import Scene, Tone, make_header, spectra, write_fil
from tests.chaos.audit import everything
from tests.chaos.stacks import RealPlayground, real_playground

SMALL_JOBS = 20
COARSE = 2**20
STAGES = ("ingest", "dedoppler", "classify", "export")
SETTINGS = {"WATERHOLE_THREADS": "1", "WATERHOLE_OUTBOX_SILENCE_S": "600"}


def make_file(folder: Path, exponent: int) -> Path:
    """A file of coarse channels of 2^20, with a drifting tone in each."""
    path = folder / f"channels_2_{exponent}.fil"
    n_channels = 2**exponent
    coarse = min(COARSE, n_channels)
    header = make_header(n_channels, coarse_channel_width=coarse, has_dc_spike=True)
    tones = tuple(Tone(header.frequency_hz(at), 0.3, 40.0) for at in range(coarse // 3, n_channels, coarse))
    write_fil(path, header, spectra(Scene(header, tones, seed=exponent)))
    return path


async def run_job(client: Waterhole, file_key: str, name: str, poll_s: float = 0.1) -> str:
    """Analyze an uploaded file to the end; the job's id. Asking costs the gateway time that others could use."""
    job_id = await client.analyze(file_key, name)
    while not (job := await client.job(job_id)).get("exports_ready"):
        assert job["status"] != "failed", job
        await asyncio.sleep(poll_s)
    return job_id


async def events_of(kafka: str, job_id: str) -> list[Event]:
    """What was published about a job, the oldest first."""
    records = [record for found in (await everything(kafka)).values() for record in found]
    events = [decode(record.value) for record in records if record.key.decode().split(":")[0] == job_id]
    return sorted(events, key=lambda event: event.occurred_at)


def stage_seconds(events: Sequence[Event]) -> dict[str, float]:
    """From each stage's input to its last output, s. Chunks are searched while others are still announced."""

    def last(topic: str) -> datetime:
        return max(event.occurred_at for event in events if event.topic == topic)

    ready = min(event.occurred_at for event in events if event.topic == "chunk.ready")
    ends = [
        last(OBSERVATION_SUBMITTED),
        ready,
        *map(last, (CHUNK_SEARCHED, OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED)),
    ]
    return {
        stage: (after - before).total_seconds() for stage, (before, after) in zip(STAGES, pairwise(ends), strict=True)
    }


def log_lines(folder: Path, service: str, job_id: str) -> list[dict[str, Any]]:
    """What a service logged of the messages that it handled for a job."""
    lines = [
        json.loads(line) for line in (folder / "logs" / f"{service}.log").read_text().splitlines() if line[:1] == "{"
    ]
    return [line for line in lines if line["event"] == "event handled" and line.get("job_id") == job_id]


def bus_seconds(folder: Path, events: Sequence[Event], job_id: str) -> float:
    """From the submitted event to the gateway's record that the job is complete, less the work of the handlers, s."""
    submitted = next(event.occurred_at for event in events if event.topic == OBSERVATION_SUBMITTED)
    recorded = next(line for line in log_lines(folder, "gateway", job_id) if line["topic"] == OBSERVATION_CLASSIFIED)
    work = recorded["seconds"]
    for service in ("ingest", "dedoppler", "classify"):
        work += sum(line["seconds"] for line in log_lines(folder, service, job_id))
    return (datetime.fromisoformat(recorded["timestamp"]) - submitted).total_seconds() - work


PROGRAMS = ("services.dedoppler", "weed", "docker-proxy", "kafka.Kafka", "mongodb.js", "services.gateway", "python")


def processor_seconds() -> Counter[str]:
    """What each program on this machine has used of the processors so far, s; Linux only."""
    used: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # After the name, which may hold spaces: user and system time are fields 14 and 15 of the whole line.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            name = next((program for program in PROGRAMS if program in command), "anything else")
            used[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


async def measure(playground: RealPlayground, folder: Path, exponent: int, say: Console) -> None:
    """Run everything and print the tables."""
    large, small = make_file(folder, exponent), make_file(folder, 16)
    say.print(f"the large file has {large.stat().st_size / 2**20:.0f} MB; uploading")
    async with Waterhole(playground.url, await playground.create_user()) as client:
        large_key, small_key = await client.upload(large), await client.upload(small)
        kafka = playground.environment["WATERHOLE_KAFKA_BOOTSTRAP"]
        await run_job(client, small_key, small.name)
        found, used = {}, {}
        for replicas in (1, 2):
            if replicas == 2:
                await playground.join("dedoppler")
                # Whoever comes in is given its partitions first.
                await asyncio.sleep(5)
            before = processor_seconds()
            job_id = await run_job(client, large_key, large.name, 0.5)
            used[replicas] = processor_seconds() - before
            found[replicas] = stage_seconds(await events_of(kafka, job_id))
        await playground.leave("dedoppler")
        await asyncio.sleep(5)
        small_jobs = [await run_job(client, small_key, small.name) for _ in range(SMALL_JOBS)]
        overheads, stages = [], []
        for job_id in small_jobs:
            events = await events_of(kafka, job_id)
            overheads.append(bus_seconds(folder, events, job_id))
            stages.append(stage_seconds(events))
    table = Table("stage", "1 replica, s", "2 replicas, s", "ratio", "small job, ms, median", title="Real Kafka")
    for stage in STAGES:
        one, two = found[1][stage], found[2][stage]
        median_ms = 1000 * statistics.median(found_small[stage] for found_small in stages)
        table.add_row(stage, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}", f"{median_ms:.0f}")
    say.print(table)
    cpu = Table("program", "1 replica, s", "2 replicas, s", title=f"Processor time, of {os.cpu_count()} processors")
    for program in (*PROGRAMS, "anything else"):
        cpu.add_row(program, f"{used[1][program]:.1f}", f"{used[2][program]:.1f}")
    cpu.add_row("all", f"{used[1].total():.1f}", f"{used[2].total():.1f}")
    say.print(cpu)
    milliseconds = sorted(1000 * one for one in overheads)
    say.print(
        f"Bus overhead of a small job, submitted to complete less the handlers' work: median "
        f"{statistics.median(milliseconds):.0f} ms, least {milliseconds[0]:.0f}, most {milliseconds[-1]:.0f} "
        f"({SMALL_JOBS} jobs)."
    )


async def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.scale", description="Measure scaling on real servers.")
    parser.add_argument("--exponent", type=int, default=24, help="channels of the large file, as a power of 2")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waterhole-scale-"))
    async with real_playground(folder, SETTINGS) as playground:
        await measure(playground, folder, options.exponent, Console())


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
