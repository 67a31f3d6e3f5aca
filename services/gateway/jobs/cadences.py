"""The life of a cadence until it is ready: accepted, its new scans' jobs started, all jobs ended, its event published.

The write that stores a cadence accepts it. It holds all that its jobs need, so whatever is interrupted after it is
continued: by the next event of a job, by the same request sent again, or by the sweeper.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from services.gateway.accounts.model import User
from services.gateway.jobs.cadence import (
    Cadence,
    Scan,
    ended_scans,
    job_of_scan,
    new_job_id,
    ready_event,
    submitted_of_scan,
    too_few,
)
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.model import Failure
from services.gateway.jobs.new_cadence import NewCadence, NewScan
from services.gateway.jobs.outbox import Outbox
from services.gateway.jobs.ports import CadenceStore, JobStore, Quotas
from services.gateway.jobs.removal import Removal
from services.gateway.jobs.starts import Place, Starts
from services.gateway.settings import Settings
from shared.cadence import CadenceScan
from shared.errors import TransientError
from shared.events import Upload

logger = structlog.get_logger(__name__)

CHECKED_AT_ONCE = 100
# Jobs stored and published at a time. While the bus is away, each of them waits for it.
STARTED_AT_ONCE = 16


class Cadences:
    """Starts cadences, and announces those whose jobs have ended."""

    def __init__(
        self,
        settings: Settings,
        *,
        starts: Starts,
        cadences: CadenceStore,
        jobs: JobStore,
        outbox: Outbox,
        quotas: Quotas,
        removal: Removal,
        now_ms: Callable[[], int],
    ) -> None:
        self._check_ms = round(1000 * settings.sweep_interval_s)
        self._starts = starts
        self._cadences = cadences
        self._jobs = jobs
        self._outbox = outbox
        self._quotas = quotas
        self._removal = removal
        self._now_ms = now_ms

    async def repeated(self, key: RequestKey) -> str | None:
        """Return the id of the cadence that an earlier request with this key started, or None; see `Starts`."""
        cadence_id = await self._starts.repeated(key)
        if cadence_id is not None:
            await self._advance_now(cadence_id)
        return cadence_id

    async def start(self, user: User, new: NewCadence, key: RequestKey | None) -> str:
        """Start a cadence, or find the one that the same request started before. Return its id; see `Starts.start`."""

        async def store(place: Place) -> bool:
            cadence = _cadence(user, new, place)
            # Before the cadence is stored, so that no job of a stored cadence is pruned.
            await self._cadences.use_jobs(place.job_id, [scan.job_id for scan in cadence.scans if not scan.is_new])
            is_first = await self._cadences.insert(cadence, check_ms=place.now_ms + self._check_ms)
            if is_first:
                logger.info("cadence accepted", job_id=place.job_id, scans=len(new.scans), new=new.files)
            await self._advance_now(place.job_id)
            return is_first

        return await self._starts.start(user, key, store, files=new.files)

    async def _advance_now(self, cadence_id: str) -> None:
        """Advance a cadence that is stored, so that its user need not wait for the sweeper."""
        try:
            await self.advance(cadence_id)
        except TransientError as error:
            logger.warning("cadence left to the sweeper", job_id=cadence_id, error=error.message)

    async def job_ended(self, job_id: str) -> None:
        """Advance the cadences that wait for a job, which has ended or was deleted.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        job = (await self._jobs.started([job_id])).get(job_id)
        for cadence_id in sorted(job.cadences) if job is not None else ():
            await self.advance(cadence_id)

    async def check_due(self) -> int:
        """Advance waiting cadences that are due to be checked. Return how many do not wait any more.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        count = 0
        for cadence_id in await self._cadences.due_checks(self._now_ms(), CHECKED_AT_ONCE):
            await self._cadences.postpone_check(cadence_id, until_ms=self._now_ms() + self._check_ms)
            count += await self.advance(cadence_id)
        return count

    async def advance(self, cadence_id: str) -> bool:
        """Take a waiting cadence as far as its jobs allow. Return whether this call ended the wait.

        Several processes may do so at once: each write is conditional, and the first one counts.

        Raises
        ------
        TransientError
            MongoDB is unavailable; the next call continues.
        """
        cadence = await self._cadences.get(cadence_id)
        if cadence is None or not cadence.is_waiting:
            return False
        if not cadence.is_started:
            await self._start_jobs(cadence)
        jobs = await self._cadences.scan_jobs([scan.job_id for scan in cadence.scans])
        scans = ended_scans(cadence, jobs)
        if scans is None:
            if cadence.status == "submitted" and any(job.has_ended for job in jobs.values()):
                await self._cadences.mark_processing(cadence_id)
            return False
        failure = too_few(scans)
        return await (self._announce(cadence, scans) if failure is None else self._fail(cadence, failure))

    async def _start_jobs(self, cadence: Cadence) -> None:
        """Store and publish the jobs of new scans that are not stored yet."""
        new = [scan for scan in cadence.scans if scan.is_new]
        started = await self._jobs.started([scan.job_id for scan in new])
        missing = [scan for scan in new if scan.job_id not in started]
        for first in range(0, len(missing), STARTED_AT_ONCE):
            some = missing[first : first + STARTED_AT_ONCE]
            submissions = (
                self._outbox.submit(job_of_scan(cadence, one), submitted_of_scan(cadence, one)) for one in some
            )
            for outcome in await asyncio.gather(*submissions, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        await self._cadences.mark_started(cadence.job_id)

    async def _announce(self, cadence: Cadence, scans: tuple[CadenceScan, ...]) -> bool:
        async def store(raw: str, due_ms: int) -> bool:
            return await self._cadences.make_ready(cadence.job_id, raw, due_ms=due_ms)

        is_ready = await self._outbox.send(ready_event(cadence, scans), store)
        if is_ready:
            without = sum(scan.failure is not None for scan in scans)
            logger.info("cadence ready", job_id=cadence.job_id, scans=len(scans), without_results=without)
        return is_ready

    async def _fail(self, cadence: Cadence, failure: Failure) -> bool:
        has_failed = await self._cadences.fail_waiting(cadence.job_id, failure)
        if has_failed:
            logger.warning("cadence failed", job_id=cadence.job_id, code=failure.code)
            await self._quotas.give_back(cadence.user_id, cadence.job_id)
            await self.release(cadence.job_id)
            await self._removal.prune(cadence.user_id)
        return has_failed

    async def release(self, cadence_id: str) -> None:
        """Let go of the jobs of an ended cadence: a history may lose them.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        cadence = await self._cadences.get(cadence_id)
        if cadence is not None:
            await self._cadences.release_jobs(cadence_id, [scan.job_id for scan in cadence.scans])


def _cadence(user: User, new: NewCadence, place: Place) -> Cadence:
    return Cadence(
        job_id=place.job_id,
        user_id=user.user_id,
        name=new.name,
        scans=_scans(new.scans, place),
        parameters=new.parameters,
        search=new.search,
        limits=place.tier.job_limits,
        submitted_ms=place.now_ms,
        expires_at=place.expires_at,
        slot_ms=place.slot_ms,
    )


def _scans(scans: Sequence[NewScan], place: Place) -> tuple[Scan, ...]:
    made: list[Scan] = []
    for scan in scans:
        index = sum(one.is_new for one in made)
        upload = Upload(
            file_key=scan.file_key,
            file_name=scan.filename,
            file_size=scan.file_size,
            source_name=scan.source_name,
            etag=scan.etag,
            sha256=scan.sha256,
            submitted_at=datetime.fromtimestamp((scan.submitted_ms or place.now_ms) / 1000, UTC),
        )
        job_id = scan.job_id if scan.job_id is not None else new_job_id(place.job_id, index)
        made.append(Scan(job_id, upload, scan.role, is_new=scan.job_id is None))
    return tuple(made)
