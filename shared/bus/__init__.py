"""The bus: events in and out of Kafka, at least once, in order per key, with a dead-letter topic.

The consume loop does, in this order: decode, handle, publish and await acknowledgement, commit `offset + 1`. Nothing
is committed before its results are on the bus, so a process may be killed at any instant.
"""

from shared.bus.consumer import Consumer, Handle
from shared.bus.publisher import Publisher, open_publisher

__all__ = ["Consumer", "Handle", "Publisher", "open_publisher"]
