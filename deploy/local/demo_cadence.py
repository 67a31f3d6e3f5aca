"""The demo of a cadence: upload six simulated scans, find the events through the REST API, and show them."""

import asyncio
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.local.client import Waterhole
from deploy.local.demo import DemoError, Timings, demo_client, follow, made_files, upload
from science.simulator.cadences import Emitter, SimulatedCadence, demo_cadence
from shared.formats import CADENCE_FORMATS, event_picture
from shared.units import counted

FOLDER = "cadence"
TITLE = "Simulated cadence"
# A track counts as that of an emitter if it is this near at the epoch.
TOLERANCE_HZ = 20.0
SHOWN_REJECTED = 6


async def run_cadence_demo(data_dir: Path, out: Path, console: Console) -> None:
    """Run the demo and clean up.

    Raises
    ------
    DemoError
        The demo failed, or what was simulated was not found; the message says what.
    """
    folder = out / FOLDER
    # Results of an earlier run must not be mistaken for those of this run.
    shutil.rmtree(folder, ignore_errors=True)
    cadence = demo_cadence()
    paths = made_files(data_dir, "cadence", cadence.scenes(), "a cadence of six scans", console)
    async with demo_client(data_dir, console) as client:
        names = [f"scan_{number}_{role.upper()}.fil" for number, role in enumerate(cadence.roles, start=1)]
        keys = [await upload(client, path, name, console) for path, name in zip(paths, names, strict=True)]
        scans = [
            {"file_key": key, "filename": name, "role": role}
            for key, name, role in zip(keys, names, cadence.roles, strict=True)
        ]
        began = time.perf_counter()
        cadence_id = await client.start_cadence(scans, TITLE)
        found, timings = await follow(lambda: client.cadence(cadence_id), began, console)
        _report(found, timings, console)
        document = await _download(client, cadence_id, folder, console)
    _show(document, console)
    _check(document, cadence, console)


def _report(found: Mapping[str, Any], timings: Timings, console: Console) -> None:
    results = found["results"]
    console.print(
        f"\nEvents found [bold]{timings.complete_s:.2f} s[/bold] after POST /cadences, all files after "
        f"{timings.exported_s:.2f} s.",
        highlight=False,
    )
    console.print(
        f"{counted(results['events'], 'event')} of {counted(results['families'], 'emitter')}, "
        f"{counted(results['candidates'], 'candidate')}; {counted(results['rejected'], 'track')} rejected.\n",
        highlight=False,
    )


async def _download(client: Waterhole, cadence_id: str, folder: Path, console: Console) -> dict[str, Any]:
    """Download every file and list them; return `events.json`."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 -- a local folder
    path = await client.download_cadence(cadence_id, "json", folder)
    document: dict[str, Any] = json.loads(path.read_text())
    pictures = [event_picture(event["id"]).name for event in document["events"]]
    others = [name for name in CADENCE_FORMATS if name != "json"]
    paths = await asyncio.gather(*(client.download_cadence(cadence_id, name, folder) for name in others + pictures))
    console.print(f"Results are in {folder.resolve()}:")  # noqa: ASYNC240
    for one in (path, *paths):
        console.print(f"  {one.name:<22} {one.stat().st_size:>12,} bytes", highlight=False)
    return document


def _show(document: Mapping[str, Any], console: Console) -> None:
    """Print the events, and why the strongest of the other tracks are none."""
    console.print()
    console.print(_table("Events", document["events"]))
    console.print()
    for track in document["rejected"][:SHOWN_REJECTED]:
        reasons = " ".join(track["reasons"])
        console.print(f"No event: {track['frequency_hz'] / 1e6:.6f} MHz. {escape(reasons)}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]Warning:[/yellow] {escape(warning)}", highlight=False)


def _table(title: str, events: Iterable[Mapping[str, Any]]) -> Table:
    # Without lines between the columns it fits into 80 characters.
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("id", "MHz", "Hz/s", "SNR, ON", "SNR, OFF", "family"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("label", no_wrap=True)
    for event in events:
        table.add_row(
            str(event["id"]),
            f"{event['frequency_hz'] / 1e6:.6f}",
            f"{event['drift_rate']:+.3f}",
            _snrs(event["scans"], "on", 0),
            _snrs(event["scans"], "off", 1),
            str(event["family"]),
            escape(event["classification"]),
        )
    return table


def _snrs(scans: Sequence[Mapping[str, Any]], role: str, digits: int) -> str:
    of_role = (scan["snr"] for scan in scans if scan["role"] == role)
    return " ".join("-" if snr is None else f"{snr:.{digits}f}" for snr in of_role)


def _check(document: Mapping[str, Any], cadence: SimulatedCadence, console: Console) -> None:
    """Compare the events with what was simulated.

    Raises
    ------
    DemoError
        An emitter of the ON scans alone is no event, or another one is; the message names them.
    """
    wrong = []
    for emitter in cadence.emitters:
        is_event = any(_is_of(emitter, event) for event in document["events"])
        if is_event != (emitter.off_fraction == 0):
            wrong.append(f"{emitter.name} ({'an event' if is_event else 'no event'})")
    if wrong:
        raise DemoError(f"These simulated emitters were judged wrongly: {', '.join(wrong)}.")
    strangers = [event for event in document["events"] if not any(_is_of(one, event) for one in cadence.emitters)]
    if strangers:
        raise DemoError(f"{len(strangers)} events are of no simulated emitter.")
    console.print("All simulated emitters were judged rightly.")


def _is_of(emitter: Emitter, event: Mapping[str, Any]) -> bool:
    return bool(abs(event["frequency_hz"] - emitter.frequency_hz) <= TOLERANCE_HZ)
