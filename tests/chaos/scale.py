"""Measure how the stages scale and what the bus costs, on real Kafka: `python -m tests.chaos.scale [--exponent 24]`.

One and two dedoppler replicas of one thread each search a file of 2^EXPONENT channels and 16 spectra (2^24: 16 chunks,
1 GB of float32 or a quarter of it in 8 bits). They search with the default parameters, where reading and the servers
cost as much as the search, and with a costly search (a low threshold, a wide drift range), which benefits from more
replicas. One replica and two alternate, so that a slower machine slows both. The times are means over all turns. Then a
small job runs twenty times: its time beyond the work of the handlers is the cost of the bus. All times come from the
events and from the services' logs.
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
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.client import Waterhole
from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.events import (
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_SUBMITTED,
    Event,
    decode,
)
from tests.chaos.messages import everything
from tests.chaos.stacks import RealPlayground, real_playground

SMALL_JOBS = 20
TURNS = 3
# Time for the group to assign partitions after a replica joins or leaves.
REBALANCE_S = 5.0
COARSE = 2**20
# Parameters for the large file: the defaults, and searches with much work per byte.
SEARCHES: dict[str, dict[str, float]] = {
    "defaults, float32": {},
    "defaults, 8 bits": {},
    "SNR 5.5, 50 Hz/s, 8 bits": {"snr_threshold": 5.5, "max_drift_rate_hz_s": 50.0},
    "SNR 5.25, 50 Hz/s, 8 bits": {"snr_threshold": 5.25, "max_drift_rate_hz_s": 50.0},
}
STAGES = ("ingest", "dedoppler", "classify", "export")
SETTINGS = {"WATERHOLE_THREADS": "1", "WATERHOLE_OUTBOX_SILENCE_S": "600"}


def make_file(folder: Path, exponent: int, n_bits: int = 32) -> Path:
    """Write a file with coarse channels of 2^20 channels and a drifting tone in each. Return its path."""
    path = folder / f"channels_2_{exponent}_{n_bits}_bits.fil"
    n_channels = 2**exponent
    coarse = min(COARSE, n_channels)
    header = make_header(n_channels, coarse_channel_width=coarse, has_dc_spike=True, n_bits=n_bits)
    tones = tuple(Tone(header.frequency_hz(at), 0.3, 40.0) for at in range(coarse // 3, n_channels, coarse))
    write_fil(path, header, spectra(Scene(header, tones, seed=exponent)))
    return path


async def run_job(client: Waterhole, file_key: str, name: str, poll_s: float = 0.1, **parameters: Any) -> str:
    """Analyze an uploaded file to the end and return the job's id. Frequent polling takes time from the services."""
    job_id = await client.analyze(file_key, name, **parameters)
    while not (job := await client.job(job_id)).get("exports_ready"):
        assert job["status"] != "failed", job
        await asyncio.sleep(poll_s)
    return job_id


async def events_of(kafka: str, job_id: str) -> list[Event]:
    """Return the events of a job, the oldest first."""
    records = [record for found in (await everything(kafka)).values() for record in found]
    events = [decode(record.value) for record in records if record.key.decode().split(":")[0] == job_id]
    return sorted(events, key=lambda event: event.occurred_at)


def stage_seconds(events: Sequence[Event]) -> dict[str, float]:
    """Return the time from each stage's input to its last output, s. Later chunks are announced during the search."""

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
    """Return the log lines of the messages that a service handled for a job."""
    lines = [
        json.loads(line) for line in (folder / "logs" / f"{service}.log").read_text().splitlines() if line[:1] == "{"
    ]
    return [line for line in lines if line["event"] == "event handled" and line.get("job_id") == job_id]


def bus_seconds(folder: Path, events: Sequence[Event], job_id: str) -> float:
    """Return the time from the submitted event to the gateway's complete record, less the handlers' work, s."""
    submitted = next(event.occurred_at for event in events if event.topic == OBSERVATION_SUBMITTED)
    recorded = next(line for line in log_lines(folder, "gateway", job_id) if line["topic"] == OBSERVATION_CLASSIFIED)
    work: float = recorded["seconds"]
    for service in ("ingest", "dedoppler", "classify"):
        work += sum(line["seconds"] for line in log_lines(folder, service, job_id))
    return (datetime.fromisoformat(recorded["timestamp"]) - submitted).total_seconds() - work


TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROGRAMS = ("services.dedoppler", "weed", "docker-proxy", "kafka.Kafka", "mongodb.js", "services.gateway", "python")


def processor_ticks() -> Counter[str]:
    """Return the processor time of each program on this machine so far, in clock ticks. Linux only."""
    used: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # Split after the name, which may contain spaces. User and system time are fields 14 and 15 of the line.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            name = next((program for program in PROGRAMS if program in command), "other")
            used[name] += int(fields[11]) + int(fields[12])
    return used


@dataclass
class Searched:
    """Stage times and processor times of the searches of the large file with the same parameters."""

    stages: list[dict[str, float]] = field(default_factory=list)
    used: list[Counter[str]] = field(default_factory=list)

    async def again(self, client: Waterhole, kafka: str, file_key: str, name: str, **parameters: float) -> None:
        """Run one job on the large file and record its times."""
        before = processor_ticks()
        job_id = await run_job(client, file_key, name, 0.5, **parameters)
        self.used.append(processor_ticks() - before)
        self.stages.append(stage_seconds(await events_of(kafka, job_id)))

    def stage_s(self, stage: str) -> float:
        """Return the mean time of a stage, s."""
        return statistics.mean(one[stage] for one in self.stages)

    def used_s(self, program: str) -> float:
        """Return the mean processor time of a program, s."""
        return statistics.mean(one[program] for one in self.used) / TICKS_PER_S

    def total_s(self) -> float:
        """Return the mean processor time of all programs, s."""
        return statistics.mean(one.total() for one in self.used) / TICKS_PER_S


async def measure(playground: RealPlayground, folder: Path, exponent: int, say: Console) -> None:
    """Run all measurements and print the tables."""
    files = {n_bits: make_file(folder, exponent, n_bits) for n_bits in (32, 8)}
    small = make_file(folder, 16)
    async with Waterhole(playground.url, await playground.create_user()) as client:
        keys = {}
        for n_bits, path in files.items():
            say.print(f"uploading the large file, {n_bits} bits: {path.stat().st_size / 2**20:.0f} MB")
            keys[n_bits] = await client.upload(path)
        small_key = await client.upload(small)
        kafka = playground.environment["WATERHOLE_KAFKA_BOOTSTRAP"]
        await run_job(client, small_key, small.name)
        one, two = ({name: Searched() for name in SEARCHES} for _ in range(2))
        for turn in range(TURNS):
            for searches in (one, two):
                if searches is two:
                    await playground.join("dedoppler")
                    await asyncio.sleep(REBALANCE_S)
                for name, parameters in SEARCHES.items():
                    n_bits = 8 if "8 bits" in name else 32
                    say.print(f"turn {turn + 1} of {TURNS}: {name}; {1 if searches is one else 2} dedoppler")
                    await searches[name].again(client, kafka, keys[n_bits], files[n_bits].name, **parameters)
            await playground.leave("dedoppler")
            await asyncio.sleep(REBALANCE_S)
        small_jobs = [await run_job(client, small_key, small.name) for _ in range(SMALL_JOBS)]
        events = [await events_of(kafka, job_id) for job_id in small_jobs]
    overheads = [bus_seconds(folder, of_job, job_id) for of_job, job_id in zip(events, small_jobs, strict=True)]
    for name in SEARCHES:
        show_search(say, name, one[name], two[name])
    show_small(say, overheads, [stage_seconds(of_job) for of_job in events])


def show_search(say: Console, name: str, one: Searched, two: Searched) -> None:
    """Print the seconds per stage and per program, for one replica and for two."""
    table = Table("stage, or program", "1 replica, s", "2 replicas, s", "ratio", title=f"Real Kafka; {name}")
    for stage in STAGES:
        alone, together = one.stage_s(stage), two.stage_s(stage)
        table.add_row(stage, f"{alone:.2f}", f"{together:.2f}", f"{alone / together:.2f}")
    each = ", ".join(f"{a['dedoppler'] / b['dedoppler']:.2f}" for a, b in zip(one.stages, two.stages, strict=True))
    table.add_row("dedoppler, by turn", "", "", each)
    table.add_section()
    for program in (*PROGRAMS, "other"):
        table.add_row(f"CPU, {program}", f"{one.used_s(program):.1f}", f"{two.used_s(program):.1f}", "")
    totals = (f"{searched.total_s():.1f}" for searched in (one, two))
    table.add_row(f"CPU, all, of {os.cpu_count()} cores", *totals, "")
    say.print(table)


def show_small(say: Console, overheads: Sequence[float], stages: Sequence[dict[str, float]]) -> None:
    """Print the times of small jobs, per stage and for the bus."""
    table = Table("stage", "small job, ms, median", title="Real Kafka")
    for stage in STAGES:
        table.add_row(stage, f"{1000 * statistics.median(found[stage] for found in stages):.0f}")
    say.print(table)
    milliseconds = sorted(1000 * one for one in overheads)
    say.print(
        f"Bus overhead of a small job (submitted to complete, less the handlers' work): median "
        f"{statistics.median(milliseconds):.0f} ms, minimum {milliseconds[0]:.0f}, maximum {milliseconds[-1]:.0f} "
        f"({SMALL_JOBS} jobs)."
    )


async def main() -> None:
    """Parse the command line and run the measurements."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.scale", description="Measure scaling on real servers.")
    parser.add_argument("--exponent", type=int, default=24, help="the large file has 2^EXPONENT channels (default: 24)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waterhole-scale-"))
    async with real_playground(folder, SETTINGS) as playground:
        await measure(playground, folder, options.exponent, Console())


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
