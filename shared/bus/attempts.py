"""How often work on a message was started, kept in Kafka itself.

A message that kills its process (out of memory, a crash in compiled code) leaves no error behind. So the number of
starts is committed, as the metadata of the unmoved offset, before the work starts; the next process reads it back.

A process that lives has survived its own starts. What it gives up it takes back, and what it has done it puts on record
even while it is being stopped, before anybody else gets the partition. Where it can't, since it hung for longer than
its session and lost the partition meanwhile, it does not count its start when the message comes back to it. Another
member does count it: a process that hangs can't be told from one that died, and the message may be why.
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
        # By partition: an offset, and how many starts on it this process has committed and not taken back.
        self._own: dict[TopicPartition, tuple[int, int]] = {}

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

    def add_own(self, partition: TopicPartition, offset: int, change: int) -> None:
        """This process committed a start on the message at `offset` (1), or took one back (-1)."""
        self._own[partition] = (offset, max(0, self._own_at(partition, offset) + change))

    def _own_at(self, partition: TopicPartition, offset: int) -> int:
        at, own = self._own.get(partition, (-1, 0))
        return own if at == offset else 0

    async def count(self, partition: TopicPartition, offset: int) -> int:
        """How often other processes started on the message at `offset`."""
        if partition not in self._known:
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=[partition])
            found = committed.get(partition)
            # A group that never committed here has none.
            metadata = (found.metadata or "") if found is not None else ""
            starts = int(metadata.removeprefix(PREFIX)) if metadata.startswith(PREFIX) else 0
            self._known[partition] = (found.offset if found is not None else -1, starts)
        at, starts = self._known[partition]
        return max(0, starts - self._own_at(partition, offset)) if at == offset else 0
