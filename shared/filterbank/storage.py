"""How the samples of a file are stored, as far as the cost of reading them depends on it."""

from dataclasses import dataclass
from enum import StrEnum


class Unpacking(StrEnum):
    """Whether storage chunks are unpacked: not at all, in the parts that are wanted, or whole, here or by the child."""

    NONE = "none"
    PARTS = "parts"
    WHOLE = "whole"
    CHILD = "child"


@dataclass(frozen=True)
class Storage:
    """`unpacked_bytes` are those of all samples, as the file's type of sample; `file_bytes` are the file's.

    `chunk_shape` is the shape of a storage chunk, (spectra, IFs, channels), and `chunk_bytes` are its bytes once it is
    unpacked; a file without storage chunks has none.
    """

    unpacked_bytes: int
    chunk_shape: tuple[int, int, int] | None = None
    chunk_bytes: int = 0
    unpacking: Unpacking = Unpacking.NONE
    file_bytes: int = 0

    @property
    def packed_channels(self) -> int | None:
        """The channels of a storage chunk that has to be unpacked, or None."""
        return None if self.chunk_shape is None or self.unpacking is Unpacking.NONE else self.chunk_shape[2]
