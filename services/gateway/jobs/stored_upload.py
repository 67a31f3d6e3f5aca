"""What an upload counts for: one of its user's open uploads, and bytes of the user's storage.

An upload is open while its URLs are valid and no job has used it. It takes as many bytes as were announced, or as the
tier allows if no size was announced; once it is no longer open, as many as its object has.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_KEY = re.compile(r"uploads/[^/]+/[0-9a-f-]{36}/[^/]+")


class UploadLimit(StrEnum):
    """A limit that can keep an upload from starting; the value is the API's error code."""

    OPEN = "too_many_open_uploads"
    STORED = "storage_limit_reached"


@dataclass(frozen=True)
class StoredUpload:
    """One upload. `asked_ms` is when its URL was requested, unix ms."""

    file_key: str
    size: int
    is_open: bool
    is_multipart: bool
    asked_ms: int

    @property
    def upload_id(self) -> str:
        """The part of the key that is different for each upload."""
        return self.file_key.split("/")[2]


def is_upload_key(key: str) -> bool:
    """Return whether a key is one that the gateway makes for uploads; others are not counted."""
    return _KEY.fullmatch(key) is not None


@dataclass(frozen=True)
class UploadUsage:
    """How many uploads a user has open, and how many bytes all of the user's uploads take."""

    open_count: int
    stored_bytes: int


@dataclass(frozen=True)
class Lifetimes:
    """How long the URLs of an upload are valid, and how long the parts of an incomplete one are kept at most, ms."""

    urls_ms: int
    parts_ms: int


def settled(
    upload: StoredUpload,
    *,
    is_used: bool,
    was_used: bool = False,
    stored_size: int | None,
    now_ms: int,
    lifetimes: Lifetimes,
) -> StoredUpload | None:
    """Return what an upload counts for now, or None if nothing is left of it.

    Parameters:
        upload: The upload as it was counted before.
        is_used: Whether some job analyzes it.
        was_used: Whether some job did that has been removed since.
        stored_size: The size of its object, or None if there is none.
        now_ms: The present time, unix ms.
        lifetimes: Of URLs and parts.
    """
    age_ms = now_ms - upload.asked_ms
    if upload.is_open and not (is_used or was_used) and age_ms < lifetimes.urls_ms:
        return upload
    if is_used or stored_size is not None:
        # A file that exists, or did, has no parts any more.
        return replace(upload, is_open=False, is_multipart=False, size=stored_size or 0)
    if upload.is_multipart and not was_used and age_ms < lifetimes.parts_ms:
        # Its URLs are no longer valid, but the parts take space until they are removed.
        return replace(upload, is_open=False)
    return None
