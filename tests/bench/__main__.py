"""Measure time and memory on this machine: `python -m tests.bench`.

There are ten parts: the search of one coarse channel; its zoomable waterfall; the search of many, from file to hits;
observations of many spectra; a job on the embedded servers beside a plain reader; a cadence beside its single jobs; the
memory of a worker; observations with many hits; crowded bands; the requests of the gateway. The search of one and of
many also runs turboSETI where it is installed. Each figure of the search is the median of several runs after one
uncounted run. Kernels are compiled before.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from science.simulator import spectra, write_h5
from shared.logs import configure_logs
from tests.bench import (
    cadence,
    crowd,
    files,
    gateway,
    hits,
    job,
    many_spectra,
    memory,
    observation,
    peer,
    pyramid,
    search,
)

PARTS = ("search", "pyramid", "files", "spectra", "job", "cadence", "memory", "hits", "crowd", "gateway")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure time and memory on this machine."
    )
    parser.add_argument("--runs", type=int, default=5, help="runs per figure of the search (default: 5)")
    parser.add_argument("--only", choices=PARTS, action="append", help="run only this part (may be repeated)")
    parser.add_argument(
        "--long", action="store_true", help="add larger files and wider drift ranges (ten minutes, 5 GB of disk)"
    )
    arguments = parser.parse_args()
    # SIGTERM raises SystemExit, so that files and servers are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parts = arguments.only or PARTS
    configure_logs("bench", "WARNING")
    console = Console()
    if not peer.is_installed():
        console.print("turboSETI is not installed; its figures are left out.")
    with tempfile.TemporaryDirectory(prefix="waterhole-bench-") as name:
        measure_with_files(console, Path(name), parts, runs=arguments.runs, long=arguments.long)
    if "pyramid" in parts:
        pyramid.measure(console, runs=arguments.runs)
    if "hits" in parts:
        asyncio.run(hits.measure(console))
    if "crowd" in parts:
        crowd.measure(console)
    if "gateway" in parts:
        asyncio.run(gateway.measure(console))


def measure_with_files(console: Console, folder: Path, parts: Sequence[str], *, runs: int, long: bool) -> None:
    """Measure the parts that write observations into a folder."""
    warm = folder / "warm.h5"
    small = observation.scene(2, 2**16)
    write_h5(warm, small.header, spectra(small))
    if "search" in parts:
        search.measure(console, folder, warm, runs=runs, long=long)
    if "files" in parts:
        files.measure(console, folder, warm, long=long)
    if "spectra" in parts:
        many_spectra.measure(console, folder)
    if "job" in parts:
        asyncio.run(job.measure(console, folder, long=long))
    if "cadence" in parts:
        asyncio.run(cadence.measure(console, folder))
    if "memory" in parts:
        asyncio.run(memory.measure(console, folder, long=long))


if __name__ == "__main__":
    main()
