"""A backlog of many jobs, and what the services hold of it: `python -m tests.chaos.backlog [--jobs 1000]`.

One user starts all jobs on one small file, far faster than they are worked off. While that goes on, the resident memory
of each service is read (Linux only), and how many messages it has in hand. Whatever waits is to wait on the broker and
in the database: after the last job a service may hold no more than after the first hundred, within TOLERANCE_MB.
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

# Channels of the file, as a power of 2: one chunk.
SIZE = 11
FIRST_JOBS = 100
# Jobs over which a level is taken.
WINDOW = 50
SUBMITTERS = 8
SAMPLE_S = 0.5
# Allocators keep some of what was freed, in an arena for each thread. Export's pictures are drawn in threads: with six
# of them it was 16 to 28 MB up after 1,000 jobs, with two (see its `app`) 1 MB after 400. Nothing in it grows
# but matplotlib's cache of texts, up to 4,096 of them. A third of its file held back of each of 900 jobs would be more
# than this.
TOLERANCE_MB = 40.0
PARTITIONS = 4
TOPICS_OF_GATEWAY = 4

Say = Callable[[str], None]


def own_settings(jobs: int) -> dict[str, str]:
    """A tier with room for so many open jobs, none of which is taken for lost however long it waits."""
    roomy = DEFAULT_TIERS["enterprise"].model_copy(update={"concurrent_jobs": 2 * jobs, "history_jobs": 2 * jobs})
    tiers = {name: tier.model_dump() for name, tier in (DEFAULT_TIERS | {"enterprise": roomy}).items()}
    return {"WATERHOLE_TIERS": json.dumps(tiers), "WATERHOLE_OUTBOX_SILENCE_S": "3600"}


@dataclass
class Held:
    """What one service held, over time."""

    # Jobs that were done at the time, and resident memory, MB.
    memory: list[tuple[int, float]] = field(default_factory=list)
    most_in_hand: float = 0.0

    def level(self, first: int, last: int) -> float:
        """Median of the memory while from `first` to `last` jobs were done, MB; pictures being drawn come on top."""
        return statistics.median(mb for done, mb in self.memory if first <= done <= last)

    @property
    def peak(self) -> float:
        """The most that was seen, MB."""
        return max(mb for _, mb in self.memory)


@dataclass
class Backlog:
    """What was seen."""

    jobs: int
    done: int = 0
    most_waiting: int = 0
    held: dict[str, Held] = field(default_factory=lambda: defaultdict(Held))

    def levels(self, name: str) -> tuple[float, float, float]:
        """Memory of a service after the first hundred jobs, halfway and at the end, MB."""
        starts = (FIRST_JOBS, self.done // 2, self.done - WINDOW)
        first, half, last = (self.held[name].level(start, start + WINDOW) for start in starts)
        return first, half, last

    def findings(self) -> list[str]:
        """What grew, or held more messages than it has partitions."""
        found = [] if self.done > FIRST_JOBS else [f"only {self.done} jobs were worked off"]
        for name, held in self.held.items():
            first, _, last = self.levels(name)
            grown = last - first
            if grown > TOLERANCE_MB:
                found.append(f"{name} grew by {grown:.0f} MB from {FIRST_JOBS} jobs to {self.done}")
            bound = PARTITIONS * (TOPICS_OF_GATEWAY if name == "gateway" else 1)
            if held.most_in_hand > bound:
                found.append(f"{name} had {held.most_in_hand:.0f} messages in hand; {bound} are possible")
        return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB of 10^6 bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


async def run_backlog(playground: Playground, folder: Path, jobs: int, minutes: float, say: Say) -> Backlog:
    """Start so many jobs at once and watch them being worked off, for so many minutes at most."""
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
            say(f"{len(started)} jobs started, {len(done)} done")
            deadline = time.monotonic() + 60 * minutes
            while len(done) < jobs and time.monotonic() < deadline:
                await asyncio.sleep(10)
                say(f"{len(done)} of {jobs} jobs done")
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
    """Put down each job whose artefacts are there, as a program of a user's would."""
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
    """Memory by service, and messages in hand."""
    table = Table(
        "service",
        "before, MB",
        f"{FIRST_JOBS} done",
        f"{backlog.done // 2} done",
        f"{backlog.done} done",
        "grown",
        "peak",
        "most in hand",
        title=f"A backlog of {backlog.jobs} jobs: up to {backlog.most_waiting} waited, {backlog.done} were worked off",
    )
    for name, held in backlog.held.items():
        first, half, last = backlog.levels(name)
        figures = (held.memory[0][1], first, half, last)
        row = (*(f"{mb:.0f}" for mb in figures), f"{last - first:+.0f}", f"{held.peak:.0f}", f"{held.most_in_hand:.0f}")
        table.add_row(name, *row)
    return table


async def main() -> int:
    """Run, and print the table; 0 if nothing grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.backlog", description="Memory under a backlog.")
    parser.add_argument("--servers", choices=("embedded", "real"), default="embedded", help="default: embedded")
    parser.add_argument("--jobs", type=int, default=1000, help="default: 1000; more than 100")
    parser.add_argument("--minutes", type=float, default=30, help="work off for no longer; default: 30")
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
