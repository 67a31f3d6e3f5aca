"""Measure memory under a backlog of many jobs: `python -m tests.chaos.backlog [--jobs 1000]`.

One user starts all jobs on one small file, far faster than the services process them. Meanwhile the test samples each
service's resident memory (Linux only) and the number of messages that it is handling. Waiting work must wait on the
broker and in the database: after the last job a service may use no more memory than after the first hundred, within
TOLERANCE_MB.
"""

import argparse
import asyncio
import json
import logging
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table

from services.gateway.app import TOPICS as TOPICS_OF_GATEWAY
from services.gateway.settings import DEFAULT_TIERS
from shared.events import OBSERVATION_EXPORTED, decode
from tests.chaos.observations import sound_observations
from tests.chaos.stacks import (
    REAL_SETTINGS,
    SERVICES,
    SETTINGS,
    Playground,
    embedded_playground,
    real_playground,
)

# The file has 2^SIZE channels: one chunk.
SIZE = 11
FIRST_JOBS = 100
# Number of jobs over which the median memory is taken.
WINDOW = 50
SUBMITTERS = 8
SAMPLE_S = 0.5
# Allocators keep some of the freed memory, in one arena per thread. Export draws its pictures in threads: with six
# threads it grew by 16 to 28 MB after 1,000 jobs, with two (see its `app`) by 1 MB after 400. In export only
# matplotlib's cache of texts grows, up to 4,096 entries. A leak of a third of the file in each of 900 jobs would exceed
# this tolerance.
TOLERANCE_MB = 40.0
PARTITIONS = 4
# Messages of one partition that these services handle at a time.
AT_ONCE = {"classify": 8, "export": 8}

Say = Callable[[str], None]


def own_settings(jobs: int) -> dict[str, str]:
    """Return settings with a tier for `jobs` open jobs and an outbox that does not submit waiting jobs again."""
    roomy = DEFAULT_TIERS["enterprise"].model_copy(update={"concurrent_jobs": 2 * jobs, "history_jobs": 2 * jobs})
    tiers = {name: tier.model_dump() for name, tier in (DEFAULT_TIERS | {"enterprise": roomy}).items()}
    return {"WATERHOLE_TIERS": json.dumps(tiers), "WATERHOLE_OUTBOX_SILENCE_S": "3600"}


@dataclass
class Held:
    """Samples of one service's memory and messages in hand."""

    # Pairs of the number of finished jobs and the resident memory, MB.
    memory: list[tuple[int, float]] = field(default_factory=list)
    most_in_hand: float = 0.0

    def level(self, first: int, last: int) -> float:
        """Return the median memory while `first` to `last` jobs were finished, MB. It leaves out peaks of drawing."""
        return statistics.median(mb for done, mb in self.memory if first <= done <= last)

    @property
    def peak(self) -> float:
        """Return the peak memory, MB."""
        return max(mb for _, mb in self.memory)


@dataclass
class Backlog:
    """Measurements of a run."""

    jobs: int
    done: int = 0
    most_waiting: int = 0
    held: dict[str, Held] = field(default_factory=lambda: defaultdict(Held))

    def levels(self, name: str) -> tuple[float, float, float]:
        """Return the memory of a service after the first hundred jobs, halfway and at the end, MB."""
        starts = (FIRST_JOBS, self.done // 2, self.done - WINDOW)
        first, half, last = (self.held[name].level(start, start + WINDOW) for start in starts)
        return first, half, last

    def findings(self) -> list[str]:
        """Return one sentence for each service that grew or handled more messages than it has partitions."""
        found = [] if self.done > FIRST_JOBS else [f"only {self.done} jobs finished"]
        for name, held in self.held.items():
            first, _, last = self.levels(name)
            grown = last - first
            if grown > TOLERANCE_MB:
                found.append(f"{name} grew by {grown:.0f} MB between {FIRST_JOBS} and {self.done} jobs")
            bound = PARTITIONS * (len(TOPICS_OF_GATEWAY) if name == "gateway" else AT_ONCE.get(name, 1))
            if held.most_in_hand > bound:
                found.append(f"{name} had {held.most_in_hand:.0f} messages in hand; the limit is {bound}")
        return found


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB of 10^6 bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


async def run_backlog(playground: Playground, folder: Path, jobs: int, minutes: float, say: Say) -> Backlog:
    """Start `jobs` jobs at once and sample the services until the jobs finish, for at most `minutes` minutes."""
    (observation,) = sound_observations(folder, (SIZE,))
    backlog, done = Backlog(jobs), set[str]()
    headers = {"x-api-key": await playground.create_user()}
    async with aiohttp.ClientSession(headers=headers) as session, aiohttp.ClientSession() as anybody:
        async with session.post(f"{playground.url}/upload-url", json={"filename": observation.name}) as response:
            target = await response.json()
        async with anybody.put(target["upload_url"], data=observation.path.read_bytes()) as response:
            response.raise_for_status()
        async with asyncio.TaskGroup() as group:
            counting = group.create_task(_count_done(playground, done))
            started: list[str] = []
            watching = group.create_task(_watch(playground, backlog, started, done, anybody))
            await _start_jobs(session, f"{playground.url}/analyze", target["file_key"], jobs, started)
            say(f"{len(started)} jobs started, {len(done)} finished")
            deadline = time.monotonic() + 60 * minutes
            while len(done) < jobs and time.monotonic() < deadline:
                await asyncio.sleep(10)
                say(f"{len(done)} of {jobs} jobs finished")
            watching.cancel()
            counting.cancel()
    assert done <= set(started)
    backlog.done = len(done)
    return backlog


async def _start_jobs(session: aiohttp.ClientSession, url: str, file_key: str, jobs: int, started: list[str]) -> None:
    left = iter(range(jobs))

    async def start() -> None:
        for _ in left:
            async with session.post(url, json={"file_key": file_key}) as response:
                response.raise_for_status()
                started.append((await response.json())["job_id"])

    await asyncio.gather(*(start() for _ in range(SUBMITTERS)))


async def _count_done(playground: Playground, done: set[str]) -> None:
    """Add the id of each exported job to `done`, read from the bus as a user's program would."""
    bootstrap = playground.environment["WATERHOLE_KAFKA_BOOTSTRAP"]
    async with AIOKafkaConsumer(
        OBSERVATION_EXPORTED, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    ) as consumer:
        async for record in consumer:
            done.add(decode(record.value).job_id)


async def _watch(
    playground: Playground, backlog: Backlog, started: list[str], done: set[str], session: aiohttp.ClientSession
) -> None:
    while True:
        backlog.most_waiting = max(backlog.most_waiting, len(started) - len(done))
        for name in SERVICES:
            held = backlog.held[name]
            held.memory.append((len(done), resident_mb(playground.pid_of(name))))
            async with session.get(f"{playground.url_of(name)}/metrics") as response:
                text = await response.text()
            in_hand = sum(map(float, re.findall(r"^waterhole_messages_in_hand\{.*\} (\S+)$", text, re.MULTILINE)))
            held.most_in_hand = max(held.most_in_hand, in_hand)
        await asyncio.sleep(SAMPLE_S)


def table_of(backlog: Backlog) -> Table:
    """Return the table of memory and messages in hand, by service."""
    table = Table(
        "service",
        "at start, MB",
        f"after {FIRST_JOBS}",
        f"after {backlog.done // 2}",
        f"after {backlog.done}",
        "growth",
        "peak",
        "most in hand",
        title=f"Backlog of {backlog.jobs} jobs: up to {backlog.most_waiting} waiting, {backlog.done} finished",
    )
    for name, held in backlog.held.items():
        first, half, last = backlog.levels(name)
        figures = (held.memory[0][1], first, half, last)
        row = (*(f"{mb:.0f}" for mb in figures), f"{last - first:+.0f}", f"{held.peak:.0f}", f"{held.most_in_hand:.0f}")
        table.add_row(name, *row)
    return table


async def main() -> int:
    """Run the test and print its table. Return 0 if there are no findings, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.backlog", description="Measure the services' memory under a backlog."
    )
    parser.add_argument(
        "--servers", choices=("embedded", "real"), default="embedded", help="servers to run on (default: embedded)"
    )
    parser.add_argument("--jobs", type=int, default=1000, help="number of jobs, more than 100 (default: 1000)")
    parser.add_argument("--minutes", type=float, default=30, help="stop after this many minutes (default: 30)")
    options, console, began = parser.parse_args(), Console(), time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {what}", highlight=False)

    folder = Path(tempfile.mkdtemp(prefix="waterhole-backlog-"))
    make, settings = {
        "embedded": (embedded_playground, SETTINGS),
        "real": (real_playground, REAL_SETTINGS),
    }[options.servers]
    async with make(folder, settings | own_settings(options.jobs)) as playground:
        backlog = await run_backlog(playground, folder, options.jobs, options.minutes, say)
    console.print(table_of(backlog))
    for finding in backlog.findings():
        console.print(f"[red]{finding}", highlight=False)
    return 1 if backlog.findings() else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
