"""Waterhole on this machine: `python -m deploy.local up | link | user | demo`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from deploy.local.data_folder import DataFolder
from deploy.local.errors import LocalError
from deploy.local.log_view import LogView
from deploy.local.make_example import example_in_the_making
from deploy.local.stack import create_user, environment_of_running, running_stack, sign_in_link

INTERRUPTED = 130


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Run Waterhole on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run all services until Ctrl-C")
    up.add_argument("--port", type=int, help="port of the API (default: 8080, or a free port if 8080 is taken)")
    link = commands.add_parser("link", help="print a link that signs a browser in once, as the demo user")
    user = commands.add_parser("user", help="create a user on the running stack and print an API key once")
    user.add_argument("--tier", default="researcher", help="tier of the user (default: researcher)")
    user.add_argument("--name", default="user", help="name of the user (default: user)")
    demo = commands.add_parser("demo", help="analyze one observation and download its results")
    demo.add_argument("--file", type=Path, help="your filterbank file, .fil or .h5 (default: simulated Voyager 1 data)")
    demo.add_argument("--cadence", action="store_true", help="six simulated scans, ON and OFF, instead of one file")
    demo.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: out)")
    for command in (up, link, user, demo):
        command.add_argument(
            "--data", type=Path, default=Path(".waterhole"), help="folder of data and logs (default: .waterhole)"
        )
    return parser.parse_args()


async def up(data_dir: Path, port: int | None) -> None:
    """Serve until this task is cancelled."""
    log = LogView(DataFolder(data_dir).logs, sys.stderr)
    async with running_stack(data_dir, port=port, log=log) as stack:
        link = await stack.sign_in_link()
        print(
            f"\nWaterhole is running.\n"
            f"  URL  {stack.url}\n"
            f"  key  {stack.api_key}\n"
            f"Open {link}\n"
            f"     in a browser: the link signs you in, once and within an hour (`make link` prints another).\n"
            f"     New analysis offers an example observation, as soon as it is made.\n"
            f"Try  curl -s -H 'x-api-key: {stack.api_key}' {stack.url}/jobs\n"
            f"Press Ctrl-C to stop. Logs: {log.folder}.\n",
            flush=True,
        )
        async with example_in_the_making(data_dir, stack.environment):
            await stack.until_broken()


async def link(data_dir: Path) -> None:
    """Print a link that signs a browser in once, as the demo user."""
    folder = DataFolder(data_dir)
    environment, up = environment_of_running(folder), folder.running()
    print(await sign_in_link(environment, up.url, folder.demo_user()["user_id"]))


async def user(data_dir: Path, tier: str, name: str) -> None:
    """Create a user and print the API key."""
    created = await create_user(environment_of_running(DataFolder(data_dir)), tier, name)
    print(f"tier  {created['tier']}\nkey   {created['api_key']}\nStore the key now: it is not shown again.")


async def demo(data_dir: Path, file: Path | None, out: Path, *, cadence: bool) -> None:
    """Run the demo of one observation, or of a cadence."""
    # Imported here because the other commands start faster without numpy and rich.
    from rich.console import Console

    if cadence:
        from deploy.local.demo_cadence import run_cadence_demo

        await run_cadence_demo(data_dir, out, Console())
    else:
        from deploy.local.demo import run_demo

        await run_demo(data_dir, file, out, Console())


async def until_signalled(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` until it ends or SIGINT, SIGTERM or SIGHUP cancels it; return whether a signal came."""
    task = asyncio.create_task(work)
    signals: list[signal.Signals] = []

    def stop(signum: signal.Signals) -> None:
        if signals:
            print("Already stopping ...", file=sys.stderr)
            return
        signals.append(signum)
        print("\nStopping ...", file=sys.stderr)
        task.cancel()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, stop, signum)
    try:
        await task
    except asyncio.CancelledError:
        if not signals:
            raise
    return bool(signals)


def main() -> None:
    options = arguments()
    work: Coroutine[Any, Any, None]
    if options.command == "up":
        work = up(options.data, options.port)
    elif options.command == "link":
        work = link(options.data)
    elif options.command == "user":
        work = user(options.data, options.tier, options.name)
    else:
        work = demo(options.data, options.file, options.out, cadence=options.cadence)
    try:
        interrupted = asyncio.run(until_signalled(work))
    except LocalError as error:
        sys.exit(str(error))
    if interrupted and options.command != "up":
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
