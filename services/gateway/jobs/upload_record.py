"""What the gateway remembers of an upload between its request for a URL and its analysis."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadRecord:
    """One upload. `parts` is None for an upload in one piece; `asked_ms` is when its URL was requested, unix ms."""

    file_key: str
    filename: str
    parts: int | None
    asked_ms: int
