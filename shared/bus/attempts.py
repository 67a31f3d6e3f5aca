"""The number of starts of work on a message, stored in Kafka.

A message that kills its process (out of memory, a crash in compiled code) leaves no error behind. So the number of
starts is committed before the work starts, as metadata of the unchanged offset, and the next process reads it.

A process that still runs did not die of a message. So when it gives up a message, it decrements the number, and when
it has handled one, it commits that even while it stops, before another member gets the partition. It can't do so if it
hung longer than its session and lost the partition. Then it ignores its own start when the message comes back to it.
Another member counts that start, because it can't distinguish a process that hangs from one that died of the message.
"""

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

PREFIX = "starts="


class AttemptLog:
    """Number of starts of the message at the committed offset of each partition."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._group = group
        self._known: dict[TopicPartition, tuple[int, int]] = {}
        # By partition: an offset, and the number of its starts that this process has committed and not withdrawn.
        self._own: dict[TopicPartition, tuple[int, int]] = {}

    async def open(self) -> None:
        """Connect."""
        await self._admin.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions again on the next `count`, since another member may have worked on them."""
        for partition in partitions:
            self._known.pop(partition, None)

    def note(self, starts: int) -> str:
        """Return offset metadata that records `starts`."""
        return f"{PREFIX}{starts}"

    def add_own(self, partition: TopicPartition, offset: int, change: int) -> None:
        """Record that this process committed a start of the message at `offset` (1) or withdrew one (-1)."""
        self._own[partition] = (offset, max(0, self._own_at(partition, offset) + change))

    def _own_at(self, partition: TopicPartition, offset: int) -> int:
        at, own = self._own.get(partition, (-1, 0))
        return own if at == offset else 0

    async def count(self, partition: TopicPartition, offset: int) -> int:
        """Return how often other processes started work on the message at `offset`."""
        if partition not in self._known:
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=[partition])
            found = committed.get(partition)
            # There is no metadata if the group never committed.
            metadata = (found.metadata or "") if found is not None else ""
            starts = int(metadata.removeprefix(PREFIX)) if metadata.startswith(PREFIX) else 0
            self._known[partition] = (found.offset if found is not None else -1, starts)
        at, starts = self._known[partition]
        return max(0, starts - self._own_at(partition, offset)) if at == offset else 0
