"""What an object in S3 holds at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """The size of an object, bytes, and its ETag, which changes whenever the object is replaced by other content."""

    size: int
    etag: str | None
