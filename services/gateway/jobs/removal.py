"""Removal of jobs: deleted by their user, beyond the history limit, or expired.

A job is first hidden, in one conditional write: from then on nobody sees it. Then its slot is freed and its objects are
deleted. A worker that was in the middle of the job may write more of them: they are deleted when its event arrives. The
sweeper finishes what a process that died left undone, and purges each removed job repeatedly for days.

A cadence is removed in the same way, and its first purge cancels the jobs that it started and that are still open.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.gateway.accounts.ports import UserDirectory
from services.gateway.jobs.cadence import new_job_id
from services.gateway.jobs.limits import PruningTurn, beyond_history, next_purge_ms
from services.gateway.jobs.model import RemovedJob
from services.gateway.jobs.ports import Bucket, CadenceStore, JobStore, Quotas, ResultsBucket
from services.gateway.settings import Settings
from shared.errors import WaterholeError
from shared.object_keys import job_prefix

logger = structlog.get_logger(__name__)

REMOVED_JOBS = Counter("waterhole_jobs_removed_total", "Jobs removed, by reason.", ["reason"])
REMOVED_OBJECTS = Counter("waterhole_objects_removed_total", "Objects removed from storage, by kind.", ["kind"])
DELETED_AT_ONCE = 16
# Longer than a purge or a pruning takes; then another process may take over.
LEASE_MS = 60_000
# A user, or an event of another job, need not wait until thousands of objects are deleted.
PURGE_TIMEOUT_S = 5.0


class KeptWithJob(Protocol):
    """What is kept of a job in another place than its document: it goes with the job."""

    async def delete_of_job(self, job_id: str) -> None:
        """Delete what is kept of a job or cadence. Raise `TransientError` if MongoDB is unavailable."""


class Removal:
    """Removes jobs, with their slots and objects."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: JobStore,
        cadences: CadenceStore,
        quotas: Quotas,
        users: UserDirectory,
        uploads: Bucket,
        results: ResultsBucket,
        beside: Sequence[KeptWithJob],
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cadences = cadences
        self._quotas = quotas
        self._users = users
        self._uploads = uploads
        self._results = results
        self._beside = beside
        self._now_ms = now_ms

    async def remove(
        self, job_id: str, reason: str, *, even_open: bool = True, uses: int | None = None
    ) -> RemovedJob | None:
        """Hide a job and free its slot; its objects are due to be purged. None if it does not exist (any more).

        With `uses`, the job stays if a cadence has begun to use it since it was listed with that number.

        Raises
        ------
        TransientError
            MongoDB is unavailable; the job may be hidden already.
        """
        if not await self._jobs.remove(job_id, now_ms=self._now_ms(), even_open=even_open, uses=uses):
            return None
        REMOVED_JOBS.labels(reason).inc()
        logger.info("job removed", job_id=job_id, reason=reason)
        removed = await self._jobs.removed(job_id)
        if removed is not None:
            await self._quotas.give_back(removed.user_id, job_id)
        await self._delete_beside(job_id)
        return removed

    async def purge_soon(self, job: RemovedJob) -> None:
        """Delete the objects that a removed job has now; leave them to the sweeper if that fails or takes long."""
        try:
            async with asyncio.timeout(PURGE_TIMEOUT_S):
                await self.purge(job)
        except (WaterholeError, TimeoutError) as error:
            logger.warning("objects left to the sweeper", job_id=job.job_id, error=str(error))

    async def purge_late(self, job_id: str) -> None:
        """Delete what a worker has written of a job since it was removed; called when the worker's event arrives.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        removed = await self._jobs.removed(job_id)
        if removed is not None:
            await self.purge_soon(removed)

    async def purge(self, job: RemovedJob) -> int:
        """Delete the objects that a removed job has now. Return how many.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable; the next purge starts over.
        """
        if not await self._jobs.postpone_purge(job, until_ms=self._now_ms() + LEASE_MS):
            return 0
        await self._let_go(job)
        # Once more: a request that was under way when the job was removed may have stored something.
        await self._delete_beside(job.job_id)
        count = await delete_all(self._results, await self._results.list_keys(job_prefix(job.job_id)))
        REMOVED_OBJECTS.labels("result").inc(count)
        if job.file_key is not None and not await self._jobs.files_in_use([job.file_key]):
            await self._uploads.delete(job.file_key)
        now_ms = self._now_ms()
        next_ms = next_purge_ms(job, now_ms, round(1000 * self._settings.removed_job_s))
        if next_ms is None:
            await self._jobs.delete_removed(job.job_id)
        else:
            found = await self._jobs.removed(job.job_id)
            if found is not None:
                await self._jobs.postpone_purge(found, until_ms=next_ms)
        logger.info("objects of a removed job purged", job_id=job.job_id, objects=count, last=next_ms is None)
        return count

    async def _delete_beside(self, job_id: str) -> None:
        for kept in self._beside:
            await kept.delete_of_job(job_id)

    async def prune(self, user_id: str) -> int:
        """Remove a user's oldest ended jobs beyond the number that the tier keeps. Return how many.

        One process at a time prunes a user's history. Two that read the list while jobs end would each take another job
        for the oldest, and together remove too many.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        user = await self._users.user(user_id)
        if user is None:
            return 0
        keep = self._settings.tiers[user.tier].history_jobs
        if await self._quotas.max_job_count(user_id) <= keep:
            return 0
        until_ms = self._now_ms() + LEASE_MS
        if not await self._quotas.begin_pruning(user_id, now_ms=self._now_ms(), until_ms=until_ms):
            return 0
        count = 0
        while (turn := await self._quotas.pruning_turn(user_id, until_ms=until_ms)) is not None:
            removed, left = await self._prune_jobs(user_id, keep, turn)
            removed_cadences, cadences_left = await self._prune_cadences(user_id, keep, turn)
            count += removed + removed_cadences
            if await self._quotas.end_pruning(user_id, turn, until_ms=until_ms, kept=max(left, cadences_left)):
                break
        return count

    async def _prune_jobs(self, user_id: str, keep: int, turn: PruningTurn) -> tuple[int, int]:
        """Return how many jobs were removed, and an upper limit of how many are left."""
        listed = await self._jobs.list_all(user_id)
        in_use = await self._cadences_in_use(user_id) if any(job.cadences for job in listed) else frozenset()
        started = {new_job_id(cadence, index) for cadence, files in turn.files.items() for index in range(files)}
        left = {job.job_id for job in listed} | (turn.active - turn.files.keys()) | started
        count = 0
        for job in beyond_history(listed, keep, in_use):
            if await self.remove(job.job_id, "history", even_open=False, uses=job.uses) is not None:
                count += 1
                left.discard(job.job_id)
        return count, len(left)

    async def _prune_cadences(self, user_id: str, keep: int, turn: PruningTurn) -> tuple[int, int]:
        """Return how many cadences were removed, and an upper limit of how many are left."""
        listed = await self._cadences.list_all(user_id)
        left = {cadence.job_id for cadence in listed} | turn.files.keys()
        count = 0
        for cadence in beyond_history(listed, keep):
            if await self.remove(cadence.job_id, "history", even_open=False) is not None:
                count += 1
                left.discard(cadence.job_id)
        return count, len(left)

    async def _cadences_in_use(self, user_id: str) -> frozenset[str]:
        """Return the cadences whose jobs must stay: open ones, and those that are being started and have a slot.

        This is read after the list of jobs. A cadence takes its slot, then its jobs, and then it is stored; so one that
        takes a job of that list later is noticed by the number of uses when the job is removed.
        """
        with_slot = await self._quotas.with_slot(user_id)
        return with_slot.union(cadence.job_id for cadence in await self._cadences.list_all(user_id) if cadence.is_open)

    async def _let_go(self, cadence: RemovedJob) -> None:
        """Cancel the open jobs that a removed cadence started; a job that another cadence uses continues.

        A job that is about to be stored is kept from it. This is done once: a job that an operator reopens later runs.
        """
        if not cadence.scan_jobs:
            return
        started = await self._jobs.started(cadence.cancels)
        cancelled = []
        for job_id in cadence.cancels:
            job, now_ms = started.get(job_id), self._now_ms()
            if job is None and await self._jobs.prevent_insert(job_id, cadence.user_id, now_ms=now_ms):
                continue
            if job is None or (job.is_open and job.cadences <= {cadence.job_id}):
                cancelled.append(await self.remove(job_id, "cancelled"))
        await self._cadences.release_jobs(cadence.job_id, cadence.scan_jobs)
        await self._cadences.forget_removed(cadence.job_id)
        for removed in filter(None, cancelled):
            await self.purge(removed)


async def delete_all(bucket: Bucket, keys: Sequence[str]) -> int:
    """Delete objects, 16 at a time. Return how many."""
    for start in range(0, len(keys), DELETED_AT_ONCE):
        await asyncio.gather(*map(bucket.delete, keys[start : start + DELETED_AT_ONCE]))
    return len(keys)
