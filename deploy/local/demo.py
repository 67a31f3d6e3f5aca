"""The demo: one observation through the whole of Waterhole, as a user would send it, and what was found in it."""

import asyncio
import hashlib
import json
import shutil
import time
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
from science.simulator import spectra, voyager_1, write_fil
from shared.formats import FORMATS

POLL_S = 0.1
LONGEST_JOB_S = 600.0
EXPORTS_S = 120.0
SUFFIXES = (".fil", ".h5")


class DemoError(LocalError):
    """The demo can't go on; the message is for the user."""


@dataclass
class Timings:
    """Seconds after POST /analyze."""

    complete_s: float = 0.0
    exported_s: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)


def check_file(path: Path) -> None:
    """Refuse a file that can't be an observation.

    Raises:
        DemoError: not there, no file, empty, or of another type; the message says which.
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
    """A Voyager 1 like observation with known tones, made once for each version of the simulator."""
    sources = sorted(Path(science.simulator.__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    path = folder / f"voyager_1-{version}.fil"
    if not path.exists():
        console.print("Making an observation like that of Voyager 1 in 2016 (once) ...")
        folder.mkdir(parents=True, exist_ok=True)
        for outdated in folder.glob("voyager_1-*"):
            outdated.unlink()
        scene, _ = voyager_1()
        partial = path.with_suffix(".partial")
        write_fil(partial, scene.header, spectra(scene))
        partial.replace(path)
    return path


async def upload(client: Waterhole, path: Path, console: Console) -> str:
    """Upload with a progress bar; returns the file_key."""
    columns = (TextColumn("Uploading {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(path.name, total=path.stat().st_size)  # noqa: ASYNC240 -- a local file
        return await client.upload(path, lambda sent: progress.advance(task, sent))


async def follow(client: Waterhole, job_id: str, began: float, console: Console) -> tuple[dict[str, Any], Timings]:
    """Wait until the job is complete and all its artefacts are there.

    Raises:
        DemoError: the job failed (its own sentence), or took too long.
    """
    timings = Timings()
    with console.status("Analyzing ...") as status:
        while True:
            job, elapsed_s = await client.job(job_id), time.perf_counter() - began
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
        raise DemoError(f"Not all artefacts were there {EXPORTS_S:.0f} s after the job was complete.")


async def download_all(client: Waterhole, job_id: str, out: Path, console: Console) -> dict[str, Path]:
    """Save every artefact and list them; returns where each format is."""
    out.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 -- a local folder
    paths = await asyncio.gather(*(client.download(job_id, name, out) for name in FORMATS))
    console.print(f"\nEverything that the job left is in {out.resolve()}:")  # noqa: ASYNC240
    for name, path in zip(FORMATS, paths, strict=True):
        console.print(f"  {path.name:<22} {path.stat().st_size:>12,} bytes   ({name})", highlight=False)
    return dict(zip(FORMATS, paths, strict=True))


def report(job: dict[str, Any], timings: Timings, console: Console) -> None:
    """Print how long it took and what was found."""
    results = job["results"]
    console.print(
        f"\nFrom POST /analyze to [bold]complete: {timings.complete_s:.2f} s[/bold], to all artefacts: "
        f"{timings.exported_s:.2f} s.",
        highlight=False,
    )
    if timings.stages_s:
        seen = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in timings.stages_s.items())
        console.print(f"Stages first seen at: {seen}.", highlight=False)
    console.print(
        f"{results['raw_hits']} raw hits, {results['filtered_hits']} after filtering, "
        f"{results['candidates']} candidates.\n",
        highlight=False,
    )
    if results["top_candidates"]:
        console.print(candidates_table(results["top_candidates"]))
    else:
        console.print("Nothing in this observation is left to look at: no candidates.")


def report_truth(results_file: Path, console: Console) -> None:
    """Print the tones that were put into the made observation beside what was found.

    They are looked for among all hits, since candidates hold one of several hits of an emitter.

    Raises:
        DemoError: a tone was not found.
    """
    scene, truth = voyager_1()
    comparisons = compare(truth, json.loads(results_file.read_text())["raw_hits"], scene.header)
    console.print()
    console.print(truth_table(comparisons))
    missing = [one.frequency_hz for one in comparisons if one.found is None]
    if missing:
        names = ", ".join(f"{frequency_hz / 1e6:.6f} MHz" for frequency_hz in missing)
        raise DemoError(f"Of the tones in the observation, these were not found: {names}.")
    console.print("Every tone that was put into the observation was found.")


async def run_demo(data_dir: Path, file: Path | None, out: Path, console: Console) -> None:
    """Run the demo and clean up after it.

    Raises:
        DemoError: it did not go well; the message says why.
    """
    if file is not None:
        check_file(file)
    for item in FORMATS.values():
        # Those of an earlier run are not to be taken for this one's.
        (out / item.filename).unlink(missing_ok=True)
    path = file or made_observation(data_dir, console)
    home = data_dir / "demo"
    console.print("Starting Kafka, MongoDB, S3 and the five services ...")
    began = time.perf_counter()
    try:
        async with running_stack(home) as stack:
            console.print(f"Ready at {stack.url} after {time.perf_counter() - began:.1f} s.", highlight=False)
            async with Waterhole(stack.url, stack.api_key) as client:
                await _analyze(client, path, out, console, made=file is None)
    except (ApiError, aiohttp.ClientError) as error:
        raise DemoError(f"A request failed: {error}") from error
    finally:
        # The logs stay, for whoever wants to know what went on.
        for name in ("s3", "mongodb"):
            shutil.rmtree(home / name, ignore_errors=True)


async def _analyze(client: Waterhole, path: Path, out: Path, console: Console, *, made: bool) -> None:
    file_key = await upload(client, path, console)
    submitted = time.perf_counter()
    job_id = await client.analyze(file_key, path.name, "Voyager 1 (simulated)" if made else None)
    job, timings = await follow(client, job_id, submitted, console)
    report(job, timings, console)
    artefacts = await download_all(client, job_id, out, console)
    for warning in json.loads(artefacts["json"].read_text())["warnings"]:
        console.print(f"[yellow]Warning:[/yellow] {escape(warning)}", highlight=False)
    if made:
        report_truth(artefacts["json"], console)
