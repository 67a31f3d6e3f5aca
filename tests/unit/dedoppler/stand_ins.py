"""Stand-ins for reader, search and results bucket, which record their calls and the power in memory."""

import asyncio
import threading
import weakref
from collections import Counter
from contextlib import suppress

import numpy as np

from shared.errors import ObjectNotFoundError
from shared.filterbank.fetch import for_each
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise

PATIENCE_S = 60.0


class Reader:
    """Returns the power of chunks, as soon as the test allows it, and counts the arrays in memory."""

    def __init__(self, power=None):
        self._power = power
        self.begun, self.ended, self.cancelled = [], [], []
        self.alive = self.most = 0
        self.failures = {}
        self._held, self._go = {}, asyncio.Event()
        self._go.set()

    def hold(self, index, job_id="job"):
        """Return an event; the next read of this chunk ends after it is set."""
        return self._held.setdefault((job_id, index), asyncio.Event())

    def n_begun(self, index, job_id="job"):
        return Counter(self.begun)[job_id, index]

    async def read(self, event):
        name = (event.job_id, event.chunk.index)
        self.begun.append(name)
        await self._let_searches_go()
        block = self._block(event.chunk)
        try:
            # As all reads of a file are.
            await for_each([self._held.pop(name, self._go)], lambda go, _scratch: go.wait())
        except asyncio.CancelledError:
            # As where requests that are under way have to be ended.
            await asyncio.sleep(0.01)
            self.cancelled.append(name)
            raise
        if name in self.failures:
            # The traceback holds this frame and would keep the block.
            del block
            raise self.failures[name]
        self.ended.append(name)
        return block

    async def _let_searches_go(self):
        """Wait, for 2 s at most, for a thread to release the array of a search that has just ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while self.alive >= 2:  # noqa: ASYNC110 -- what another thread does
                    await asyncio.sleep(0.001)

    def _block(self, chunk):
        channels = slice(chunk.read_start_channel, chunk.read_stop_channel)
        block = np.full((4, 8), chunk.index, np.float32) if self._power is None else self._power[:, channels].copy()
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(block, self._freed)
        return block

    def _freed(self):
        self.alive -= 1


class Search:
    """Stands in for the search: each search lasts until `let_go`."""

    def __init__(self):
        self.searched = []
        self.error = None
        self._may_end = threading.Semaphore(0)

    def __call__(self, power, _header, chunk, *_):
        self.searched.append(chunk.index)
        assert self._may_end.acquire(timeout=PATIENCE_S)
        if self.error is not None:
            raise self.error
        assert power[0, 0] == chunk.index
        return ChunkHits(np.empty(0, HIT_DTYPE), [], chunk.channels, ChunkNoise(), np.zeros((1, 1), np.float32))

    def let_go(self, searches=1):
        self._may_end.release(searches)


class MemoryBlobs:
    """A bucket in memory."""

    def __init__(self):
        self.objects = {}
        self.error = None

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def put(self, key, body, content_type="application/octet-stream"):
        if self.error is not None:
            raise self.error
        self.objects[key] = body
