"""Uploaded files that a request names: found, and checked against the tier."""

from dataclasses import dataclass

from services.gateway.accounts.model import User
from services.gateway.api.upload_names import owns_upload_key
from services.gateway.jobs.errors import FileTooLargeError, UploadNotFoundError
from services.gateway.jobs.ports import Bucket, UploadRecords, UploadsBucket
from services.gateway.settings import Settings, Tier


@dataclass(frozen=True)
class UploadedFile:
    """A file as it is now; `filename` is the name that its user gave it."""

    filename: str
    size: int
    etag: str | None


class UploadedFiles:
    """Finds uploaded files."""

    def __init__(self, settings: Settings, *, records: UploadRecords, uploads: UploadsBucket) -> None:
        self._settings = settings
        self._records = records
        self._uploads = uploads

    async def find(self, user: User, file_key: str, filename: str | None) -> UploadedFile:
        """Return a user's file. Without a `filename`, it has the name that it was uploaded with.

        Raises
        ------
        UploadNotFoundError
            The file does not exist, or its key belongs to a different user.
        FileTooLargeError
            The file exceeds the tier's limit; it is deleted.
        TransientError
            MongoDB or S3 is unavailable.
        """
        require_own_key(user, file_key)
        content = await self._uploads.content(file_key)
        if content is None:
            raise UploadNotFoundError
        await require_stored_size(self._uploads, file_key, content.size, self._settings.tiers[user.tier])
        if filename is None:
            record = await self._records.get(file_key)
            filename = record.filename if record is not None else file_key.rpartition("/")[2]
        return UploadedFile(filename, content.size, content.etag)


def require_own_key(user: User, key: str) -> None:
    """Raise `UploadNotFoundError` for another user's key, as for one that does not exist: nothing is disclosed."""
    if not owns_upload_key(user.user_id, key):
        raise UploadNotFoundError


def require_size(size: int, tier: Tier) -> None:
    """Raise `FileTooLargeError` if a file of `size` bytes exceeds the tier's limit."""
    if size > tier.max_file_bytes:
        raise FileTooLargeError(tier.max_file_mb)


async def require_stored_size(uploads: Bucket, key: str, size: int, tier: Tier) -> None:
    """Delete a stored file of `size` bytes that exceeds the tier's limit, and raise `FileTooLargeError`."""
    try:
        require_size(size, tier)
    except FileTooLargeError:
        await uploads.delete(key)
        raise
