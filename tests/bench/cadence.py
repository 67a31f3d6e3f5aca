"""Measure a cadence of six scans on the embedded servers beside its six single jobs, and what its tracks read.

The single jobs are started at once, as a user who has six files does: five, which is what the tier allows, and the last
one as soon as another is complete. Their time lasts until all are complete. They are also run one after another. Then
the same six files are one cadence, from POST /cadences to complete and to its files, and at last the jobs that are
there already are the scans of a cadence. These take turns; each figure is the median of the turns after the first,
which fills caches.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.client import Waterhole
from deploy.local.stack import Stack, running_stack
from science.simulator import write_fil
from science.simulator.cadences import demo_cadence
from services.dedoppler.track_handlers import TrackHandler
from shared.blobs import open_storage
from shared.cadence import Role
from shared.cadence_events import TrackReady
from shared.event import Upload
from shared.filterbank import LocalSource, read_header
from shared.settings import ServiceSettings
from shared.tracks import TrackList
from tests.bench import observation
from tests.bench.files import JOB
from tests.bench.job import POLL_S, settings_of

TURNS = 4
# Jobs at a time, as the tier allows.
PLACES = 5
GOAL = 1.5

Shown = dict[str, Any]
Ask = Callable[[], Coroutine[Any, Any, Shown]]


@dataclass(frozen=True)
class CountingSource(LocalSource):
    """A file that counts the bytes that are read of it."""

    lengths: list[int] = field(default_factory=list)

    async def read(self, start: int, length: int) -> bytes:
        self.lengths.append(length)
        return await super().read(start, length)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        self.lengths.append(len(buffer))
        return await super().read_into(start, buffer)


class TracksAlone:
    """A results bucket that has the tracks of a cadence and stores nothing."""

    def __init__(self, tracks: bytes) -> None:
        self._tracks = tracks

    async def get(self, key: str) -> bytes:
        return self._tracks

    async def put(self, key: str, body: bytes, content_type: str = "") -> None:
        """Forget the object."""


async def until(ask: Ask, *, files: bool) -> Shown:
    """Poll a job or cadence until it is complete, or has all its files; return it."""
    while True:
        shown = await ask()
        if shown["status"] == "failed":
            raise SystemExit(shown["error"])
        if shown["exports_ready"] if files else shown["status"] == "complete":
            return shown
        await asyncio.sleep(POLL_S)


async def run_jobs(waterhole: Waterhole, keys: Sequence[str], *, at_once: bool) -> tuple[float, list[str]]:
    """Run a job for each file; return the seconds until all are complete, and the jobs, whose files are there then."""
    places = asyncio.Semaphore(PLACES if at_once else 1)
    began = time.perf_counter()

    async def one(key: str) -> str:
        async with places:
            job_id = await waterhole.analyze(key, "scan.fil")
            await until(lambda: waterhole.job(job_id), files=False)
            return job_id

    jobs = await asyncio.gather(*map(one, keys))
    seconds = time.perf_counter() - began
    await until_exported(waterhole, jobs)
    return seconds, jobs


async def until_exported(waterhole: Waterhole, jobs: Sequence[str]) -> None:
    """Wait for the files of jobs, so that no work is left for the next measurement."""
    for job_id in jobs:
        await until(lambda job_id=job_id: waterhole.job(job_id), files=True)  # type: ignore[misc]


async def run_cadence(waterhole: Waterhole, scans: Sequence[Shown]) -> tuple[float, float, Shown]:
    """Run a cadence; return the seconds to complete and to its files, and the cadence."""
    began = time.perf_counter()
    cadence_id = await waterhole.start_cadence(scans, "bench")
    await until(lambda: waterhole.cadence(cadence_id), files=False)
    complete_s = time.perf_counter() - began
    found = await until(lambda: waterhole.cadence(cadence_id), files=True)
    exported_s = time.perf_counter() - began
    await until_exported(waterhole, [scan["job_id"] for scan in found["scans"]])
    return complete_s, exported_s, found


async def bytes_of_tracks(stack: Stack, cadence_id: str, paths: Sequence[Path]) -> tuple[int, int]:
    """Measure the tracks of a cadence in its scans again; return their number and the bytes read of all files."""
    async with open_storage(ServiceSettings.model_validate(settings_of(stack))) as storage:
        raw = await storage.results.get(f"jobs/{cadence_id}/tracks.npz")
    n_tracks, sources = len(TrackList.from_bytes(raw).tracks), [CountingSource(path) for path in paths]
    with ThreadPoolExecutor() as pool:
        for scan, source in enumerate(sources):
            header, _ = await read_header(LocalSource(source.path))
            upload = Upload(
                file_key="uploads/bench/scan.fil",
                file_name="scan.fil",
                file_size=source.path.stat().st_size,
                source_name="bench",
                submitted_at=datetime.now(UTC),
            )
            event = TrackReady.make(
                job_id=JOB,
                producer="bench",
                step=str(scan),
                upload=upload,
                header=header,
                scan=scan,
                part=scan,
                parts=len(paths),
                tracks_key=f"jobs/{JOB}/tracks.npz",
                first_track=0,
                stop_track=n_tracks,
            )
            await TrackHandler(lambda _upload, source=source: source, TracksAlone(raw), pool).handle(event)  # type: ignore[misc]
    return n_tracks, sum(sum(source.lengths) for source in sources)


async def take_turn(waterhole: Waterhole, keys: Sequence[str], roles: Sequence[Role]) -> tuple[dict[str, float], Shown]:
    """Run the jobs and the cadences once; return what each took, by what it is, and the cadence of the files."""
    one_by_one, _ = await run_jobs(waterhole, keys, at_once=False)
    at_once, jobs = await run_jobs(waterhole, keys, at_once=True)
    of_files = [{"file_key": key, "role": role} for key, role in zip(keys, roles, strict=True)]
    complete, exported, found = await run_cadence(waterhole, of_files)
    of_jobs = [{"job_id": job, "role": role} for job, role in zip(jobs, roles, strict=True)]
    again, _, _ = await run_cadence(waterhole, of_jobs)
    taken = {
        "six single jobs, one after another, to complete": one_by_one,
        "six single jobs, started at once, to complete": at_once,
        "POST /cadences with the six files to complete": complete,
        "POST /cadences with the six files to its files": exported,
        "POST /cadences with the six jobs to complete": again,
        f"cadence / jobs started at once (goal: {GOAL})": complete / at_once,
        f"cadence / jobs one after another (goal: {GOAL})": complete / one_by_one,
    }
    return taken, found


async def measure(console: Console, folder: Path) -> None:
    """Measure, and print a table."""
    simulated = demo_cadence()
    paths = [folder / f"scan_{number}.fil" for number in range(1, len(simulated.roles) + 1)]
    for path, scene in zip(paths, simulated.scenes(), strict=True):
        write_fil(path, scene.header, observation.shown_spectra(scene, console, f"Writing {path.name} ..."))
    scan_bytes = paths[0].stat().st_size
    with tempfile.TemporaryDirectory(prefix="waterhole-stack-") as data:
        async with running_stack(Path(data)) as stack, Waterhole(stack.url, stack.api_key) as waterhole:
            keys = [await waterhole.upload(path) for path in paths]
            turns = [await take_turn(waterhole, keys, simulated.roles) for _ in range(TURNS)]
            found = turns[-1][1]
            n_tracks, n_bytes = await bytes_of_tracks(stack, found["cadence_id"], paths)
    for path in paths:
        path.unlink()
    title = f"A cadence of six scans, {scan_bytes / 1e6:.0f} MB each, {found['results']['events']} events"
    table = Table(title=title, title_justify="left")
    table.add_column("Part")
    for heading in ("s, or ratio", "least", "most"):
        table.add_column(heading, justify="right")
    for name in turns[0][0]:
        taken = [of_turn[name] for of_turn, _ in turns[1:]]
        table.add_row(name, *(f"{one:.2f}" for one in (statistics.median(taken), min(taken), max(taken))))
    part = n_bytes / (len(paths) * scan_bytes)
    table.add_row(f"bytes read to measure {n_tracks} tracks / bytes of the files", f"{part:.3f}", "", "")
    console.print(table)
