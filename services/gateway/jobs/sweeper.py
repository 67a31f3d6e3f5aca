"""The sweeper: what nobody else is left to do.

It gives back slots whose jobs have ended or never came to be, removes jobs whose time is over, removes the objects of
jobs that are gone, ends prunings of histories that were cut short, and clears the uploads bucket of what no job uses.
Each step may be cut short at any point, be done again, and be done by several gateways at once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.gateway.jobs.limits import RemovedJob, StartedJob
from services.gateway.jobs.removal import REMOVED_OBJECTS, delete_all
from services.gateway.settings import Settings
from shared.blobs import MultipartError, OpenMultipart, StoredObject
from shared.errors import WaterholeError

logger = structlog.get_logger(__name__)

FREED_SLOTS = Counter("waterhole_slots_swept_total", "Slots given back by the sweeper, by what left them.", ["left_by"])
FAILED_SWEEPS = Counter("waterhole_sweeps_failed_total", "Steps of the sweeper that were given up.", ["step"])
BATCH = 100
# What a query may name at once.
KEYS_AT_ONCE = 200
UPLOADS = "uploads/"


class SweptJobs(Protocol):
    """What the sweeper needs of the job store."""

    async def started(self, job_ids: Sequence[str]) -> Mapping[str, StartedJob]:
        """Those of the jobs that were ever started, removed ones too."""

    async def expired(self, now_s: int, limit: int) -> Sequence[str]:
        """Jobs, open or not, whose time is over."""

    async def due_purges(self, now_ms: int, limit: int) -> Sequence[RemovedJob]:
        """Removed jobs whose objects are to be looked for."""

    async def files_in_use(self, file_keys: Sequence[str]) -> set[str]:
        """Those of the uploads that some job is about."""


class SweptSlots(Protocol):
    """What the sweeper needs of the quotas."""

    def slots(self) -> AsyncIterator[tuple[str, Mapping[str, int]]]:
        """Every user who has active jobs, and since when each of these has its slot, unix ms."""

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of a job that has ended."""

    async def undo(self, user_id: str, job_id: str, taken_ms: int) -> bool:
        """Free the slot, and uncount the job, of a start that failed."""

    async def abandoned_prunings(self, now_ms: int) -> Sequence[str]:
        """Users whose history somebody began to prune, and did not end in time."""


class Removals(Protocol):
    """What the sweeper needs to remove jobs."""

    async def remove(self, job_id: str, reason: str, *, even_open: bool = True) -> RemovedJob | None:
        """Hide a job and free its slot."""

    async def purge(self, job: RemovedJob) -> int:
        """Remove the objects of a removed job."""

    async def prune(self, user_id: str) -> int:
        """Remove the oldest ended jobs of a user beyond what the tier keeps."""


class SweptKeys(Protocol):
    """What the sweeper needs of the idempotency keys."""

    async def forget_old(self, now_ms: int) -> int:
        """Remove the keys whose day is over."""


class SweptRecords(Protocol):
    """What the sweeper needs of the records of uploads."""

    async def forget_before(self, asked_ms: int) -> int:
        """Remove the records of uploads that were asked for before then."""


class UploadsBucket(Protocol):
    """What the sweeper needs of the uploads bucket (see `shared.blobs`)."""

    def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]: ...
    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]: ...
    async def abort_multipart(self, key: str, upload_id: str) -> None: ...
    async def delete(self, key: str) -> None: ...


class Sweeper:
    """Does all that, again and again."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: SweptJobs,
        slots: SweptSlots,
        removals: Removals,
        keys: SweptKeys,
        records: SweptRecords,
        uploads: UploadsBucket,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._slots = slots
        self._removals = removals
        self._keys = keys
        self._records = records
        self._uploads = uploads
        self._now_ms = now_ms
        self._storage_due_ms = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set."""
        while not stop.is_set():
            await self.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.sweep_interval_s)

    async def sweep(self) -> None:
        """Every step once, the costly one when it is due. One that fails is tried again with the next sweep."""
        await self._step("slots", self.free_slots)
        await self._step("expired", self.remove_expired)
        await self._step("histories", self.finish_prunings)
        await self._step("objects", self.purge_removed)
        if self._now_ms() >= self._storage_due_ms:
            done = await self._step("uploads", self.clear_uploads)
            done = await self._step("multiparts", self.abort_multiparts) and done
            done = await self._step("records", self.forget_records) and done
            if done:
                self._storage_due_ms = self._now_ms() + round(1000 * self._settings.sweep_storage_interval_s)

    async def _step(self, name: str, step: Callable[[], Awaitable[int]]) -> bool:
        try:
            count = await step()
        except WaterholeError as error:
            # Of whatever kind: what one step can't do must keep neither the others nor the gateway from their work.
            FAILED_SWEEPS.labels(name).inc()
            logger.warning("not swept", step=name, code=error.code, error=error.message)
            return False
        if count:
            logger.info("swept", step=name, count=count)
        return True

    async def free_slots(self) -> int:
        """Give back the slots of jobs that have ended, and of starts that nobody finished; returns how many.

        Raises:
            TransientError: MongoDB is away.
        """
        count = 0
        async for user_id, taken in self._slots.slots():
            started = await self._jobs.started(list(taken))
            for job_id, taken_ms in taken.items():
                job = started.get(job_id)
                if job is not None and not job.is_open:
                    freed, left_by = await self._slots.give_back(user_id, job_id), "ended"
                elif job is None and self._now_ms() - taken_ms >= 1000 * self._settings.slot_grace_s:
                    freed, left_by = await self._slots.undo(user_id, job_id, taken_ms), "never_started"
                else:
                    continue
                if freed:
                    FREED_SLOTS.labels(left_by).inc()
                    logger.info("slot given back", user_id=user_id, job_id=job_id, left_by=left_by)
                    count += 1
        return count

    async def remove_expired(self) -> int:
        """Remove the jobs whose time is over, a batch of them; returns how many.

        Raises:
            TransientError: MongoDB is away.
        """
        count = 0
        for job_id in await self._jobs.expired(self._now_ms() // 1000, BATCH):
            count += await self._removals.remove(job_id, "expired") is not None
        return count

    async def finish_prunings(self) -> int:
        """Prune the histories that somebody began to prune and did not end; returns how many jobs went.

        Raises:
            TransientError: MongoDB is away.
        """
        users = await self._slots.abandoned_prunings(self._now_ms())
        return sum([await self._removals.prune(user_id) for user_id in users])

    async def purge_removed(self) -> int:
        """Remove the objects of removed jobs, a batch of these; returns how many objects.

        Raises:
            TransientError: MongoDB or S3 is away.
        """
        return sum([await self._removals.purge(job) for job in await self._jobs.due_purges(self._now_ms(), BATCH)])

    async def clear_uploads(self) -> int:
        """Remove the uploads of long ago that no job uses; returns how many.

        Raises:
            TransientError: MongoDB or S3 is away.
        """
        count = 0
        async for page in self._uploads.list_pages(UPLOADS):
            old = [found.key for found in page if found.modified_s < self._unused_before_s()]
            for start in range(0, len(old), KEYS_AT_ONCE):
                keys = old[start : start + KEYS_AT_ONCE]
                used = await self._jobs.files_in_use(keys)
                count += await delete_all(self._uploads, [key for key in keys if key not in used])
        REMOVED_OBJECTS.labels("upload").inc(count)
        return count

    async def abort_multiparts(self) -> int:
        """Abort the multipart uploads of long ago; returns how many.

        Raises:
            TransientError: S3 is away.
        """
        count = 0
        for upload in await self._uploads.list_multiparts(UPLOADS):
            if upload.initiated_s < self._unused_before_s():
                # Completed, or aborted by another gateway, since it was listed: all the better.
                with suppress(MultipartError):
                    await self._uploads.abort_multipart(upload.key, upload.upload_id)
                    count += 1
        REMOVED_OBJECTS.labels("multipart").inc(count)
        return count

    async def forget_records(self) -> int:
        """Remove records of requests and uploads that have no use any more; returns how many.

        Raises:
            TransientError: MongoDB is away.
        """
        now_ms = self._now_ms()
        # An upload is completed long before it is taken for unused, and analyzed before that again.
        asked_ms = now_ms - round(2000 * self._settings.unused_upload_s)
        return await self._keys.forget_old(now_ms) + await self._records.forget_before(asked_ms)

    def _unused_before_s(self) -> float:
        return self._now_ms() / 1000 - self._settings.unused_upload_s
