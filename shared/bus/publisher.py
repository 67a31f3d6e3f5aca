"""Sending events, with the broker's acknowledgement."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from prometheus_client import Counter

from shared.errors import PermanentError, TransientError
from shared.events import Event
from shared.settings import ServiceSettings

PUBLISHED = Counter("waterhole_events_published_total", "Events acknowledged by the broker.", ["topic"])

Headers = Sequence[tuple[str, bytes]]


def partition_of(job_id: str, lane: int, count: int) -> int:
    """Where the events of a job's lane go, of `count` partitions: neighbouring lanes to neighbouring partitions."""
    return (zlib.crc32(job_id.encode()) + lane) % count


class Publisher:
    """Sends events; each call returns when the broker has acknowledged."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, event: Event) -> None:
        """Send one event to its topic.

        Raises:
            TransientError: the broker did not acknowledge.
            PermanentError: the event is larger than the bus takes.
        """
        partition = None
        if event.lane is not None:
            partition = partition_of(event.job_id, event.lane, await self.partition_count(event.topic))
        await self.publish_raw(event.topic, event.partition_key.encode(), event.to_bytes(), partition=partition)

    async def partition_count(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            TransientError: the broker does not tell.
        """
        try:
            partitions = await self._producer.partitions_for(topic)
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus does not know {topic}: {type(error).__name__}") from error
        if not partitions:
            raise TransientError(f"The event bus has no partitions of {topic} yet.")
        return len(partitions)

    async def publish_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
    ) -> None:
        """Send bytes as they are (the dead-letter topics carry what could not be decoded); by their key, or there."""
        if key is None and value is None:
            value = b""  # Strangers may send a message with neither; this client does not.
        try:
            await self._producer.send_and_wait(topic, value, key=key, partition=partition, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise PermanentError("A result is too large for the event bus.", code="event_too_large") from error
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus did not take an event for {topic}: {type(error).__name__}") from error
        PUBLISHED.labels(topic).inc()

    async def check(self) -> None:
        """Raise unless the broker answers."""
        try:
            await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus is out of reach: {type(error).__name__}") from error


@asynccontextmanager
async def open_publisher(settings: ServiceSettings) -> AsyncIterator[Publisher]:
    """Connect to the broker as the settings say.

    Raises:
        TransientError: the broker is out of reach.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=10_000,
        max_request_size=4 * 1024 * 1024,
    )
    try:
        await asyncio.wait_for(producer.start(), 30)
    except (KafkaError, TimeoutError) as error:
        await producer.stop()
        raise TransientError(f"The event bus at {settings.kafka_bootstrap} is out of reach.") from error
    try:
        yield Publisher(producer)
    finally:
        await producer.stop()
