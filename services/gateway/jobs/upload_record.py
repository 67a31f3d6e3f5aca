"""What the gateway remembers of an upload between its request for a URL and its analysis."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadRecord:
    """One upload. `parts` is None for an upload in one piece.

    `asked_ms` is when its URLs were requested last, unix ms. `size` was announced; `part_size` is that of every part
    but the last. Records of early versions have neither.
    """

    file_key: str
    filename: str
    parts: int | None
    asked_ms: int
    size: int | None = None
    part_size: int | None = None
