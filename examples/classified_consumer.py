"""Print observations as Waterhole classifies them: `python examples/classified_consumer.py`.

A program of your own that subscribes to the events; docs/asyncapi.json describes all of them. It needs aiokafka and
nothing of Waterhole. Without arguments it finds the broker of the stack that `make up` runs in this folder.
"""

import argparse
import asyncio
import json
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

TOPIC = "observation.classified"
VERSION = 1
# Events may come more than once; so many ids are remembered to tell a repeat from news.
REMEMBERED = 10_000


class NoBrokerError(Exception):
    """There is no broker to listen to; the message says what to do."""


def bootstrap_of(up_file: Path) -> str:
    """The broker's address in the file that a running stack writes.

    Raises:
        NoBrokerError: no stack runs there.
    """
    try:
        return str(json.loads(up_file.read_text())["kafka"])
    except FileNotFoundError as error:
        raise NoBrokerError(f"There is no {up_file}: run `make up`, or name a broker with --kafka.") from error


def describe(event: dict[str, Any]) -> str:
    """One observation in one line, and its best candidate in another."""
    summary, upload = event["summary"], event["upload"]
    lines = [
        f"{event['occurred_at']}  {upload['source_name']}  job {event['job_id']}: "
        f"{summary['raw_hits']} hits, {summary['candidates']} candidates"
    ]
    lines += [
        f"    {best['frequency_hz'] / 1e6:.6f} MHz  {best['drift_rate']:+.4f} Hz/s  S/N {best['snr']:.1f}  "
        f"{best['classification']}  {best['interestingness']:.2f}"
        for best in summary["top_candidates"][:1]
    ]
    return "\n".join(lines)


def read(raw: bytes | None) -> dict[str, Any] | None:
    """The event in a message, or None where it is of another version than the one that is known here."""
    event: dict[str, Any] = json.loads(raw or b"{}")
    return event if (event.get("type"), event.get("version")) == (TOPIC, VERSION) else None


async def follow(bootstrap: str, *, from_start: bool, count: int | None) -> None:
    """Print events until `count` of them are printed, or for ever.

    Raises:
        NoBrokerError: the broker does not answer.
    """
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        # No group: every such program gets every event, and nothing is remembered for it on the broker.
        group_id=None,
        auto_offset_reset="earliest" if from_start else "latest",
    )
    try:
        await consumer.start()
    except KafkaError as error:
        await consumer.stop()
        raise NoBrokerError(f"No broker answers at {bootstrap}.") from error
    print(f"Listening to {TOPIC} at {bootstrap}; Ctrl-C ends it.", file=sys.stderr, flush=True)
    seen: OrderedDict[str, None] = OrderedDict()
    printed = 0
    try:
        async for record in consumer:
            event = read(record.value)
            if event is None or event["event_id"] in seen:
                continue
            seen[event["event_id"]] = None
            if len(seen) > REMEMBERED:
                seen.popitem(last=False)
            print(describe(event), flush=True)
            printed += 1
            if printed == count:
                return
    finally:
        await consumer.stop()


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(description="Print observations as they are classified.")
    parser.add_argument("--kafka", help="bootstrap address of the broker, host:port")
    parser.add_argument(
        "--up-file", type=Path, default=Path(".waterhole/up.json"), help="what a running stack writes of itself"
    )
    parser.add_argument("--from-start", action="store_true", help="print what the broker still holds as well")
    parser.add_argument("--count", type=int, help="end after so many observations")
    arguments = parser.parse_args()
    try:
        bootstrap = arguments.kafka or bootstrap_of(arguments.up_file)
        asyncio.run(follow(bootstrap, from_start=arguments.from_start, count=arguments.count))
    except NoBrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
