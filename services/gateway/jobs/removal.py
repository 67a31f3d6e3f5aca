"""Jobs that go: deleted by their user, pushed out of the history, or expired.

A job is first hidden, in one conditional write; from then on it is gone for everybody. Its slot and its objects follow,
and whatever is left undone by a process that dies is found by the sweeper: a removed job is looked after for days.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.gateway.domain import User
from services.gateway.jobs.limits import ListedJob, PruningTurn, RemovedJob, beyond_history, next_purge_ms
from services.gateway.settings import Settings
from shared.object_keys import job_prefix

logger = structlog.get_logger(__name__)

REMOVED_JOBS = Counter("waterhole_jobs_removed_total", "Jobs removed, by why.", ["reason"])
REMOVED_OBJECTS = Counter("waterhole_objects_removed_total", "Objects removed from storage, by kind.", ["kind"])
DELETED_AT_ONCE = 16
# Longer than a purge or a pruning takes; another process may go on after that.
LEASE_MS = 60_000


class RemovableJobs(Protocol):
    """What is needed of the job store."""

    async def listed(self, user_id: str) -> Sequence[ListedJob]:
        """All jobs that the user can see, the oldest first."""

    async def remove(self, job_id: str, *, now_ms: int, even_open: bool) -> bool:
        """Hide a job for good; False where it is not there (any more)."""

    async def removed(self, job_id: str) -> RemovedJob | None:
        """The job, if it is one that was removed."""

    async def put_off_purge(self, job: RemovedJob, *, until_ms: int) -> bool:
        """Look for its objects again at `until_ms`; False where somebody else changed that."""

    async def forget(self, job_id: str) -> None:
        """Delete what is left of a removed job."""

    async def files_in_use(self, file_keys: Sequence[str]) -> set[str]:
        """Those of the uploads that some job is about."""


class Slots(Protocol):
    """What is needed of the quotas."""

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of a job that has ended."""

    async def begin_pruning(self, user_id: str, *, now_ms: int, until_ms: int) -> bool:
        """Ask for the user's history to be pruned; True where the caller is to do it."""

    async def kept_at_most(self, user_id: str) -> int:
        """A number that the user's jobs are no more than."""

    async def pruning_turn(self, user_id: str, *, until_ms: int) -> PruningTurn | None:
        """What the caller should know before a look at the history; None where its turn is over."""

    async def end_pruning(self, user_id: str, turn: PruningTurn, *, until_ms: int, kept: int) -> bool:
        """End the caller's turn, unless there was another wish; `kept` is what it counted."""


class Users(Protocol):
    """What is needed of the user store."""

    async def user(self, user_id: str) -> User | None:
        """The user with this id."""


class Uploads(Protocol):
    """What is needed of the uploads bucket (see `shared.blobs`)."""

    async def delete(self, key: str) -> None: ...


class Results(Uploads, Protocol):
    """What is needed of the results bucket (see `shared.blobs`)."""

    async def list_keys(self, prefix: str) -> list[str]: ...


class Removal:
    """Removes jobs, with their slots and objects."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: RemovableJobs,
        slots: Slots,
        users: Users,
        uploads: Uploads,
        results: Results,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._slots = slots
        self._users = users
        self._uploads = uploads
        self._results = results
        self._now_ms = now_ms

    async def remove(self, job_id: str, reason: str, *, even_open: bool = True) -> RemovedJob | None:
        """Hide a job and free its slot; its objects are due to be purged. None where it is not there (any more).

        Raises:
            TransientError: MongoDB is away; the job may be hidden already.
        """
        if not await self._jobs.remove(job_id, now_ms=self._now_ms(), even_open=even_open):
            return None
        REMOVED_JOBS.labels(reason).inc()
        logger.info("job removed", job_id=job_id, reason=reason)
        removed = await self._jobs.removed(job_id)
        if removed is not None:
            await self._slots.give_back(removed.user_id, job_id)
        return removed

    async def purge(self, job: RemovedJob) -> int:
        """Remove the objects of a removed job that are there now; returns how many.

        Raises:
            TransientError: MongoDB or S3 is away; whoever comes next starts over.
        """
        if not await self._jobs.put_off_purge(job, until_ms=self._now_ms() + LEASE_MS):
            return 0
        count = await delete_all(self._results, await self._results.list_keys(job_prefix(job.job_id)))
        REMOVED_OBJECTS.labels("result").inc(count)
        if job.file_key is not None and not await self._jobs.files_in_use([job.file_key]):
            await self._uploads.delete(job.file_key)
        now_ms = self._now_ms()
        next_ms = next_purge_ms(job, now_ms, round(1000 * self._settings.removed_job_s))
        if next_ms is None:
            await self._jobs.forget(job.job_id)
        else:
            found = await self._jobs.removed(job.job_id)
            if found is not None:
                await self._jobs.put_off_purge(found, until_ms=next_ms)
        logger.info("objects of a removed job purged", job_id=job.job_id, objects=count, over=next_ms is None)
        return count

    async def prune(self, user_id: str) -> int:
        """Remove the oldest ended jobs of a user beyond what the tier keeps; returns how many.

        One process at a time does it for a user: two that look at a list while jobs end would each take another job for
        the oldest, and together leave too few.

        Raises:
            TransientError: MongoDB is away.
        """
        user = await self._users.user(user_id)
        if user is None:
            return 0
        keep = self._settings.tiers[user.tier].history_jobs
        if await self._slots.kept_at_most(user_id) <= keep:
            return 0
        until_ms = self._now_ms() + LEASE_MS
        if not await self._slots.begin_pruning(user_id, now_ms=self._now_ms(), until_ms=until_ms):
            return 0
        count = 0
        while (turn := await self._slots.pruning_turn(user_id, until_ms=until_ms)) is not None:
            listed = await self._jobs.listed(user_id)
            left = {job.job_id for job in listed} | turn.active
            for job_id in beyond_history(listed, keep):
                count += await self.remove(job_id, "history", even_open=False) is not None
                left.discard(job_id)
            if await self._slots.end_pruning(user_id, turn, until_ms=until_ms, kept=len(left)):
                break
        return count


async def delete_all(bucket: Uploads, keys: Sequence[str]) -> int:
    """Delete objects, some at a time; returns how many."""
    for start in range(0, len(keys), DELETED_AT_ONCE):
        await asyncio.gather(*map(bucket.delete, keys[start : start + DELETED_AT_ONCE]))
    return len(keys)
