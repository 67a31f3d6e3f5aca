"""The space that a user's uploads take: how many are open, and how many bytes all of them have.

An upload is counted before its URL is given out, in one conditional update, so that no number of requests at the same
time exceeds a limit. What happens later (a job uses the upload, its URLs expire, its object is deleted) is not written
down when it happens, which would cost every analysis a write. Instead, jobs and storage are asked when somebody wants
to know: when a limit is reached, and for GET /usage. So the counts are never too low.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog

from services.gateway.accounts.model import User
from services.gateway.jobs.errors import UploadLimitError
from services.gateway.jobs.ports import JobStore, StoredUploads, UploadsBucket
from services.gateway.jobs.stored_upload import Lifetimes, StoredUpload, UploadUsage, is_upload_key, settled
from services.gateway.settings import Settings
from shared.errors import TransientError, WaterholeError

logger = structlog.get_logger(__name__)

# Keys in one query.
KEYS_AT_ONCE = 200
# A user need not wait for slow storage to see the month's usage.
SETTLE_TIMEOUT_S = 2.0


class UploadSpace:
    """Counts uploads within the limits of their users' tiers."""

    def __init__(
        self,
        settings: Settings,
        *,
        stored: StoredUploads,
        jobs: JobStore,
        uploads: UploadsBucket,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._jobs = jobs
        self._uploads = uploads
        self._now_ms = now_ms
        self._lifetimes = Lifetimes(
            urls_ms=1000 * settings.upload_expires_s,
            parts_ms=round(1000 * (settings.unused_upload_s + settings.sweep_storage_interval_s)),
        )

    @asynccontextmanager
    async def taken(self, user: User, file_key: str, size: int | None, *, is_multipart: bool) -> AsyncIterator[None]:
        """Count an upload that is being prepared in the context; uncount it if the preparation fails.

        Parameters:
            user: Whose upload it is.
            file_key: Its key.
            size: The size that was announced, bytes; without it, the tier's largest file is counted.
            is_multipart: Whether it is uploaded in parts.

        Raises
        ------
        UploadLimitError
            The user has too many uploads open, or they would take too many bytes.
        TransientError
            MongoDB or S3 is unavailable.
        """
        tier = self._settings.tiers[user.tier]
        upload = StoredUpload(
            file_key=file_key,
            size=tier.max_file_bytes if size is None else size,
            is_open=True,
            is_multipart=is_multipart,
            asked_ms=self._now_ms(),
        )
        limits = {"open_limit": tier.open_uploads, "bytes_limit": tier.max_stored_bytes}
        limit = await self._stored.take(user.user_id, upload, **limits)
        if limit is not None:
            await self.settle(user.user_id)
            limit = await self._stored.take(user.user_id, upload, **limits)
        if limit is not None:
            raise UploadLimitError(limit, tier.open_uploads, tier.max_stored_mb)
        try:
            yield
        except WaterholeError:
            # If this fails too, the upload is counted until its URLs would have expired.
            with suppress(TransientError):
                await self._stored.change(user.user_id, upload, None)
            raise

    async def renew(self, user: User, file_key: str, size: int | None) -> None:
        """Count a multipart upload as open again, since it has got new URLs. No limit keeps it from being continued.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        announced = self._settings.tiers[user.tier].max_file_bytes if size is None else size
        now_ms = self._now_ms()
        counted = await self._stored.all_of(user.user_id)
        before = next((upload for upload in counted if upload.file_key == file_key), None)
        after = StoredUpload(file_key, announced, is_open=True, is_multipart=True, asked_ms=now_ms)
        await self._stored.change(user.user_id, before, after)

    async def release(self, user_id: str, file_key: str) -> None:
        """Uncount an upload whose parts were deleted, unless there is an object.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable.
        """
        for upload in await self._stored.all_of(user_id):
            if upload.file_key == file_key and await self._uploads.size(file_key) is None:
                await self._stored.change(user_id, upload, None)

    async def usage(self, user_id: str) -> UploadUsage:
        """Return how many uploads the user has open, and how many bytes all of them take.

        While storage is unavailable or slow, the counts may be too high.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                await self.settle(user_id)
        except (TransientError, TimeoutError) as error:
            logger.warning("uploads not counted again", error=str(error))
        return await self._stored.usage(user_id)

    async def settle(self, user_id: str) -> None:
        """Count a user's uploads again, by what jobs and storage say of them.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable.
        """
        counted = {upload.file_key: upload for upload in await self._stored.all_of(user_id)}
        sizes = await self._sizes(user_id)
        used, were_used = await self._used([*counted])
        for key, before in counted.items():
            after = settled(
                before,
                is_used=key in used,
                was_used=key in were_used,
                stored_size=sizes.get(key),
                now_ms=self._now_ms(),
                lifetimes=self._lifetimes,
            )
            if after != before:
                await self._stored.change(user_id, before, after)
        for key in sizes.keys() - counted.keys():
            # Uploaded before uploads were counted.
            found = StoredUpload(key, sizes[key], is_open=False, is_multipart=False, asked_ms=self._now_ms())
            await self._stored.change(user_id, None, found)

    async def _sizes(self, user_id: str) -> Mapping[str, int]:
        pages = self._uploads.list_pages(f"uploads/{user_id}/")
        return {found.key: found.size async for page in pages for found in page if is_upload_key(found.key)}

    async def _used(self, keys: list[str]) -> tuple[set[str], set[str]]:
        """Return the keys of files that jobs analyze, and of those that removed jobs did."""
        used: set[str] = set()
        were_used: set[str] = set()
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            used |= await self._jobs.files_in_use(some)
            were_used |= await self._jobs.files_of_removed(some)
        return used, were_used
