"""A file for libraries that read synchronously, whose bytes come from a `Source` on an event loop.

It is used from one other thread, for a file's metadata, which come in blocks that are kept.
"""

import asyncio
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext

from shared.errors import TransientError, WaterholeError
from shared.filterbank.hdf5.global_heap import DamagedHeapError, check_global_heaps
from shared.filterbank.hdf5.local_heap import check_local_heaps
from shared.filterbank.hdf5.text_attributes import attribute_names, check_texts
from shared.filterbank.header.fields import bad_file
from shared.filterbank.source import Source

BLOCK_BYTES = 64 * 1024
# Sound files need a few for each text.
MOST_PEEKS = 200_000
# What is looked for in blocks is no longer than this, so that it is seen where it lies across an edge.
OVERLAP_BYTES = 32
KEPT_BLOCKS = 128
# How soon a waiting thread sees that nobody needs its result any more.
WAIT_S = 0.5


class RangeFile(io.RawIOBase):
    """Read-only and seekable. What goes wrong below is kept in `failure`, since libraries replace exceptions."""

    def __init__(
        self,
        source: Source,
        size: int,
        loop: asyncio.AbstractEventLoop,
        attributes: Iterable[str] = (),
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`attributes` are the names of those that will be read; `waiting` is entered while storage is waited for."""
        super().__init__()
        self._waiting = waiting
        self._names = attribute_names(attributes)
        self.failure: WaterholeError | None = None
        self._source = source
        self._size = size
        self._loop = loop
        self._position = 0
        self._abandoned = threading.Event()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._checked: set[int] = set()
        self._peeks = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Present position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; beyond the end is allowed."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def abandon(self) -> None:
        """Make every read from now on fail: nobody waits for the result."""
        self._abandoned.set()

    def close(self) -> None:
        """Let go of everything."""
        self._blocks.clear()
        # Its traceback leads to HDF5's objects, and they hold this file where the garbage collector can't see it.
        self.failure = None
        super().close()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the present position; fewer bytes at the end of the file.

        Raises:
            OSError: the bytes could not be had, or are damaged; `failure` says why.
        """
        view = memoryview(buffer).cast("B")
        start = self._position
        stop = min(start + len(view), self._size)
        if stop <= start:
            return 0
        if self.failure is None:
            try:
                self._fill(view[: stop - start], start)
            except WaterholeError as error:
                self.failure = error
        if self.failure is not None:
            raise OSError(self.failure.message)
        self._position = stop
        return stop - start

    def _fill(self, view: memoryview, start: int) -> None:
        if len(view) > BLOCK_BYTES:
            view[:] = self._await(self._fetch(start, len(view)), start, len(view))
        else:
            self._fill_from_blocks(view, start)

    def _fill_from_blocks(self, view: memoryview, start: int) -> None:
        for number in range(start // BLOCK_BYTES, (start + len(view) - 1) // BLOCK_BYTES + 1):
            self._check_block(number)
        self._copy(view, start)

    def _copy(self, view: memoryview, start: int) -> None:
        done = 0
        while done < len(view):
            number, offset = divmod(start + done, BLOCK_BYTES)
            part = self._block(number)[offset : min(BLOCK_BYTES, offset + len(view) - done)]
            view[done : done + len(part)] = part
            done += len(part)

    def _peek(self, start: int, length: int) -> bytes:
        """Bytes of blocks that need not have been checked.

        Raises:
            DamagedHeapError: the checks of this file take more steps than those of any sound one.
        """
        self._peeks += 1
        if self._peeks > MOST_PEEKS:
            raise DamagedHeapError("its heaps have no end")
        raw = bytearray(max(0, min(length, self._size - start)))
        self._copy(memoryview(raw), start)
        return bytes(raw)

    def _check_block(self, number: int) -> None:
        """See that a block, before anybody reads of it, holds nothing that HDF5 would stumble over."""
        if number in self._checked:
            return
        raw, start = self._block(number), number * BLOCK_BYTES
        try:
            check_global_heaps(raw, start, self._peek)
            check_local_heaps(raw, start, self._peek)
            check_texts(raw, start, self._names, self._peek)
        except DamagedHeapError as error:
            raise bad_file(self._source.name, f"its HDF5 content is damaged: {error}. Upload it again.") from error
        self._checked.add(number)

    def _block(self, number: int) -> bytes:
        """A block and a little more, to see the start of what lies across the edge."""
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK_BYTES
        length = min(BLOCK_BYTES + OVERLAP_BYTES, self._size - start)
        self._blocks[number] = self._await(self._fetch(start, length), start, length)
        if len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]

    def _fetch(self, start: int, length: int) -> Future[bytes]:
        if self._abandoned.is_set() or self._loop.is_closed():
            raise TransientError(f"Reading {self._source.name!r} was given up.")
        return asyncio.run_coroutine_threadsafe(self._source.read(start, length), self._loop)

    def _await(self, fetched: Future[bytes], start: int, length: int) -> bytes:
        with self._waiting():
            while not wait([fetched], timeout=WAIT_S).done:
                if self._abandoned.is_set() or self._loop.is_closed():
                    fetched.cancel()
        if fetched.cancelled():
            raise TransientError(f"Reading {self._source.name!r} was given up.")
        raw = fetched.result()
        if len(raw) != length:
            raise bad_file(
                self._source.name, f"it ends at byte {start + len(raw)}, before its last data. Upload the whole file."
            )
        return raw
