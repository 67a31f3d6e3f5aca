"""The outbox: no job is lost between MongoDB and the bus.

A job document holds its `observation.submitted` event from its first write on, and the time at which that is due to be
published again. Right after the insert it is published. A job that nothing is heard of becomes due, be it open or
complete without its artefacts: the broker may have lost its memory, or the process that stored the job died before it
published. Workers take a repeated event as they took the first, so one too many does no harm.

Nobody writes down that an event was acknowledged, which would cost each job one more write. Only that the bus did not
take one is written down: then it is due much sooner.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.gateway.api.time_limit import TimeLimit
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
    """The event of an open job, due at `due_ms` (unix ms), that was published `publications` times so far.

    One that was about to be published by a process that died counts as published.
    """

    job_id: str
    event: str
    due_ms: int
    publications: int


class PendingEvents(Protocol):
    """What the outbox needs of the job store."""

    async def insert(self, job: Job, event: str, *, due_ms: int) -> bool:
        """Store a new job with its event, as published, in one write; False where there is, or was, such a job."""

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Events of unfinished jobs that are due, the most overdue first."""

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Put off the due time, unless somebody else changed it."""

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication; `due_ms` is when the next one is due if nothing is heard."""

    async def mark_unpublished(self, job_id: str, *, due_ms: int) -> None:
        """Take back the first publication of a new job, unless somebody published it meanwhile."""


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
        self._acknowledged = TimeLimit(settings.publish_timeout_s, "The event bus did not acknowledge in time.")

    async def submit(self, job: Job, event: Event) -> bool:
        """Store a new job and publish its event; when the bus is away, the sweep will. False for a job of old.

        Raises:
            TransientError: MongoDB is away, and the job is not stored.
        """
        raw = event.to_bytes()
        try:
            if not await self._jobs.insert(job, raw.decode(), due_ms=self._silent_ms(1)):
                return False
            await self._publish_new(job.job_id, raw)
        except asyncio.CancelledError:
            # The request is given up halfway. The job may be stored all the same, and then it should run soon.
            logger.warning("job left in the outbox", job_id=job.job_id, error="The request was given up.")
            await self._leave(job.job_id)
            raise
        return True

    async def sweep(self, stop: asyncio.Event | None = None) -> int:
        """Publish what is due, as far as it gets until `stop` is set; returns how many.

        Raises:
            TransientError: MongoDB or the bus is away.
        """
        published = 0
        for due in await self._jobs.due_events(self._now_ms(), BATCH):
            if stop is not None and stop.is_set():
                break
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
                await self.sweep(stop)
            except TransientError as error:
                logger.warning("outbox not swept", error=error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.outbox_interval_s)

    async def _publish_new(self, job_id: str, event: bytes) -> None:
        try:
            await self._publish(job_id, event, NEW)
        except TransientError as error:
            logger.warning("job left in the outbox", job_id=job_id, error=error.message)
            await self._leave(job_id)

    async def _leave(self, job_id: str) -> None:
        """Have a new job published soon that the bus did not take, or may not have taken."""
        try:
            await self._jobs.mark_unpublished(job_id, due_ms=self._after(self._settings.outbox_stale_s))
        except TransientError as error:
            # The job is stored, and due after its silence.
            logger.warning("job due late", job_id=job_id, error=error.message)

    async def _publish(self, job_id: str, event: bytes, reason: Counter) -> None:
        await self._acknowledged.keep(self._bus.publish_raw(OBSERVATION_SUBMITTED, job_id.encode(), event))
        reason.inc()

    def _silent_ms(self, publications: int) -> int:
        """When a job that was published so many times is due again, if nothing is heard of it."""
        settings = self._settings
        return self._after(silence_s(publications, settings.outbox_silence_s, settings.outbox_silence_max_s))

    def _after(self, seconds: float) -> int:
        return self._now_ms() + round(1000 * seconds)
