"""When API keys were last used: requests note it in memory, and a background task writes it to the store."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from services.gateway.accounts.model import ApiKey
from services.gateway.accounts.ports import UserStore
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

FLUSH_INTERVAL_S = 5.0


class KeyUses:
    """Uses of keys that are not stored yet: at most one per key, so memory is bounded by the number of keys."""

    def __init__(self, users: UserStore, *, now_s: Callable[[], float]) -> None:
        self._users = users
        self._now_s = now_s
        self._noted: dict[str, int] = {}

    def note(self, key: ApiKey) -> None:
        """Note that a key is used now, unless a recent use is stored already."""
        now_s = self._now_s()
        if key.is_use_due(now_s):
            self._noted[key.key_id] = int(now_s)

    async def flush(self) -> None:
        """Store the noted uses. Uses that cannot be stored stay noted.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        for key_id, used_at in list(self._noted.items()):
            await self._users.record_key_use(key_id, used_at)
            if self._noted.get(key_id) == used_at:
                del self._noted[key_id]

    async def run(self, stop: asyncio.Event) -> None:
        """Flush periodically until `stop` is set, then once more. Failed writes are retried with the next flush."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_INTERVAL_S)
            try:
                await self.flush()
            except TransientError as error:
                logger.warning("key uses not stored", error=error.message)
