"""The bus: events in and out of Kafka, delivered at least once and in order per key, with dead-letter topics.

For each message the consumer decodes it, calls the handler, publishes the results, waits for their acknowledgement, and
commits `offset + 1`. A message is committed only after its results are on the bus, so a process may be killed at any
time.
"""

from shared.bus.by_topic import by_topic
from shared.bus.consumer import Consumer, Handle
from shared.bus.publisher import Publisher, open_publisher

__all__ = ["Consumer", "Handle", "Publisher", "by_topic", "open_publisher"]
