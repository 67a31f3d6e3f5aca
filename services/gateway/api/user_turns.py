"""Answers that take much memory or time: each user gets a few at a time, and further ones wait for their turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from services.gateway.api.errors import ApiError

RETRY_AFTER_S = 10


class UserTurns:
    """How many such answers each user has at this gateway."""

    def __init__(self, per_user: int, *, wait_s: float) -> None:
        self._per_user = per_user
        self._wait_s = wait_s
        # Dropped when nobody has a turn or waits for one.
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, user_id: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it in the context.

        Raises
        ------
        ApiError
            429, no turn came.
        """
        turns = self._turns.setdefault(user_id, asyncio.Semaphore(self._per_user))
        try:
            async with asyncio.timeout(self._wait_s):
                await turns.acquire()
        except TimeoutError as error:
            message = f"{self._per_user} such answers to you are under way; wait until one is done, or cancel one."
            raise ApiError(429, "too_many_requests", message, retry_after_s=RETRY_AFTER_S) from error
        try:
            yield
        finally:
            turns.release()
