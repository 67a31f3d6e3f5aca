"""`python -m tests.chaos [--servers embedded|real] [--jobs N] [--seed N] [--minutes N]`: see `tests.chaos.run`."""

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
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Disturb Waterhole, and audit it.")
    parser.add_argument("--servers", choices=("embedded", "real"), default="embedded", help="default: embedded")
    parser.add_argument("--jobs", type=int, default=200, help="default: 200")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--minutes", type=float, default=20, help="give up after so many; default: 20")
    parser.add_argument("--quiet", action="store_true", help="disturb nothing: what the jobs take by themselves")
    parser.add_argument("--logs", type=Path, help="keep the services' logs in this folder")
    return parser.parse_args()


async def main() -> int:
    """Run, and print the table; 0 if nothing is wrong."""
    options, console, started = arguments(), Console(), time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {what}", highlight=False)

    folder = options.logs or Path(tempfile.mkdtemp(prefix="waterhole-chaos-"))
    make = embedded_playground if options.servers == "embedded" else real_playground
    async with asyncio.timeout(60 * options.minutes), make(folder) as playground:
        audit, disturber = await chaos(playground, jobs=options.jobs, seed=options.seed, say=say, quiet=options.quiet)
    table = Table(title=f"{options.jobs} jobs on {options.servers} servers, seed {options.seed}", show_header=False)
    for row in audit.rows():
        table.add_row(*row)
    for name, count in sorted(disturber.counts.items()):
        table.add_row(name, str(count))
    if audit.not_compared:
        table.add_row("not compared, as they vary by themselves", ", ".join(sorted(audit.not_compared)))
    table.add_row("took", f"{time.monotonic() - started:.0f} s")
    console.print(table)
    for finding in audit.findings:
        console.print(f"[red]{finding}", highlight=False)
    return 1 if audit.findings else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
