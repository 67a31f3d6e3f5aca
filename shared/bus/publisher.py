"""Publishes events and waits for the broker's acknowledgement."""

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

# What the name of a topic of dead letters ends in.
LETTERS_SUFFIX = ".dlq"
# Header of a letter without its message: how many bytes that has. With the letter's headers it was too large.
LEFT_OUT = "left_out"
# Time that the broker may take to answer when a service starts, s.
START_S = 30.0

Headers = Sequence[tuple[str, bytes]]


def partition_of(job_id: str, lane: int, count: int) -> int:
    """Return the partition, of `count`, for events of a job's lane; neighbouring lanes get neighbouring partitions."""
    return (zlib.crc32(job_id.encode()) + lane) % count


class Publisher:
    """Publishes events; each call returns when the broker has acknowledged."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, event: Event) -> None:
        """Publish one event on its topic.

        Raises
        ------
        TransientError
            The broker did not acknowledge.
        PermanentError
            The event is larger than the bus accepts.
        """
        partition = None
        if event.lane is not None:
            partition = partition_of(event.job_id, event.lane, await self.partition_count(event.topic))
        await self.publish_raw(event.topic, event.partition_key.encode(), event.to_bytes(), partition=partition)

    async def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises
        ------
        TransientError
            The broker does not answer.
        """
        try:
            partitions = await self._producer.partitions_for(topic)
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus can't describe the topic {topic}: {type(error).__name__}") from error
        if not partitions:
            raise TransientError(f"The topic {topic} has no partitions yet.")
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
        """Publish bytes unchanged, on the partition of their key unless `partition` is given.

        Dead-letter topics hold messages that can't be decoded, so these are not events.
        """
        if key is None and value is None:
            value = b""  # Other producers may send a message with neither; this client refuses to.
        try:
            await self._producer.send_and_wait(topic, value, key=key, partition=partition, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise PermanentError("A result is too large for the event bus.", code="event_too_large") from error
        except (KafkaError, TimeoutError) as error:
            raise TransientError(
                f"The event bus did not acknowledge an event on {topic}: {type(error).__name__}"
            ) from error
        PUBLISHED.labels(topic).inc()

    async def check(self) -> None:
        """Raise unless the broker answers."""
        try:
            await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus is unavailable: {type(error).__name__}") from error


@asynccontextmanager
async def open_publisher(settings: ServiceSettings) -> AsyncIterator[Publisher]:
    """Connect to the broker.

    Raises
    ------
    TransientError
        The broker is unavailable.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=10_000,
        max_request_size=4 * 1024 * 1024,
    )
    try:
        async with asyncio.timeout(START_S):
            await producer.start()
    except (KafkaError, TimeoutError) as error:
        await producer.stop()
        raise TransientError(f"The event bus at {settings.kafka_bootstrap} is unavailable.") from error
    try:
        yield Publisher(producer)
    finally:
        await producer.stop()
