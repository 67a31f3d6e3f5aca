"""What storage says of objects, of multipart uploads and of their parts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadedPart:
    """One part of a multipart upload, as the client reports it."""

    number: int
    etag: str


@dataclass(frozen=True)
class StoredPart:
    """One part of a multipart upload, as storage has it; `modified_s` is unix time."""

    number: int
    etag: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing; `modified_s` is unix time."""

    key: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that is neither completed nor aborted; `initiated_s` is unix time."""

    key: str
    upload_id: str
    initiated_s: float
