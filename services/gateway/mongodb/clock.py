"""The time that all gateways go by: the database's.

When a job is due, who has the lease of a task until when, since when a slot is taken: one gateway writes it, another
one compares it with the present time. The clocks of their machines may be a minute apart; the database has one clock.
It is asked for now and then, and this machine's monotonic clock, which nobody sets, goes on from there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from shared.errors import TransientError

logger = structlog.get_logger(__name__)

# In that time a clock of quartz goes wrong by some milliseconds.
ASKED_EVERY_S = 30.0
# An answer that took longer tells too little about when it was made.
PATIENCE_MS = 1_000.0


class DatabaseClock:
    """The present time, unix ms, by the database's clock; to be set before it is read."""

    def __init__(self, ask: Callable[[], Awaitable[int]], *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """`ask` gives the database's time, unix ms."""
        self._ask = ask
        self._monotonic_s = monotonic_s
        self._offset_ms: float | None = None

    async def set(self) -> None:
        """Ask the database. Its answer is taken to be from the middle of the time that it took.

        Raises:
            TransientError: MongoDB is away; the clock goes on as it did.
        """
        before_ms = 1000 * self._monotonic_s()
        answer_ms = await self._ask()
        after_ms = 1000 * self._monotonic_s()
        if self._offset_ms is None or after_ms - before_ms <= PATIENCE_MS:
            self._offset_ms = answer_ms - (before_ms + after_ms) / 2

    def __call__(self) -> int:
        if self._offset_ms is None:
            raise RuntimeError("The database's clock was not asked for yet.")
        return round(1000 * self._monotonic_s() + self._offset_ms)

    def now_s(self) -> float:
        """The same in unix seconds."""
        return self() / 1000

    async def run(self, stop: asyncio.Event) -> None:
        """Set it again and again until `stop` is set."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ASKED_EVERY_S)
                return
            try:
                await self.set()
            except TransientError as error:
                logger.warning("database's clock not read", error=error.message)
