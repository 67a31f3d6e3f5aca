"""The time that all gateways use: the database's.

One gateway writes when a job is due, until when a lease lasts, or since when a slot is taken; another one compares that
with the present time. The clocks of their machines may differ by a minute, but the database has one clock. It is read
now and then; in between, the time advances by this machine's monotonic clock, which nobody sets.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from shared.errors import TransientError

logger = structlog.get_logger(__name__)

# A quartz clock drifts by some milliseconds in this time.
READ_INTERVAL_S = 30.0
# A slower answer says too little about when the database read its clock.
MAX_ANSWER_MS = 1_000.0


class DatabaseClock:
    """The present time by the database's clock, unix ms. Call `set` before reading it."""

    def __init__(
        self, read_ms: Callable[[], Awaitable[int]], *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`read_ms` returns the database's time, unix ms."""
        self._read_ms = read_ms
        self._monotonic_s = monotonic_s
        self._offset_ms: float | None = None

    async def set(self) -> None:
        """Read the database's time. It is taken to be the time halfway between the request and the answer.

        Raises
        ------
        TransientError
            MongoDB is unavailable; the clock continues as before.
        """
        before_ms = 1000 * self._monotonic_s()
        answer_ms = await self._read_ms()
        after_ms = 1000 * self._monotonic_s()
        if self._offset_ms is None or after_ms - before_ms <= MAX_ANSWER_MS:
            self._offset_ms = answer_ms - (before_ms + after_ms) / 2

    def __call__(self) -> int:
        if self._offset_ms is None:
            raise RuntimeError("The database's clock has not been read yet.")
        return round(1000 * self._monotonic_s() + self._offset_ms)

    def now_s(self) -> float:
        """Return the present time, unix seconds."""
        return self() / 1000

    async def run(self, stop: asyncio.Event) -> None:
        """Set the clock every 30 s until `stop` is set."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), READ_INTERVAL_S)
                return
            try:
                await self.set()
            except TransientError as error:
                logger.warning("database clock not read", error=error.message)
