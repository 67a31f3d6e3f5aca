"""The outbox: no job is lost between MongoDB and the bus.

A job document holds its `observation.submitted` event from its first write on, and the time at which that is due to be
published (again). Right after the insert it is published; what is overdue, because the bus was away or this process
died, the sweeper publishes. A published job that nothing is heard of becomes due again, be it open or complete without
its artefacts: the broker may have lost its memory. Workers take a repeated event as they took the first, so one too
many does no harm.

That an event of a new job was acknowledged is written down with the next sweep, for all jobs since the last one in one
update, before the sweep looks for what is overdue. A process that dies before that publishes too often, never too
rarely. Sweeps are closer together than an event takes to be overdue, or other gateways would publish it too.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.gateway.domain import Job, silence_s
from services.gateway.settings import Settings
from shared.errors import TransientError
from shared.events import OBSERVATION_SUBMITTED, Event

logger = structlog.get_logger(__name__)

SUBMISSIONS = Counter("waterhole_submissions_total", "Submitted events published, by what made them due.", ["reason"])
NEW, OVERDUE, SILENT = map(SUBMISSIONS.labels, ("new", "overdue", "silent"))
BATCH = 100


@dataclass(frozen=True)
class DueEvent:
    """The event of an open job, due at `due_ms` (unix ms), that was published `publications` times so far."""

    job_id: str
    event: str
    due_ms: int
    publications: int


class PendingEvents(Protocol):
    """What the outbox needs of the job store."""

    async def insert(self, job: Job, event: str, *, due_ms: int) -> bool:
        """Store a new job with its event in one write; False where there is, or was, such a job."""

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Events of unfinished jobs that are due, the most overdue first."""

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Put off the due time, unless somebody else changed it."""

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; `due_ms` is when the next one is due if nothing is heard."""

    async def mark_first_published(self, job_ids: Sequence[str], *, due_ms: int) -> None:
        """Count the first publication of new jobs; done again, it changes nothing."""


class Bus(Protocol):
    """What the outbox needs of the publisher."""

    async def publish_raw(self, topic: str, key: bytes, value: bytes) -> None:
        """Send; return after the broker's acknowledgement."""


class Outbox:
    """Publishes the submitted events of jobs, at least once."""

    def __init__(self, jobs: PendingEvents, bus: Bus, settings: Settings, *, now_ms: Callable[[], int]) -> None:
        self._jobs = jobs
        self._bus = bus
        self._settings = settings
        self._now_ms = now_ms
        # When each job that was published for the first time is due again; not written down yet.
        self._published: dict[str, int] = {}

    async def submit(self, job: Job, event: Event) -> bool:
        """Store a new job and publish its event; when the bus is away, the sweep will. False for a job of old.

        Raises:
            TransientError: MongoDB is away, and the job is not stored.
        """
        overdue_ms = self._after(self._settings.outbox_stale_s)
        raw = event.to_bytes()
        if not await self._jobs.insert(job, raw.decode(), due_ms=overdue_ms):
            return False
        try:
            await self._publish(job.job_id, raw, NEW)
        except TransientError as error:
            logger.warning("job left in the outbox", job_id=job.job_id, error=error.message)
        else:
            self._published[job.job_id] = self._silent_ms(1)
        return True

    async def note_published(self) -> None:
        """Write down what was published since the last time; what can't be written now will be the next time.

        Raises:
            TransientError: MongoDB is away.
        """
        noted = list(self._published.items())
        for start in range(0, len(noted), BATCH):
            batch = noted[start : start + BATCH]
            # All of them are of about the same time: the last one's will do.
            await self._jobs.mark_first_published([job_id for job_id, _ in batch], due_ms=batch[-1][1])
            for job_id, _ in batch:
                self._published.pop(job_id, None)

    async def sweep(self) -> int:
        """Publish what is due; returns how many.

        Raises:
            TransientError: MongoDB or the bus is away.
        """
        await self.note_published()
        published = 0
        for due in await self._jobs.due_events(self._now_ms(), BATCH):
            lease_s = self._settings.publish_timeout_s + self._settings.outbox_stale_s
            if await self._jobs.claim(due, until_ms=self._after(lease_s)):
                publications = due.publications + 1
                await self._publish(due.job_id, due.event.encode(), SILENT if due.publications else OVERDUE)
                await self._jobs.mark_published(due.job_id, due_ms=self._silent_ms(publications))
                logger.info("job submitted from the outbox", job_id=due.job_id, publications=publications)
                published += 1
        return published

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set; what is away for now is tried again with the next sweep."""
        while not stop.is_set():
            try:
                await self.sweep()
            except TransientError as error:
                logger.warning("outbox not swept", error=error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.outbox_interval_s)

    async def close(self) -> None:
        """Write down the last publications, once no request is under way any more."""
        try:
            await self.note_published()
        except TransientError as error:
            logger.warning("publications not written down", error=error.message)

    async def _publish(self, job_id: str, event: bytes, reason: Counter) -> None:
        try:
            async with asyncio.timeout(self._settings.publish_timeout_s):
                await self._bus.publish_raw(OBSERVATION_SUBMITTED, job_id.encode(), event)
        except TimeoutError as error:
            raise TransientError("The event bus did not acknowledge in time.") from error
        reason.inc()

    def _silent_ms(self, publications: int) -> int:
        """When a job that was published so many times is due again, if nothing is heard of it."""
        settings = self._settings
        return self._after(silence_s(publications, settings.outbox_silence_s, settings.outbox_silence_max_s))

    def _after(self, seconds: float) -> int:
        return self._now_ms() + round(1000 * seconds)
