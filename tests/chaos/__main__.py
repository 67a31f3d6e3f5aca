"""Run the chaos test: `python -m tests.chaos [--servers embedded|real] [--jobs N] [--cadences N] [--seed N]`.

See `tests.chaos.run`.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.run import chaos
from tests.chaos.stacks import embedded_playground, real_playground


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Kill and freeze processes while jobs run, then check every result."
    )
    parser.add_argument(
        "--servers", choices=("embedded", "real"), default="embedded", help="servers to run on (default: embedded)"
    )
    parser.add_argument("--jobs", type=int, default=200, help="number of jobs (default: 200)")
    parser.add_argument("--cadences", type=int, help="number of cadences (default: one for ten jobs)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the disturbances and of the job order (default: 1)"
    )
    parser.add_argument("--minutes", type=float, default=20, help="fail after this many minutes (default: 20)")
    parser.add_argument("--quiet", action="store_true", help="run the jobs without disturbances")
    parser.add_argument("--logs", type=Path, help="folder to keep the services' logs in")
    return parser.parse_args()


async def main() -> int:
    """Run the test and print its table. Return 0 if there are no findings, else 1."""
    options, console, started = arguments(), Console(), time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {what}", highlight=False)

    n_cadences = options.jobs // 10 if options.cadences is None else options.cadences
    folder = options.logs or Path(tempfile.mkdtemp(prefix="waterhole-chaos-"))
    make = embedded_playground if options.servers == "embedded" else real_playground
    async with asyncio.timeout(60 * options.minutes), make(folder) as playground:
        audit, disturber = await chaos(
            playground, jobs=options.jobs, n_cadences=n_cadences, seed=options.seed, say=say, quiet=options.quiet
        )
    table = Table(
        title=f"{options.jobs} jobs and {n_cadences} cadences on {options.servers} servers, seed {options.seed}",
        show_header=False,
    )
    for row in audit.rows():
        table.add_row(*row)
    for name, count in sorted(disturber.counts.items()):
        table.add_row(name, str(count))
    if audit.not_compared:
        table.add_row("not compared (differ between undisturbed runs)", ", ".join(sorted(audit.not_compared)))
    table.add_row("duration", f"{time.monotonic() - started:.0f} s")
    console.print(table)
    for finding in audit.findings:
        console.print(f"[red]{finding}", highlight=False)
    return 1 if audit.findings else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
