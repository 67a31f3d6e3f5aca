"""The messages of one partition that are fetched and not committed yet.

Several may be in hand at a time, but never two of one key, and of one key the first comes first. Kafka keeps one offset
per partition, so the offset moves on only over messages that are done without a gap. A message that is done before an
earlier one is handled again if the process dies meanwhile, as any message may be.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from aiokafka import ConsumerRecord

# While so many messages wait for others of their keys, no more are fetched, so that memory stays bounded.
MOST_WAITING = 100


class Window:
    """What is in hand and what waits, in one partition."""

    def __init__(self) -> None:
        # Held by whoever commits, so that no older state is committed after a newer one.
        self.committing = asyncio.Lock()
        self.is_lost = False
        self._waiting: deque[ConsumerRecord] = deque()
        self._in_hand: dict[int, bytes | None] = {}
        # Offsets from the first one that is not done.
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._after_last = 0

    def add(self, records: Sequence[ConsumerRecord]) -> None:
        """Add messages that were fetched, in order."""
        self._waiting.extend(records)
        self._open.extend(record.offset for record in records)

    def take(self, at_once: int) -> ConsumerRecord | None:
        """Return the first message that may be handled now, as one of at most `at_once`; None if there is none."""
        if self.is_lost or len(self._in_hand) >= at_once:
            return None
        busy = set(self._in_hand.values())
        for at, record in enumerate(self._waiting):
            if record.key not in busy:
                del self._waiting[at]
                self._in_hand[record.offset] = record.key
                return record
        return None

    def wants_more(self, at_once: int) -> bool:
        """Return whether more messages should be fetched: if another one may begin, unless too many wait."""
        return not self.is_lost and len(self._in_hand) < at_once and len(self._waiting) < MOST_WAITING

    def finish(self, offset: int) -> None:
        """Note that a message is done."""
        del self._in_hand[offset]
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            self._after_last = self._open.popleft() + 1
            self._done.remove(self._after_last - 1)

    @property
    def in_hand(self) -> list[int]:
        """The offsets of the messages that are being handled."""
        return list(self._in_hand)

    @property
    def offset(self) -> int:
        """The offset to commit: that of the first message that is not done."""
        return self._open[0] if self._open else self._after_last

    def is_done(self, offset: int) -> bool:
        """Return whether a message is done."""
        return offset < self.offset or offset in self._done
