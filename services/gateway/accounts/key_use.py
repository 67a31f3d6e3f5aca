"""When API keys were used last: noted in memory by requests, written down behind their backs."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from services.gateway.domain import ApiKey
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

FLUSH_INTERVAL_S = 5.0


class KeyRecords(Protocol):
    """What is needed of the user store."""

    async def record_key_use(self, key_id: str, used_at: int) -> None:
        """Note when a key was used last."""


class KeyUses:
    """Uses of keys that are not written down yet: one per key, so no more of them than there are keys."""

    def __init__(self, records: KeyRecords, *, now_s: Callable[[], float]) -> None:
        self._records = records
        self._now_s = now_s
        self._noted: dict[str, int] = {}

    def note(self, key: ApiKey) -> None:
        """Remember that a key is used now, if the last use on record is not recent."""
        now_s = self._now_s()
        if key.is_use_due(now_s):
            self._noted[key.key_id] = int(now_s)

    async def flush(self) -> None:
        """Write down what is noted; what can't be written stays noted.

        Raises:
            TransientError: MongoDB is away.
        """
        for key_id, used_at in list(self._noted.items()):
            await self._records.record_key_use(key_id, used_at)
            if self._noted.get(key_id) == used_at:
                del self._noted[key_id]

    async def run(self, stop: asyncio.Event) -> None:
        """Flush until `stop` is set, and then once more; what is away for now is tried again with the next flush."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_INTERVAL_S)
            try:
                await self.flush()
            except TransientError as error:
                logger.warning("uses of keys not recorded", error=error.message)
