"""The sweeper finishes and cleans up what no request does.

It frees slots whose jobs have ended or were never stored, advances cadences that wait for their jobs, removes expired
jobs, purges the objects of removed jobs, finishes interrupted prunings of histories, and deletes ended sessions and
uploads that no job uses. Each step may be interrupted at any point, repeated, and run by several gateways at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from prometheus_client import Counter

from services.gateway.accounts.ports import SessionStore
from services.gateway.jobs.cadences import Cadences
from services.gateway.jobs.ports import IdempotencyKeys, JobStore, Quotas, UploadRecords, UploadsBucket
from services.gateway.jobs.removal import REMOVED_OBJECTS, Removal, delete_all
from services.gateway.settings import Settings
from shared.blobs import MultipartError
from shared.errors import WaterholeError

logger = structlog.get_logger(__name__)

FREED_SLOTS = Counter("waterhole_slots_swept_total", "Slots freed by the sweeper, by what left them.", ["left_by"])
FAILED_SWEEPS = Counter("waterhole_sweeps_failed_total", "Steps of the sweeper that failed.", ["step"])
BATCH = 100
# Keys in one query.
KEYS_AT_ONCE = 200
UPLOADS = "uploads/"


class Sweeper:
    """Runs every step periodically."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: JobStore,
        cadences: Cadences,
        quotas: Quotas,
        removal: Removal,
        keys: IdempotencyKeys,
        records: UploadRecords,
        uploads: UploadsBucket,
        sessions: SessionStore,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cadences = cadences
        self._quotas = quotas
        self._removal = removal
        self._keys = keys
        self._records = records
        self._uploads = uploads
        self._sessions = sessions
        self._now_ms = now_ms
        self._storage_due_ms = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep periodically until `stop` is set."""
        while not stop.is_set():
            await self.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.sweep_interval_s)

    async def sweep(self) -> None:
        """Run every step once, and those on storage when they are due. A failed step is retried with the next sweep."""
        await self._step("slots", self.free_slots)
        await self._step("cadences", self._cadences.check_due)
        await self._step("expired", self.remove_expired)
        await self._step("histories", self.finish_prunings)
        await self._step("objects", self.purge_removed)
        await self._step("sessions", self.delete_ended_sessions)
        if self._now_ms() >= self._storage_due_ms:
            done = await self._step("uploads", self.delete_unused_uploads)
            done = await self._step("multiparts", self.abort_multiparts) and done
            done = await self._step("records", self.delete_old_records) and done
            if done:
                self._storage_due_ms = self._now_ms() + round(1000 * self._settings.sweep_storage_interval_s)

    async def _step(self, name: str, step: Callable[[], Awaitable[int]]) -> bool:
        try:
            count = await step()
        except WaterholeError as error:
            # Errors of every kind: a failed step must stop neither the other steps nor the gateway.
            FAILED_SWEEPS.labels(name).inc()
            logger.warning("not swept", step=name, code=error.code, error=error.message)
            return False
        if count:
            logger.info("swept", step=name, count=count)
        return True

    async def free_slots(self) -> int:
        """Free the slots of ended jobs and of unfinished starts. Return how many.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        count = 0
        async for user_id, taken in self._quotas.slots():
            started = await self._jobs.started(list(taken))
            for job_id, taken_ms in taken.items():
                job = started.get(job_id)
                if job is not None and not job.is_open:
                    freed, left_by = await self._quotas.give_back(user_id, job_id), "ended"
                elif job is None and self._now_ms() - taken_ms >= 1000 * self._settings.slot_grace_s:
                    freed, left_by = await self._quotas.undo(user_id, job_id, taken_ms), "never_started"
                else:
                    continue
                if freed:
                    FREED_SLOTS.labels(left_by).inc()
                    logger.info("slot given back", user_id=user_id, job_id=job_id, left_by=left_by)
                    count += 1
        return count

    async def remove_expired(self) -> int:
        """Remove a batch of expired jobs. Return how many.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        count = 0
        for job_id in await self._jobs.expired(self._now_ms() // 1000, BATCH):
            count += await self._removal.remove(job_id, "expired") is not None
        return count

    async def finish_prunings(self) -> int:
        """Finish interrupted prunings of histories. Return how many jobs were removed.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        users = await self._quotas.abandoned_prunings(self._now_ms())
        return sum([await self._removal.prune(user_id) for user_id in users])

    async def purge_removed(self) -> int:
        """Purge a batch of removed jobs. Return how many objects were deleted.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable.
        """
        return sum([await self._removal.purge(job) for job in await self._jobs.due_purges(self._now_ms(), BATCH)])

    async def delete_unused_uploads(self) -> int:
        """Delete old uploads that no job uses. Return how many.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable.
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
        """Abort old multipart uploads. Return how many.

        Raises
        ------
        TransientError
            S3 is unavailable.
        """
        count = 0
        for upload in await self._uploads.list_multiparts(UPLOADS):
            if upload.initiated_s < self._unused_before_s() and not await self._is_continued(upload.key):
                # It may have been completed, or aborted by another gateway, since it was listed.
                with suppress(MultipartError):
                    await self._uploads.abort_multipart(upload.key, upload.upload_id)
                    count += 1
        REMOVED_OBJECTS.labels("multipart").inc(count)
        return count

    async def delete_ended_sessions(self) -> int:
        """Delete sessions and sign-in links that have ended. Return how many.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        return await self._sessions.delete_ended(self._now_ms() // 1000)

    async def _is_continued(self, file_key: str) -> bool:
        """Return whether URLs for the parts of an upload were requested lately."""
        record = await self._records.get(file_key)
        return record is not None and record.asked_ms / 1000 >= self._unused_before_s()

    async def delete_old_records(self) -> int:
        """Delete expired idempotency keys and old upload records. Return how many.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        now_ms = self._now_ms()
        # An upload counts as unused after `unused_upload_s`; twice that leaves time to complete and analyze it.
        asked_ms = now_ms - round(2000 * self._settings.unused_upload_s)
        return await self._keys.delete_expired(now_ms) + await self._records.delete_before(asked_ms)

    def _unused_before_s(self) -> float:
        return self._now_ms() / 1000 - self._settings.unused_upload_s
