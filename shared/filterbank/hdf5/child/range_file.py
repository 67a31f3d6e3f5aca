"""A file object for the HDF5 library, whose bytes the worker reads."""

import io
from collections import OrderedDict

from shared.filterbank.hdf5.child.connection import Connection
from shared.filterbank.hdf5.protocol import MAX_READ_BYTES

# The library reads metadata in small pieces that lie near each other.
BLOCK_BYTES = 64 * 1024
KEPT_BLOCKS = 128
# Where one block after another is read, as in the index of many small chunks, ever more are fetched at once.
MOST_BLOCKS_AT_ONCE = 16


class RangeFile(io.RawIOBase):
    """A read-only file of `size` bytes. Small reads come from blocks, of which the last few are kept."""

    def __init__(self, connection: Connection, size: int) -> None:
        super().__init__()
        self._connection = connection
        self._size = size
        self._position = 0
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._fetched = range(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the present position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position, also beyond the end, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the present position and return how many bytes, fewer at the end of the file.

        Raises
        ------
        OSError
            The worker could not read them.
        """
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._size - self._position)]
        done = 0
        while done < len(view):
            part = self._part(self._position, len(view) - done)
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return done

    def _part(self, start: int, length: int) -> memoryview:
        """Return at most `length` bytes, and at least one, from byte `start`."""
        if length > BLOCK_BYTES:
            return self._connection.fetch(start, min(length, MAX_READ_BYTES))
        number, offset = divmod(start, BLOCK_BYTES)
        return self._block(number)[offset : offset + length]

    def _block(self, number: int) -> memoryview:
        if number not in self._blocks:
            self._fetch(number)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, number: int) -> None:
        """Fetch a block, and more if it follows those that were fetched last."""
        follows = number == self._fetched.stop and number > 0
        count = min(2 * len(self._fetched), MOST_BLOCKS_AT_ONCE) if follows else 1
        self._fetched = range(number, min(number + count, -(-self._size // BLOCK_BYTES)))
        start, stop = number * BLOCK_BYTES, min(self._fetched.stop * BLOCK_BYTES, self._size)
        raw = self._connection.fetch(start, stop - start)
        for i in self._fetched:
            # A copy, so that a block that is kept does not keep the others.
            self._blocks[i] = memoryview(bytes(raw[(i - number) * BLOCK_BYTES :][:BLOCK_BYTES]))
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
