"""The embedded Kafka broker: librdkafka's own, in memory, on a loopback port that it picks itself.

`python -m deploy.local.broker ADDRESS_FILE` writes `host:port` to the file once it answers, and serves until SIGTERM.
"""

import signal
import sys
from pathlib import Path

from confluent_kafka import Producer


def main() -> None:
    address_file = Path(sys.argv[1])
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
    brokers = producer.list_topics(timeout=10).brokers
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    # Whole or not at all: the supervisor reads it as soon as it is there.
    partial = address_file.with_suffix(".partial")
    partial.write_text(address)
    partial.replace(address_file)
    print(f"the Kafka broker listens on {address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
