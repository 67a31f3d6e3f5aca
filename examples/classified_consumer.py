"""Print each observation when Waterhole has classified it: `python examples/classified_consumer.py`.

This program subscribes to events as your own program would. It needs only aiokafka and nothing of Waterhole;
docs/asyncapi.json describes all events. Without arguments it connects to the stack that `make up` runs in this folder.
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
# An event may arrive more than once. The ids of so many events are kept to recognize repeats.
REMEMBERED = 10_000


class NoBrokerError(Exception):
    """No broker answers; the message says what to do."""


def bootstrap_of(up_file: Path) -> str:
    """Return the broker's address from the file that a running stack writes.

    Raises
    ------
    NoBrokerError
        The file does not exist, so no stack runs.
    """
    try:
        return str(json.loads(up_file.read_text())["kafka"])
    except FileNotFoundError as error:
        raise NoBrokerError(f"There is no {up_file}: run `make up`, or name a broker with --kafka.") from error


def describe(event: dict[str, Any]) -> str:
    """Format an observation as one line, and its best candidate as another."""
    summary, upload = event["summary"], event["upload"]
    lines = [
        f"{event['occurred_at']}  {upload['source_name']}  job {event['job_id']}: "
        f"{summary['raw_hits']} hits, {summary['candidates']} candidates"
    ]
    lines += [
        f"    {best['frequency_hz'] / 1e6:.6f} MHz  {best['drift_rate']:+.4f} Hz/s  SNR {best['snr']:.1f}  "
        f"{best['classification']}  {best['interestingness']:.2f}"
        for best in summary["top_candidates"][:1]
    ]
    return "\n".join(lines)


def read(raw: bytes | None) -> dict[str, Any] | None:
    """Return the event in a message, or None if it has another type or version."""
    event: dict[str, Any] = json.loads(raw or b"{}")
    return event if (event.get("type"), event.get("version")) == (TOPIC, VERSION) else None


async def follow(bootstrap: str, *, from_start: bool, count: int | None) -> None:
    """Print `count` events, or without `count` all events until the program is stopped.

    Raises
    ------
    NoBrokerError
        The broker does not answer.
    """
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        # Without a group, every running program gets every event, and the broker stores no offsets.
        group_id=None,
        auto_offset_reset="earliest" if from_start else "latest",
    )
    try:
        await consumer.start()
    except KafkaError as error:
        await consumer.stop()
        raise NoBrokerError(f"No broker answers at {bootstrap}.") from error
    # Look up the offsets now, or events published before the first read would be missed.
    for partition in consumer.assignment():
        await consumer.position(partition)
    print(f"Listening to {TOPIC} at {bootstrap}; press Ctrl-C to stop.", file=sys.stderr, flush=True)
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
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(description="Print each observation when it has been classified.")
    parser.add_argument("--kafka", help="bootstrap address of the broker, host:port")
    parser.add_argument(
        "--up-file", type=Path, default=Path(".waterhole/up.json"), help="file that a running stack writes"
    )
    parser.add_argument(
        "--from-start", action="store_true", help="print earlier events that the broker still holds, too"
    )
    parser.add_argument("--count", type=int, help="stop after COUNT observations")
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
