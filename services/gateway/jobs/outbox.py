"""The outbox: no job is lost between MongoDB and the bus.

From its first write on, a job document holds its `observation.submitted` event and the time at which that event is due
to be published again. The event is published right after the insert. A job without news becomes due, whether it is open
or complete without its artefacts: the broker may have lost its memory, or the process that stored the job died before
it published. Workers handle a repeated event like the first one, so an extra one does no harm. The same is true of a
cadence and its `cadence.ready`, from the write on that stores this event.

An acknowledgement is not stored, since that would cost each job one more write. Only a refusal by the bus is stored:
then the event is due much sooner.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from prometheus_client import Counter

from services.gateway.jobs.model import Job, silence_s
from services.gateway.jobs.ports import Bus, DueEvents, JobStore
from services.gateway.settings import Settings
from shared.errors import TransientError
from shared.events import Event

logger = structlog.get_logger(__name__)

SUBMISSIONS = Counter("waterhole_submissions_total", "Submitted events published, by what made them due.", ["reason"])
REVIEWS = Counter("waterhole_reviews_total", "Events of reviews published, by what made them due.", ["reason"])
for _reason in ("new", "overdue", "silent"):
    # So that each is 0, not missing, until it occurs.
    SUBMISSIONS.labels(_reason)
    REVIEWS.labels(_reason)
BATCH = 100


class EventOutbox:
    """Publishes stored events at least once: again and again until they are answered."""

    def __init__(
        self, stored: DueEvents, bus: Bus, settings: Settings, *, now_ms: Callable[[], int], published: Counter
    ) -> None:
        """`published` counts publications, by what made them due."""
        self._stored = stored
        self._bus = bus
        self._settings = settings
        self._now_ms = now_ms
        self._published = published

    async def send(self, event: Event, store: Callable[[str, int], Awaitable[bool]]) -> bool:
        """Store an event and publish it. If the bus is unavailable, a later sweep does.

        Parameters:
            event: The event.
            store: Stores the event's JSON and the time at which it is due again; False if it is not to be published.

        Returns
        -------
        What `store` returned.

        Raises
        ------
        TransientError
            MongoDB is unavailable, and the event is not stored.
        """
        raw = event.to_bytes()
        try:
            if not await store(raw.decode(), self._silent_ms(1)):
                return False
            await self._publish_new(event, raw)
        except asyncio.CancelledError:
            # The request is cancelled halfway. The job may be stored all the same, and then it should run soon.
            logger.warning("event left in the outbox", job_id=event.job_id, error="The request was cancelled.")
            await self._publish_soon(event.job_id)
            raise
        return True

    async def sweep(self, stop: asyncio.Event | None = None) -> int:
        """Publish due events until all are published or `stop` is set. Return how many were published.

        Raises
        ------
        TransientError
            MongoDB or the bus is unavailable.
        """
        published = 0
        for due in await self._stored.due_events(self._now_ms(), BATCH):
            if stop is not None and stop.is_set():
                break
            lease_s = self._settings.publish_timeout_s + self._settings.outbox_stale_s
            if await self._stored.claim(due, until_ms=self._after(lease_s)):
                publications = due.publications + 1
                reason = "silent" if due.publications else "overdue"
                await self._publish(due.topic, due.job_id, due.event.encode(), reason)
                await self._stored.mark_published(due.job_id, due_ms=self._silent_ms(publications))
                logger.info("event published from the outbox", job_id=due.job_id, publications=publications)
                published += 1
        return published

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep periodically until `stop` is set. A sweep that fails is retried with the next one."""
        while not stop.is_set():
            try:
                await self.sweep(stop)
            except TransientError as error:
                logger.warning("outbox not swept", error=error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.outbox_interval_s)

    async def _publish_new(self, event: Event, raw: bytes) -> None:
        try:
            await self._publish(event.topic, event.job_id, raw, "new")
        except TransientError as error:
            logger.warning("event left in the outbox", job_id=event.job_id, error=error.message)
            await self._publish_soon(event.job_id)

    async def _publish_soon(self, job_id: str) -> None:
        """Make the event of a new job due soon, because the bus refused it or may not have received it."""
        try:
            await self._stored.mark_unpublished(job_id, due_ms=self._after(self._settings.outbox_stale_s))
        except TransientError as error:
            # The job is stored, and its event is due after the first silence.
            logger.warning("event due late", job_id=job_id, error=error.message)

    async def _publish(self, topic: str, job_id: str, event: bytes, reason: str) -> None:
        try:
            async with asyncio.timeout(self._settings.publish_timeout_s) as timer:
                await self._bus.publish_raw(topic, job_id.encode(), event)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise TransientError("The event bus did not acknowledge in time.") from error
        self._published.labels(reason).inc()

    def _silent_ms(self, publications: int) -> int:
        """Return when a job's event is due again after so many publications, if there is no news of the job."""
        settings = self._settings
        return self._after(silence_s(publications, settings.outbox_silence_s, settings.outbox_silence_max_s))

    def _after(self, seconds: float) -> int:
        return self._now_ms() + round(1000 * seconds)


class Outbox(EventOutbox):
    """Publishes the first events of jobs and cadences."""

    def __init__(self, jobs: JobStore, bus: Bus, settings: Settings, *, now_ms: Callable[[], int]) -> None:
        super().__init__(jobs, bus, settings, now_ms=now_ms, published=SUBMISSIONS)
        self._jobs = jobs

    async def submit(self, job: Job, event: Event) -> bool:
        """Store a new job and publish its event. If the bus is unavailable, a later sweep publishes it.

        Return False if a job of this id exists or existed.

        Raises
        ------
        TransientError
            MongoDB is unavailable, and the job is not stored.
        """

        async def store(raw: str, due_ms: int) -> bool:
            return await self._jobs.insert(job, raw, due_ms=due_ms)

        return await self.send(event, store)
