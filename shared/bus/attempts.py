"""How often work on a message was started, kept in Kafka itself.

A message that kills its process (out of memory, a crash in compiled code) leaves no error behind. So the number of
starts is committed, as the metadata of the unmoved offset, before the work starts; the next process reads it back.
"""

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

PREFIX = "starts="


class AttemptLog:
    """Starts of the message at each partition's committed offset."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._group = group
        self._known: dict[TopicPartition, tuple[int, int]] = {}

    async def open(self) -> None:
        """Connect."""
        await self._admin.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions afresh: another member may have worked on them."""
        for partition in partitions:
            self._known.pop(partition, None)

    def note(self, starts: int) -> str:
        """Offset metadata that records `starts`."""
        return f"{PREFIX}{starts}"

    async def count(self, partition: TopicPartition, offset: int) -> int:
        """How often earlier processes started on the message at `offset`."""
        if partition not in self._known:
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=[partition])
            found = committed.get(partition)
            # A group that never committed here has none.
            metadata = (found.metadata or "") if found is not None else ""
            starts = int(metadata.removeprefix(PREFIX)) if metadata.startswith(PREFIX) else 0
            self._known[partition] = (found.offset if found is not None else -1, starts)
        at, starts = self._known[partition]
        return starts if at == offset else 0
