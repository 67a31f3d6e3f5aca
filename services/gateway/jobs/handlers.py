"""The events of workers change jobs and cadences; an ended one frees its slot, and may make a cadence ready.

A cadence's id is the `job_id` of its events, so what is said of jobs here is true of cadences. The topics are read in
parallel, so events of one job arrive in any order and any number of times. Each one is a conditional update that only
moves the job forward. An operator who replays a dead letter reopens the job: that alone moves it back, and results that
arrive before it are kept for it.
"""

import re
from collections.abc import Callable, Sequence

import structlog

from services.gateway.jobs.cadence import ClassifiedScan
from services.gateway.jobs.cadences import Cadences
from services.gateway.jobs.model import (
    Failure,
    Progress,
    Reopening,
    StartedJob,
    believable_ms,
    shown,
    shown_summary,
)
from services.gateway.jobs.ports import CadenceStore, JobStore, Quotas
from services.gateway.jobs.removal import Removal
from services.gateway.jobs.review import ReviewStore
from shared.errors import PermanentError
from shared.events import (
    Artefact,
    CadenceClassified,
    CadenceExported,
    Event,
    JobFailed,
    JobProgress,
    JobReopened,
    ObservationClassified,
    ObservationExported,
    ReviewExported,
)
from shared.formats import (
    CADENCE_FORMATS,
    FORMATS,
    REVIEWED_EVENT_FORMATS,
    REVIEWED_FORMATS,
    Format,
    event_picture,
)
from shared.object_keys import artefact_key, reviewed_key

logger = structlog.get_logger(__name__)


_PICTURE = re.compile(r"event_([0-9]{4,8})")


def cadence_format(name: str) -> Format | None:
    """Return the format of a cadence that has this name, that of an event's picture included; None if none has."""
    picture = _PICTURE.fullmatch(name)
    if picture is None:
        return CADENCE_FORMATS.get(name)
    made = event_picture(int(picture[1]))
    return made if made.name == name else None


def reviewed_formats(event: ReviewExported) -> tuple[str, ...]:
    """Return the formats of the catalogues with verdicts that this version offers.

    Raises
    ------
    PermanentError
        The file of a format is not the one that a job or cadence has.
    """
    known = []
    for artefact in event.artefacts:
        made = [one[artefact.format] for one in (REVIEWED_FORMATS, REVIEWED_EVENT_FORMATS) if artefact.format in one]
        keys = {reviewed_key(event.job_id, event.revision, one.filename) for one in made}
        if keys and artefact.key not in keys:
            raise PermanentError(f"The {artefact.format} of a job is not {artefact.key!r}.", code="inconsistent_event")
        if keys:
            known.append(artefact.format)
    return tuple(known)


def known_artefacts(event: ObservationExported | CadenceExported) -> tuple[Artefact, ...]:
    """Return the artefacts of the formats that this version offers. A later version of export may make others.

    Raises
    ------
    PermanentError
        The file of a format is not the one that a job or cadence has.
    """
    find = FORMATS.get if isinstance(event, ObservationExported) else cadence_format
    known = []
    for artefact in event.artefacts:
        made = find(artefact.format)
        if made is None:
            continue
        if (artefact.key, artefact.filename) != (artefact_key(event.job_id, made.filename), made.filename):
            raise PermanentError(f"The {artefact.format} of a job is not {artefact.key!r}.", code="inconsistent_event")
        known.append(artefact)
    return tuple(known)


class WorkerEvents:
    """Handles the events of workers."""

    def __init__(
        self,
        jobs: JobStore,
        *,
        cadence_store: CadenceStore,
        cadences: Cadences,
        reviews: ReviewStore,
        quotas: Quotas,
        removal: Removal,
        now_ms: Callable[[], int],
        silence_s: float,
    ) -> None:
        self._jobs = jobs
        self._cadence_store = cadence_store
        self._cadences = cadences
        self._reviews = reviews
        self._quotas = quotas
        self._removal = removal
        self._now_ms = now_ms
        self._silence_ms = round(1000 * silence_s)

    async def handle(self, event: Event) -> Sequence[Event]:
        """Record what happened to a job. An event of a job that does not exist (any more) is dropped.

        There are no events in return: a cadence that becomes ready is announced through the outbox.

        Before it, the worker may have written objects of a removed job: they are deleted.

        Raises
        ------
        PermanentError
            The gateway does not handle events of this type.
        TransientError
            MongoDB is unavailable.
        """
        if not await self._record(event):
            logger.info("event of an unknown job dropped", type=event.topic)
            await self._removal.purge_late(event.job_id)
        if isinstance(event, JobReopened):
            await self._reopen(event.job_id)
        if isinstance(event, ObservationClassified | CadenceClassified | JobFailed | JobReopened):
            await self._finish(event.job_id)
        return []

    async def _reopen(self, job_id: str) -> None:
        """Give a reopened job a slot. If it ends meanwhile, `_finish` frees the slot.

        The job of a scan needs none while its cadence is open, for then the cadence has one.
        """
        job = (await self._jobs.started([job_id])).get(job_id)
        if job is not None and job.is_open and not await self._is_in_open_cadence(job):
            await self._quotas.retake(job.user_id, job_id, now_ms=self._now_ms())

    async def _is_in_open_cadence(self, job: StartedJob) -> bool:
        cadences = await self._jobs.started(sorted(job.cadences)) if job.cadences else {}
        return any(cadence.is_open for cadence in cadences.values())

    async def _finish(self, job_id: str) -> None:
        """Free the slot of an ended job, prune its user's history, and advance the cadences that wait for it.

        Each repeat of the event does this again, in case it was interrupted.
        """
        job = (await self._jobs.started([job_id])).get(job_id)
        if job is not None and not job.is_open:
            await self._quotas.give_back(job.user_id, job_id)
            if job.is_cadence:
                await self._cadences.release(job_id)
            await self._removal.prune(job.user_id)
            if job.cadences:
                await self._cadences.job_ended(job_id)

    async def _record(self, event: Event) -> bool:
        now_ms = self._now_ms()
        due_ms = now_ms + self._silence_ms
        match event:
            case JobProgress():
                return await self._jobs.record_progress(event.job_id, Progress.of(event), due_ms=due_ms)
            case ObservationClassified():
                return await self._jobs.record_classified(
                    event.job_id,
                    shown_summary(event.summary),
                    observation=event.header,
                    results_key=event.results_key,
                    completed_at=believable_ms(event, now_ms) // 1000,
                    due_ms=due_ms,
                )
            case ObservationExported():
                return await self._jobs.record_exported(event.job_id, known_artefacts(event))
            case CadenceClassified():
                return await self._cadence_store.record_classified(
                    event.job_id,
                    [ClassifiedScan(scan.job_id, scan.role) for scan in event.scans if scan.role is not None],
                    event.summary.model_copy(update={"warnings": tuple(map(shown, event.summary.warnings))}),
                    results_key=event.events_key,
                    completed_at=believable_ms(event, now_ms) // 1000,
                    due_ms=due_ms,
                )
            case CadenceExported():
                return await self._cadence_store.record_exported(event.job_id, known_artefacts(event))
            case ReviewExported():
                return await self._record_reviewed(event)
            case JobFailed():
                return await self._record_failure(event)
            case JobReopened():
                logger.info("job reopened", operator=event.operator, dead_letter=event.dead_letter)
                return await self._jobs.record_reopened(event.job_id, Reopening.of(event, now_ms), due_ms=due_ms)
            case _:
                raise PermanentError(f"The gateway can't handle {event.topic}.", code="unexpected_event")

    async def _record_reviewed(self, event: ReviewExported) -> bool:
        """Record the answer to a review. One that is not wanted any more says nothing, unless the job was removed."""
        formats = reviewed_formats(event)
        if await self._reviews.record_exported(event.job_id, event.revision, formats):
            return True
        return await self._jobs.removed(event.job_id) is None

    async def _record_failure(self, event: JobFailed) -> bool:
        job_id, failure = event.job_id, Failure.of(event)
        logger.warning("job failed", stage=failure.stage, code=failure.code)
        if failure.is_export_failure and await self._reviews.record_failed(job_id, failure):
            return True
        if failure.is_export_failure:
            return await self._jobs.record_export_failed(job_id, failure)
        return await self._jobs.record_failed(job_id, failure, failed_ms=round(1000 * event.occurred_at.timestamp()))
