"""Removal of jobs: deleted by their user, beyond the history limit, or expired.

A job is first hidden, in one conditional write: from then on nobody sees it. Then its slot is freed and its objects are
deleted. A worker that was in the middle of the job may write more of them: they are deleted when its event arrives. The
sweeper finishes what a process that died left undone, and purges each removed job repeatedly for days.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Counter

from services.gateway.accounts.ports import UserDirectory
from services.gateway.jobs.limits import beyond_history, next_purge_ms
from services.gateway.jobs.model import RemovedJob
from services.gateway.jobs.ports import Bucket, JobStore, Quotas, ResultsBucket
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


class Removal:
    """Removes jobs, with their slots and objects."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: JobStore,
        quotas: Quotas,
        users: UserDirectory,
        uploads: Bucket,
        results: ResultsBucket,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._quotas = quotas
        self._users = users
        self._uploads = uploads
        self._results = results
        self._now_ms = now_ms

    async def remove(self, job_id: str, reason: str, *, even_open: bool = True) -> RemovedJob | None:
        """Hide a job and free its slot; its objects are due to be purged. None if it does not exist (any more).

        Raises
        ------
        TransientError
            MongoDB is unavailable; the job may be hidden already.
        """
        if not await self._jobs.remove(job_id, now_ms=self._now_ms(), even_open=even_open):
            return None
        REMOVED_JOBS.labels(reason).inc()
        logger.info("job removed", job_id=job_id, reason=reason)
        removed = await self._jobs.removed(job_id)
        if removed is not None:
            await self._quotas.give_back(removed.user_id, job_id)
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
            listed = await self._jobs.list_all(user_id)
            left = {job.job_id for job in listed} | turn.active
            for job_id in beyond_history(listed, keep):
                count += await self.remove(job_id, "history", even_open=False) is not None
                left.discard(job_id)
            if await self._quotas.end_pruning(user_id, turn, until_ms=until_ms, kept=len(left)):
                break
        return count


async def delete_all(bucket: Bucket, keys: Sequence[str]) -> int:
    """Delete objects, 16 at a time. Return how many."""
    for start in range(0, len(keys), DELETED_AT_ONCE):
        await asyncio.gather(*map(bucket.delete, keys[start : start + DELETED_AT_ONCE]))
    return len(keys)
