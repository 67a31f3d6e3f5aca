"""The number of starts of work on a message, stored in Kafka.

A message that kills its process (out of memory, a crash in compiled code) leaves no error behind. So the number of
starts is committed before the work starts, as metadata of the unchanged offset, and the next process reads it.

A process that still runs did not die of a message. So when it gives up a message, it decrements the number, and when
it has handled one, it commits that even while it stops, before another member gets the partition. It can't do so if it
hung longer than its session and lost the partition. Then it ignores its own start when the message comes back to it.
Another member counts that start, because it can't distinguish a process that hangs from one that died of the message.

Of several messages of a partition that are in hand, the metadata of the committed offset records the starts of each.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.bus.window import Window

# Starts of the message at the committed offset alone, as all versions write and read it; and of several messages, each
# as offset:starts. Earlier versions read the latter as no starts.
PREFIX, SEVERAL = "starts=", "starts_at="
_SEVERAL = re.compile(r"(\d+):(\d+)")


def _read(offset: int, metadata: str) -> dict[int, int]:
    """Return the numbers of starts by offset."""
    if metadata.startswith(SEVERAL):
        found = {int(at): int(starts) for at, starts in _SEVERAL.findall(metadata)}
        return {at: starts for at, starts in found.items() if at >= offset}
    return {offset: int(metadata.removeprefix(PREFIX))} if metadata.startswith(PREFIX) else {}


def _written(offset: int, starts: dict[int, int]) -> str:
    """Return offset metadata that records starts by offset."""
    if any(at != offset and number for at, number in starts.items()):
        return SEVERAL + ",".join(f"{at}:{number}" for at, number in sorted(starts.items()) if number)
    return f"{PREFIX}{starts[offset]}" if offset in starts else ""


class AttemptLog:
    """Numbers of starts of the messages from the committed offset of each partition on."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._group = group
        # By partition and offset: the starts by other processes, and those that this process has committed and not
        # withdrawn.
        self._others: dict[TopicPartition, dict[int, int]] = {}
        self._own: defaultdict[TopicPartition, dict[int, int]] = defaultdict(dict)

    async def open(self) -> None:
        """Connect."""
        await self._admin.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions again on the next `count`, since another member may have worked on them."""
        for partition in partitions:
            self._others.pop(partition, None)

    async def count(self, partition: TopicPartition, offset: int) -> int:
        """Return how often other processes started work on the message at `offset`."""
        if partition not in self._others:
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=[partition])
            found = committed.get(partition)
            # There is no metadata if the group never committed.
            recorded = _read(found.offset, found.metadata or "") if found is not None else {}
            first = found.offset if found is not None else 0
            own = {at: starts for at, starts in self._own[partition].items() if at >= first}
            self._own[partition] = own
            self._others[partition] = {at: max(0, starts - own.get(at, 0)) for at, starts in recorded.items()}
        return self._others[partition].get(offset, 0)

    def has_dangerous(self, partition: TopicPartition, window: Window) -> bool:
        """Return whether a message that is not done may have killed a process, or if that is not known yet."""
        others = self._others.get(partition)
        return others is None or any(starts and not window.is_done(at) for at, starts in others.items())

    def add_own(self, partition: TopicPartition, offset: int, change: int) -> None:
        """Note that this process commits a start of the message at `offset` (1) or withdraws one (-1)."""
        self._own[partition][offset] = max(0, self._own[partition].get(offset, 0) + change)

    def has_own(self, partition: TopicPartition, offset: int) -> bool:
        """Return whether a start of the message at `offset` by this process is on record."""
        return self._own[partition].get(offset, 0) > 0

    def clear(self, partition: TopicPartition, offset: int) -> None:
        """Note that the message at `offset` is done, or that no process died of it."""
        self._own[partition].pop(offset, None)
        self._others.get(partition, {}).pop(offset, None)

    def metadata(self, partition: TopicPartition, window: Window) -> str:
        """Return offset metadata that records the starts of all messages that are not done."""
        own, others = self._own[partition], self._others.get(partition, {})
        known = {at: own.get(at, 0) + others.get(at, 0) for at in own.keys() | others.keys()}
        return _written(window.offset, {at: starts for at, starts in known.items() if not window.is_done(at)})
