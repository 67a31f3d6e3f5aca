"""The demo: analyze one observation through the REST API, as a user would, and show the results."""

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

import science.simulator
from deploy.local.client import ApiError, Waterhole
from deploy.local.demo_tables import candidates_table, compare, truth_table
from deploy.local.errors import LocalError
from deploy.local.stack import running_stack
from science.simulator import Scene, spectra, voyager_1, write_fil
from shared.formats import FORMATS

POLL_S = 0.1
LONGEST_JOB_S = 600.0
EXPORTS_S = 120.0
SUFFIXES = (".fil", ".h5")
# The name that the simulated file has for users; the name on disk changes with the simulator.
MADE_NAME = "voyager_1.fil"


class DemoError(LocalError):
    """The demo can't continue; the message is for the user."""


@dataclass
class Timings:
    """Seconds after POST /analyze."""

    complete_s: float = 0.0
    exported_s: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)


def check_file(path: Path) -> None:
    """Refuse a file that can't be an observation.

    Raises
    ------
    DemoError
        The file does not exist, is a folder, is empty, or is of another type; the message says which.
    """
    if not path.exists():
        raise DemoError(f"There is no file {path}.")
    if not path.is_file():
        raise DemoError(f"{path} is not a file; name one filterbank file (.fil or .h5).")
    if path.suffix.lower() not in SUFFIXES:
        raise DemoError(f"{path} is not a filterbank file: its name must end in .fil or .h5.")
    if path.stat().st_size == 0:
        raise DemoError(f"{path} is empty.")


def made_observation(folder: Path, console: Console) -> Path:
    """Return a simulated observation of Voyager 1 with known tones; it is made once per version of the simulator."""
    (path,) = made_files(folder, "voyager_1", [voyager_1()[0]], "an observation of Voyager 1", console)
    return path


def made_files(folder: Path, stem: str, scenes: Sequence[Scene], what: str, console: Console) -> list[Path]:
    """Return a file for each scene; they are made once per version of the simulator."""
    sources = sorted(Path(science.simulator.__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    numbers = [f"_{number}" for number in range(1, len(scenes) + 1)] if len(scenes) > 1 else [""]
    paths = [folder / f"{stem}{number}-{version}.fil" for number in numbers]
    if not all(path.exists() for path in paths):
        console.print(f"Simulating {what} (only once) ...")
        folder.mkdir(parents=True, exist_ok=True)
        for outdated in folder.glob(f"{stem}*"):
            outdated.unlink()
        for path, scene in zip(paths, scenes, strict=True):
            partial = path.with_suffix(".partial")
            write_fil(partial, scene.header, spectra(scene))
            partial.replace(path)
    return paths


async def upload(client: Waterhole, path: Path, name: str, console: Console) -> str:
    """Upload with a progress bar that shows `name`; return the file_key."""
    columns = (TextColumn("Uploading {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=path.stat().st_size)  # noqa: ASYNC240 -- a local file
        return await client.upload(path, lambda sent: progress.advance(task, sent))


async def follow(
    state: Callable[[], Awaitable[dict[str, Any]]], began: float, console: Console
) -> tuple[dict[str, Any], Timings]:
    """Wait until the job or cadence whose `state` this is is complete and all its artefacts are available.

    Raises
    ------
    DemoError
        The job failed (the message is that of the job), or it took too long.
    """
    timings = Timings()
    with console.status("Analyzing ...") as status:
        while True:
            job, elapsed_s = await state(), time.perf_counter() - began
            if job["status"] == "failed":
                raise DemoError(f"The job failed: {job.get('error', 'no reason was given')}")
            if progress := job.get("progress"):
                timings.stages_s.setdefault(progress["stage"], elapsed_s)
                status.update(f"Analyzing: {progress['stage']} {progress['done']} of {progress['total']}")
            if job["status"] == "complete" and not timings.complete_s:
                timings.complete_s = elapsed_s
                status.update("Writing catalogues and plots ...")
            if timings.complete_s and job.get("exports_ready"):
                timings.exported_s = elapsed_s
                return job, timings
            _check_patience(timings, elapsed_s)
            await asyncio.sleep(POLL_S)


def _check_patience(timings: Timings, elapsed_s: float) -> None:
    if not timings.complete_s and elapsed_s > LONGEST_JOB_S:
        raise DemoError(f"The job was not complete after {LONGEST_JOB_S:.0f} s.")
    if timings.complete_s and elapsed_s > timings.complete_s + EXPORTS_S:
        raise DemoError(f"Not all artefacts were available {EXPORTS_S:.0f} s after the job was complete.")


async def download_all(client: Waterhole, job_id: str, out: Path, console: Console) -> dict[str, Path]:
    """Download every artefact and list them; return the path of each format."""
    out.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 -- a local folder
    paths = await asyncio.gather(*(client.download(job_id, name, out) for name in FORMATS))
    console.print(f"\nResults are in {out.resolve()}:")  # noqa: ASYNC240
    for name, path in zip(FORMATS, paths, strict=True):
        console.print(f"  {path.name:<22} {path.stat().st_size:>12,} bytes   ({name})", highlight=False)
    return dict(zip(FORMATS, paths, strict=True))


def report(job: dict[str, Any], timings: Timings, console: Console) -> None:
    """Print times and numbers of hits, and a table of the top candidates."""
    results = job["results"]
    console.print(
        f"\nSearch complete [bold]{timings.complete_s:.2f} s[/bold] after POST /analyze, all artefacts after "
        f"{timings.exported_s:.2f} s.",
        highlight=False,
    )
    if timings.stages_s:
        seen = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in timings.stages_s.items())
        console.print(f"First news of each stage: {seen}.", highlight=False)
    console.print(
        f"{results['raw_hits']} raw hits, {results['filtered_hits']} after filtering, "
        f"{results['candidates']} candidates.\n",
        highlight=False,
    )
    if results["top_candidates"]:
        console.print(candidates_table(results["top_candidates"]))
    else:
        console.print("No candidates in this observation.")


def report_truth(results_file: Path, console: Console) -> None:
    """Print the tones of the simulated observation beside the hits at their places.

    All hits are compared, since only one of several hits of an emitter is a candidate.

    Raises
    ------
    DemoError
        A tone was not found.
    """
    scene, truth = voyager_1()
    comparisons = compare(truth, json.loads(results_file.read_text())["raw_hits"], scene.header)
    console.print()
    console.print(truth_table(comparisons))
    missing = [one.frequency_hz for one in comparisons if one.found is None]
    if missing:
        names = ", ".join(f"{frequency_hz / 1e6:.6f} MHz" for frequency_hz in missing)
        raise DemoError(f"These simulated tones were not found: {names}.")
    console.print("All simulated tones were found.")


async def run_demo(data_dir: Path, file: Path | None, out: Path, console: Console) -> None:
    """Run the demo and clean up.

    Raises
    ------
    DemoError
        The demo failed; the message says why.
    """
    if file is not None:
        check_file(file)
    for item in FORMATS.values():
        # Results of an earlier run must not be mistaken for those of this run.
        (out / item.filename).unlink(missing_ok=True)
    path = file or made_observation(data_dir, console)
    async with demo_client(data_dir, console) as client:
        await _analyze(client, path, out, console, made=file is None)


@asynccontextmanager
async def demo_client(data_dir: Path, console: Console) -> AsyncIterator[Waterhole]:
    """Run all services in the context, and clean up after it; yield a client.

    Raises
    ------
    DemoError
        A request failed.
    """
    home = data_dir / "demo"
    console.print("Starting Kafka, MongoDB, S3 and the five services ...")
    began = time.perf_counter()
    try:
        async with running_stack(home) as stack:
            console.print(f"Ready at {stack.url} after {time.perf_counter() - began:.1f} s.", highlight=False)
            async with Waterhole(stack.url, stack.api_key) as client:
                yield client
    except (ApiError, aiohttp.ClientError) as error:
        raise DemoError(f"A request failed: {error}") from error
    finally:
        # The logs stay, so that a failure can be examined.
        for name in ("s3", "mongodb"):
            shutil.rmtree(home / name, ignore_errors=True)


async def _analyze(client: Waterhole, path: Path, out: Path, console: Console, *, made: bool) -> None:
    name = MADE_NAME if made else path.name
    file_key = await upload(client, path, name, console)
    submitted = time.perf_counter()
    job_id = await client.analyze(file_key, name, "Voyager 1 (simulated)" if made else None)
    job, timings = await follow(lambda: client.job(job_id), submitted, console)
    report(job, timings, console)
    artefacts = await download_all(client, job_id, out, console)
    for warning in json.loads(artefacts["json"].read_text())["warnings"]:
        console.print(f"[yellow]Warning:[/yellow] {escape(warning)}", highlight=False)
    if made:
        report_truth(artefacts["json"], console)
