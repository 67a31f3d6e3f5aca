"""Dead letters: messages that could not be handled. They can be listed, replayed and dropped.

A letter is on the topic `<topic>.dlq` until Kafka's retention removes it. When it is replayed or dropped, a mark is
written to the same partition: a message without a value whose header names the letter. So only Kafka is needed, and
several people may read at once. An interrupted command may leave a replayed letter without its mark; replaying it again
does no harm, because handlers produce the same results from a repeated event.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.bus.publisher import LEFT_OUT, LETTERS_SUFFIX, Publisher, open_publisher
from shared.errors import PermanentError, TransientError
from shared.events import JOB_REOPENED, JobReopened, is_job_id
from shared.settings import ServiceSettings

SETTLES = "settles"
OUTCOME = "outcome"
REPLAYED_FROM = "replayed_from"
READ_TIMEOUT_MS = 1_000

Outcome = Literal["replayed", "dropped"]


@dataclass(frozen=True)
class Letter:
    """A message that could not be handled, and why. `partition` and `offset` are those on the dead-letter topic."""

    topic: str
    partition: int
    offset: int
    set_aside_at: datetime
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    outcome: str | None = None

    @property
    def at(self) -> str:
        """Name of the letter within its topic, `partition:offset`."""
        return f"{self.partition}:{self.offset}"

    @property
    def job_id(self) -> str:
        """The job, taken from the key; empty without a key."""
        return (self.key or b"").decode(errors="replace").split(":")[0]

    @property
    def origin_partition(self) -> int | None:
        """The partition from which the consumer read the message."""
        text = self.headers.get("origin_partition", "")
        return int(text) if text.isdigit() else None


class DeadLetters:
    """The dead letters of all topics."""

    def __init__(self, reader: AIOKafkaConsumer, publisher: Publisher) -> None:
        self._reader = reader
        self._publisher = publisher

    async def topics(self) -> list[str]:
        """Return the topics that have or had dead letters."""
        return sorted(
            name.removesuffix(LETTERS_SUFFIX) for name in await self._reader.topics() if name.endswith(LETTERS_SUFFIX)
        )

    async def read(self, topic: str) -> list[Letter]:
        """Return all letters of a topic, oldest first, each with its outcome.

        Raises
        ------
        TransientError
            The broker is unavailable.
        """
        try:
            records = await self._records(f"{topic}{LETTERS_SUFFIX}")
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"The event bus is unavailable: {type(error).__name__}") from error
        letters: dict[str, Letter] = {}
        for record in records:
            headers = {name: value.decode(errors="replace") for name, value in record.headers}
            settled = letters.get(headers.get(SETTLES, ""))
            if settled is not None:
                letters[settled.at] = replace(settled, outcome=headers.get(OUTCOME))
            elif SETTLES not in headers:
                at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                letter = Letter(topic, record.partition, record.offset, at, record.key, record.value, headers)
                letters[letter.at] = letter
        return sorted(letters.values(), key=lambda letter: (letter.set_aside_at, letter.partition, letter.offset))

    async def replay(self, letter: Letter, operator: str) -> None:
        """Reopen the letter's job, publish the original bytes on their topic again, and mark the letter as replayed.

        The job is reopened first, though the order does not matter to the gateway. `operator` says who replays it.

        Raises
        ------
        PermanentError
            The letter does not hold its message.
        TransientError
            The broker did not acknowledge.
        """
        size = letter.headers.get(LEFT_OUT)
        if size is not None:
            raise PermanentError(
                f"The letter {letter.at} of {letter.topic} can't be replayed: its message of {size} bytes is too large "
                "for a letter. Drop it.",
                code="letter_without_message",
            )
        partition = letter.origin_partition
        if partition is not None and partition >= await self._publisher.partition_count(letter.topic):
            partition = None
        source = f"{letter.topic}{LETTERS_SUFFIX}/{letter.at}"
        # The key of a foreign message names no job.
        if is_job_id(letter.job_id) and letter.topic != JOB_REOPENED:
            reopened = JobReopened.make(
                job_id=letter.job_id, producer="operator", step=source, operator=operator, dead_letter=source
            )
            await self._publisher.publish(reopened)
        await self._publisher.publish_raw(
            letter.topic, letter.key, letter.value, [(REPLAYED_FROM, source.encode())], partition=partition
        )
        await self._mark(letter, "replayed")

    async def drop(self, letter: Letter) -> None:
        """Mark the letter as dropped.

        Raises
        ------
        TransientError
            The broker did not acknowledge.
        """
        await self._mark(letter, "dropped")

    async def _mark(self, letter: Letter, outcome: Outcome) -> None:
        headers = [(SETTLES, letter.at.encode()), (OUTCOME, outcome.encode())]
        topic = f"{letter.topic}{LETTERS_SUFFIX}"
        await self._publisher.publish_raw(topic, letter.key, None, headers, partition=letter.partition)

    async def _records(self, topic: str) -> list[Any]:
        """Return every message of a topic, in order within each partition."""
        if topic not in await self._reader.topics():
            return []
        partitions = [TopicPartition(topic, number) for number in range(await self._publisher.partition_count(topic))]
        self._reader.assign(partitions)
        await self._reader.seek_to_beginning(*partitions)
        ends = await self._reader.end_offsets(partitions)
        found: list[Any] = []
        while any([await self._reader.position(one) < ends[one] for one in partitions]):
            for records in (await self._reader.getmany(timeout_ms=READ_TIMEOUT_MS)).values():
                found += records
        return found


@asynccontextmanager
async def open_dead_letters(settings: ServiceSettings) -> AsyncIterator[DeadLetters]:
    """Connect to the broker.

    Raises
    ------
    TransientError
        The broker is unavailable.
    """
    async with open_publisher(settings) as publisher:
        reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, fetch_max_wait_ms=50)
        try:
            await reader.start()
            yield DeadLetters(reader, publisher)
        except KafkaError as error:
            raise TransientError(f"The event bus is unavailable: {type(error).__name__}") from error
        finally:
            await reader.stop()
