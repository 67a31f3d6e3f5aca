"""What workers report moves jobs on; a job that has ended leaves its slot to the next.

The four topics are read side by side, so that events of one job come in any order and any number of times: each one
is a conditional update that only ever moves the job forward.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from services.gateway.domain import Failure, Progress
from services.gateway.jobs.limits import StartedJob
from shared.errors import PermanentError
from shared.events import (
    Artefact,
    Event,
    JobFailed,
    JobProgress,
    ObservationClassified,
    ObservationExported,
    ResultsSummary,
)

logger = structlog.get_logger(__name__)


class JobRecords(Protocol):
    """What the handler needs of the job store; each method returns whether there is such a job."""

    async def record_progress(self, job_id: str, progress: Progress, *, due_ms: int) -> bool:
        """Show progress that is further than what is shown; put off the next submission."""

    async def record_classified(
        self, job_id: str, results: ResultsSummary, *, results_key: str, completed_at: int, due_ms: int
    ) -> bool:
        """Complete an open job; at `due_ms` it is submitted again, should its artefacts not be heard of."""

    async def record_exported(self, job_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Set the artefacts, whatever the status."""

    async def record_failed(self, job_id: str, failure: Failure) -> bool:
        """Fail an open job."""

    async def record_export_failed(self, job_id: str, failure: Failure) -> bool:
        """Note that there will be no artefacts, whatever the status."""

    async def started(self, job_ids: Sequence[str]) -> Mapping[str, StartedJob]:
        """Those of the jobs that were ever started, removed ones too."""


class Slots(Protocol):
    """What the handler needs of the quotas."""

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of a job that has ended."""


class History(Protocol):
    """What the handler needs of the removal of jobs."""

    async def prune(self, user_id: str) -> int:
        """Remove the oldest ended jobs of a user beyond what the tier keeps."""


class WorkerEvents:
    """Handles the events of workers; publishes nothing."""

    def __init__(
        self, jobs: JobRecords, *, slots: Slots, history: History, now_ms: Callable[[], int], silence_s: float
    ) -> None:
        self._jobs = jobs
        self._slots = slots
        self._history = history
        self._now_ms = now_ms
        self._silence_ms = round(1000 * silence_s)

    async def handle(self, event: Event) -> Sequence[Event]:
        """Record what happened to a job; an event of a job that is not (or no longer) there is dropped."""
        if not await self._record(event):
            logger.info("event of an unknown job dropped", type=event.topic)
        if isinstance(event, ObservationClassified | JobFailed):
            await self._settle(event.job_id)
        return []

    async def _settle(self, job_id: str) -> None:
        """What follows from the end of a job; done again with each repeat of the event, in case it was cut short."""
        job = (await self._jobs.started([job_id])).get(job_id)
        if job is not None and not job.is_open:
            await self._slots.give_back(job.user_id, job_id)
            await self._history.prune(job.user_id)

    async def _record(self, event: Event) -> bool:
        due_ms = self._now_ms() + self._silence_ms
        match event:
            case JobProgress():
                return await self._jobs.record_progress(event.job_id, Progress.of(event), due_ms=due_ms)
            case ObservationClassified():
                return await self._jobs.record_classified(
                    event.job_id,
                    event.summary,
                    results_key=event.results_key,
                    completed_at=int(event.occurred_at.timestamp()),
                    due_ms=due_ms,
                )
            case ObservationExported():
                return await self._jobs.record_exported(event.job_id, event.artefacts)
            case JobFailed():
                return await self._record_failure(event.job_id, Failure.of(event))
            case _:
                raise PermanentError(f"The gateway can't handle {event.topic}.", code="unexpected_event")

    async def _record_failure(self, job_id: str, failure: Failure) -> bool:
        logger.warning("job failed", stage=failure.stage, code=failure.code)
        if failure.spares_results:
            return await self._jobs.record_export_failed(job_id, failure)
        return await self._jobs.record_failed(job_id, failure)
