"""A file for libraries that read synchronously, whose bytes come from a `Source` on an event loop.

It is used from one other thread. Metadata come in blocks that are kept; large pieces of data that are announced by
`expect` are fetched ahead, several at once, while those before them are decoded.
"""

import asyncio
import io
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from shared.errors import TransientError, WaterholeError
from shared.filterbank.fields import bad_file
from shared.filterbank.global_heap import HEAP_START, DamagedHeapError, check_global_heaps
from shared.filterbank.source import Source

BLOCK_BYTES = 64 * 1024
KEPT_BLOCKS = 128
EXTENTS_AHEAD = 8
BYTES_AHEAD = 32 * 2**20
# How soon a waiting thread sees that nobody needs its result any more.
WAIT_S = 0.5

Span = tuple[int, int]  # start, length


@dataclass(frozen=True)
class Extent:
    """A run of bytes that will be read whole; `check` raises a `WaterholeError` where they are damaged."""

    start: int
    length: int
    check: Callable[[memoryview], None] | None = None


class RangeFile(io.RawIOBase):
    """Read-only and seekable. What goes wrong below is kept in `failure`, since libraries replace exceptions."""

    def __init__(self, source: Source, size: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.failure: WaterholeError | None = None
        self._source = source
        self._size = size
        self._loop = loop
        self._position = 0
        self._abandoned = threading.Event()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._expected: deque[Span] = deque()
        self._fetching: OrderedDict[Span, Future[bytes]] = OrderedDict()
        self._checks: dict[Span, Callable[[memoryview], None]] = {}

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
        for fetched in self._fetching.values():
            fetched.cancel()
        self._fetching.clear()
        self._expected.clear()
        self._checks.clear()
        self._blocks.clear()
        # Its traceback leads to HDF5's objects, and they hold this file where the garbage collector can't see it.
        self.failure = None
        super().close()

    def expect(self, extents: Iterable[Extent]) -> None:
        """Announce what will be read next, in this order, after what was announced before."""
        for extent in extents:
            self._expected.append((extent.start, extent.length))
            if extent.check is not None:
                self._checks[extent.start, extent.length] = extent.check
        self._fetch_ahead()

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
        span = (start, len(view))
        if span in self._fetching:
            view[:] = self._take(span)
        elif len(view) > BLOCK_BYTES:
            view[:] = self._await(self._fetch(*span), *span)
        else:
            self._fill_from_blocks(view, start)
        check = self._checks.pop(span, None)
        if check is not None:
            check(view)

    def _take(self, span: Span) -> bytes:
        """The bytes of an announced span. Those announced before it were not wanted; they are let go."""
        raw = self._await(self._fetching[span], *span)
        while self._fetching.popitem(last=False)[0] != span:
            pass
        self._fetch_ahead()
        return raw

    def _fetch_ahead(self) -> None:
        under_way = sum(length for _, length in self._fetching)
        while self._expected and (
            not self._fetching
            or (len(self._fetching) < EXTENTS_AHEAD and under_way + self._expected[0][1] <= BYTES_AHEAD)
        ):
            span = self._expected.popleft()
            self._fetching[span] = self._fetch(*span)
            under_way += span[1]

    def _fill_from_blocks(self, view: memoryview, start: int) -> None:
        done = 0
        while done < len(view):
            number, offset = divmod(start + done, BLOCK_BYTES)
            part = self._block(number)[offset : offset + len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)

    def _read_blocks(self, start: int, length: int) -> bytes:
        raw = bytearray(max(0, min(length, self._size - start)))
        self._fill_from_blocks(memoryview(raw), start)
        return bytes(raw)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK_BYTES
        # A little more, to see the start of what lies across the edge.
        length = min(BLOCK_BYTES + len(HEAP_START), self._size - start)
        raw = self._await(self._fetch(start, length), start, length)
        self._blocks[number] = raw[:BLOCK_BYTES]
        if len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        try:
            check_global_heaps(raw, start, self._read_blocks)
        except DamagedHeapError as error:
            raise bad_file(self._source.name, f"its HDF5 content is damaged: {error}. Upload it again.") from error
        return raw[:BLOCK_BYTES]

    def _fetch(self, start: int, length: int) -> Future[bytes]:
        if self._abandoned.is_set() or self._loop.is_closed():
            raise TransientError(f"Reading {self._source.name!r} was given up.")
        return asyncio.run_coroutine_threadsafe(self._source.read(start, length), self._loop)

    def _await(self, fetched: Future[bytes], start: int, length: int) -> bytes:
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
