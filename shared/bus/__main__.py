"""Dead letters from the command line: `python -m shared.bus {list,show,replay,drop}`.

`list` shows the letters that wait and `show` all of a letter. `replay` publishes letters again on the topic that they
came from, after the cause has been fixed. `drop` marks letters that need no action. Letters are selected by
`--at PARTITION:OFFSET`, `--job JOB_ID` or `--every`. The broker's address is in WATERHOLE_KAFKA_BOOTSTRAP or `--kafka`.
"""

import argparse
import asyncio
import getpass
import json
import logging
import sys
from collections.abc import Sequence

from shared.bus.dead_letters import DeadLetters, Letter, open_dead_letters
from shared.errors import WaterholeError
from shared.settings import ServiceSettings

SHOWN_ERROR = 60
# Shown after every replay.
REOPENED = (
    "A job that failed is processed again: its user sees `processing`, then the result. It does not count once more."
)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m shared.bus", description="Read, replay and drop dead letters.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="print one line per waiting letter")
    listing.add_argument("--all", action="store_true", help="include replayed and dropped letters")
    show = commands.add_parser("show", help="print all fields of letters, with the original bytes")
    replay = commands.add_parser(
        "replay",
        help="publish letters again on their topic, and reopen their jobs",
        description=f"Publish letters again on the topic that they came from. {REOPENED}",
    )
    drop = commands.add_parser("drop", help="mark letters that need no action")
    for command in (listing, show, replay, drop):
        command.add_argument("--kafka", help="bootstrap servers (default: WATERHOLE_KAFKA_BOOTSTRAP)")
        command.add_argument("--topic", help="topic that the letters came from (default: all topics)")
        command.add_argument("--job", help="only letters of this job")
        command.add_argument("--limit", type=int, help="only the oldest LIMIT letters")
    for command in (show, replay, drop):
        command.add_argument(
            "--at", action="append", help="PARTITION:OFFSET of a letter, as list prints it; needs --topic"
        )
    replay.add_argument(
        "--operator", default=getpass.getuser(), help="who replays them, for the record (default: the system's user)"
    )
    for command in (replay, drop):
        command.add_argument("--every", action="store_true", help="all waiting letters")
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")
    if getattr(options, "at", None) and not options.topic:
        parser.error("--at needs --topic")
    if options.command in ("replay", "drop") and not (options.at or options.job or options.every):
        parser.error("select letters with --at, --job or --every")
    return options


async def chosen(letters: DeadLetters, options: argparse.Namespace) -> list[Letter]:
    """Return the selected letters; replayed and dropped ones only with --at or --all."""
    topics = [options.topic] if options.topic else await letters.topics()
    found = [letter for topic in topics for letter in await letters.read(topic)]
    at = getattr(options, "at", None)
    if at:
        found = [letter for letter in found if letter.at in at]
    elif not getattr(options, "all", False):
        found = [letter for letter in found if letter.outcome is None]
    if options.job:
        found = [letter for letter in found if letter.job_id == options.job]
    return found[: options.limit]


def line(letter: Letter) -> str:
    """Format a letter as one line: topic, place, time, job, outcome, error code and error."""
    fields = [letter.topic, letter.at, f"{letter.set_aside_at:%Y-%m-%dT%H:%M:%SZ}", letter.job_id or "-"]
    why = letter.headers.get("error", "")
    why = why if len(why) <= SHOWN_ERROR else why[: SHOWN_ERROR - 1] + "…"
    return "  ".join([*fields, letter.outcome or "waiting", letter.headers.get("error_code", "-"), why])


def whole(letter: Letter) -> str:
    """Format a letter as JSON; bytes of its value that are not text are escaped."""
    value = None if letter.value is None else letter.value.decode(errors="backslashreplace")
    fields = {"topic": letter.topic, "at": letter.at, "set_aside_at": letter.set_aside_at.isoformat()}
    fields |= {"job_id": letter.job_id, "outcome": letter.outcome or "waiting"}
    return json.dumps({**fields, **letter.headers, "value": value}, indent=2, ensure_ascii=False)


async def run(options: argparse.Namespace) -> None:
    """Run the command."""
    settings = ServiceSettings(**({"kafka_bootstrap": options.kafka} if options.kafka else {}))
    async with open_dead_letters(settings) as letters:
        found = await chosen(letters, options)
        for letter in found:
            if options.command == "replay":
                await letters.replay(letter, options.operator)
            elif options.command == "drop":
                await letters.drop(letter)
            print(whole(letter) if options.command == "show" else line(letter))
    done = {"list": "found", "show": "found", "replay": "replayed", "drop": "dropped"}[options.command]
    print(f"{len(found)} {done}.", file=sys.stderr)
    if options.command == "replay" and found:
        print(REOPENED, file=sys.stderr)


def main() -> None:
    """Entry point of the command."""
    # The client library would log the failure that the last line of the command reports.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = arguments()
    try:
        asyncio.run(run(options))
    except WaterholeError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
