"""Some channels of a SIGPROC file: where their samples are, and which reads fetch them.

A line is one IF of one spectrum: all its channels lie together, and lines follow one another in equal distances, the
IFs of a spectrum before those of the next. A selection holds whole bytes of each line. So with fewer than 8 bits per
sample it may hold some channels more than were asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.gateway.observations.errors import BadChannelsError
from shared.header import Header

# A read of more is cut in two.
READ_BYTES = 2**20
# A request costs as much time as this many bytes, so lines that lie nearer are read at once.
GAP_BYTES = 128 * 1024
# With eight reads at a time, about five seconds.
MAX_READS = 4096
# What is read of the file, gaps included.
MAX_READ_BYTES = 256 * 2**20
BYTE_BITS = 8


@dataclass(frozen=True)
class Read:
    """A range of the file. It holds `lines` pieces of `piece_bytes`, one line apart."""

    start: int
    length: int
    lines: int
    piece_bytes: int


@dataclass(frozen=True)
class Selection:
    """Channels [start, stop) of all spectra and IFs of a SIGPROC file."""

    header: Header
    start: int
    stop: int

    @classmethod
    def around(cls, header: Header, start: int, stop: int) -> "Selection":
        """Return the smallest selection that holds channels [start, stop).

        Raises
        ------
        BadChannelsError
            They are no range of the observation.
        """
        if not 0 <= start < stop <= header.n_channels:
            raise BadChannelsError(header.n_channels)
        step = max(1, BYTE_BITS // header.n_bits)
        return cls(header, start // step * step, -(-stop // step) * step)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.stop - self.start

    @property
    def n_lines(self) -> int:
        """Number of lines."""
        return self.header.n_spectra * self.header.n_ifs

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.n_lines * self.n_channels

    @property
    def piece_bytes(self) -> int:
        """Bytes of one line that are wanted."""
        return self.n_channels * self.header.n_bits // BYTE_BITS

    @property
    def n_bytes(self) -> int:
        """Bytes of all samples."""
        return self.n_lines * self.piece_bytes

    @property
    def line_bytes(self) -> int:
        """Bytes from one line to the next."""
        return self.header.n_channels * self.header.n_bits // BYTE_BITS

    @property
    def is_readable(self) -> bool:
        """Whether the reads are few enough for one answer, and read little enough."""
        if self._is_joined:
            return -(-self.n_lines // self._lines_at_once) <= MAX_READS and (
                self.n_lines * self.line_bytes <= MAX_READ_BYTES
            )
        return self.n_lines * -(-self.piece_bytes // READ_BYTES) <= MAX_READS

    def reads(self) -> Iterator[Read]:
        """Yield the reads that fetch all lines, in the order of the file."""
        if self._is_joined:
            yield from self._joined()
            return
        for line in range(self.n_lines):
            for first in range(0, self.piece_bytes, READ_BYTES):
                length = min(READ_BYTES, self.piece_bytes - first)
                yield Read(self._start_of(line) + first, length, 1, length)

    @property
    def _is_joined(self) -> bool:
        """Whether one read fetches several lines, and what lies between them."""
        return self.line_bytes - self.piece_bytes <= GAP_BYTES and self._lines_at_once > 1

    @property
    def _lines_at_once(self) -> int:
        return max(1, 1 + (READ_BYTES - self.piece_bytes) // self.line_bytes)

    def _joined(self) -> Iterator[Read]:
        for line in range(0, self.n_lines, self._lines_at_once):
            lines = min(self._lines_at_once, self.n_lines - line)
            yield Read(self._start_of(line), (lines - 1) * self.line_bytes + self.piece_bytes, lines, self.piece_bytes)

    def _start_of(self, line: int) -> int:
        before = self.start * self.header.n_bits // BYTE_BITS
        return self.header.data_offset_bytes + line * self.line_bytes + before

    def pieces_of(self, read: Read, raw: bytes) -> bytes:
        """Return what is wanted of the bytes of a read."""
        if read.lines == 1 or read.piece_bytes == self.line_bytes:
            return raw
        starts = range(0, len(raw), self.line_bytes)
        return b"".join(raw[start : start + read.piece_bytes] for start in starts)


def is_cheap_to_read(header: Header) -> bool:
    """Return whether some channels of a file can be read without reading most of it."""
    return header.file_format == "fil" and Selection.around(header, 0, 1).is_readable
