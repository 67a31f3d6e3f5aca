"""Dead letters from the command line: `python -m shared.bus {list,show,replay,drop}`.

Kafka is where WATERHOLE_KAFKA_BOOTSTRAP says, or `--kafka`. `list` shows what is waiting; `replay` puts letters back on
the topic that they came from, as they were, for when what kept them from being handled is mended; `drop` marks those
that need nothing more. Letters are chosen by `--at PARTITION:OFFSET`, by `--job JOB_ID`, or with `--every`.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence

from shared.bus.dead_letters import DeadLetters, Letter, open_dead_letters
from shared.errors import WaterholeError
from shared.settings import ServiceSettings

SHOWN_ERROR = 60
# Said of every replay: what became of the job is not for the bus to know.
STAYS_FAILED = (
    "A job that had failed stays so for its user, whatever the replay makes: jobs only move forward. What it makes is "
    "in the results bucket, and the user may start the observation again."
)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m shared.bus", description="Read, replay and drop dead letters.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="one line for each letter that waits")
    listing.add_argument("--all", action="store_true", help="those that were replayed or dropped, too")
    show = commands.add_parser("show", help="all of a letter, with the bytes that could not be handled")
    replay = commands.add_parser(
        "replay",
        help="put letters back on the topic that they came from; their jobs stay failed",
        description=f"Put letters back on the topic that they came from. {STAYS_FAILED}",
    )
    drop = commands.add_parser("drop", help="mark letters that need nothing more")
    for command in (listing, show, replay, drop):
        command.add_argument("--kafka", help="bootstrap servers (default: WATERHOLE_KAFKA_BOOTSTRAP)")
        command.add_argument("--topic", help="the topic that the letters came from (default: every one)")
        command.add_argument("--job", help="letters of this job only")
        command.add_argument("--limit", type=int, help="the oldest so many only")
    for command in (show, replay, drop):
        command.add_argument(
            "--at", action="append", help="PARTITION:OFFSET of a letter, as list shows it; needs --topic"
        )
    for command in (replay, drop):
        command.add_argument("--every", action="store_true", help="every letter that waits")
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")
    if getattr(options, "at", None) and not options.topic:
        parser.error("--at needs --topic")
    if options.command in ("replay", "drop") and not (options.at or options.job or options.every):
        parser.error("say which letters: --at, --job or --every")
    return options


async def chosen(letters: DeadLetters, options: argparse.Namespace) -> list[Letter]:
    """The letters that the options speak of; settled ones only where they are named, or all are asked for."""
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
    """A letter in one line: where it is, when, of which job, why, and what became of it."""
    fields = [letter.topic, letter.at, f"{letter.set_aside_at:%Y-%m-%dT%H:%M:%SZ}", letter.job_id or "-"]
    why = letter.headers.get("error", "")
    why = why if len(why) <= SHOWN_ERROR else why[: SHOWN_ERROR - 1] + "…"
    return "  ".join([*fields, letter.outcome or "waiting", letter.headers.get("error_code", "-"), why])


def whole(letter: Letter) -> str:
    """All of a letter, as JSON; a value that is no text as it looks."""
    value = None if letter.value is None else letter.value.decode(errors="backslashreplace")
    fields = {"topic": letter.topic, "at": letter.at, "set_aside_at": letter.set_aside_at.isoformat()}
    fields |= {"job_id": letter.job_id, "outcome": letter.outcome or "waiting"}
    return json.dumps({**fields, **letter.headers, "value": value}, indent=2, ensure_ascii=False)


async def run(options: argparse.Namespace) -> None:
    """Do what was asked for."""
    settings = ServiceSettings(**({"kafka_bootstrap": options.kafka} if options.kafka else {}))
    async with open_dead_letters(settings) as letters:
        found = await chosen(letters, options)
        for letter in found:
            if options.command == "replay":
                await letters.replay(letter)
            elif options.command == "drop":
                await letters.drop(letter)
            print(whole(letter) if options.command == "show" else line(letter))
    done = {"list": "found", "show": "found", "replay": "replayed", "drop": "dropped"}[options.command]
    print(f"{len(found)} {done}.", file=sys.stderr)
    if options.command == "replay" and found:
        print(STAYS_FAILED, file=sys.stderr)


def main() -> None:
    """Entry point of the command."""
    # The client library logs what the command's own last line says better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = arguments()
    try:
        asyncio.run(run(options))
    except WaterholeError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
