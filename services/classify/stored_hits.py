"""The hits objects of one job, read so that memory stays bounded whatever they hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from shared.hits import ChunkHits, Cutout

# Larger objects are read one at a time. Nearly all are smaller: an object of 100 hits has about a megabyte.
LARGE_BYTES = 4 * 2**20
# Cut-outs of so many bytes, of all chunks together, stay in memory; those of other chunks are read again.
KEPT_BYTES = 64 * 2**20


class HitsStore(Protocol):
    """The operations on the results bucket that reading uses."""

    async def get(self, key: str) -> bytes:
        """Return the whole object; raise `ObjectNotFoundError` if there is none."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start`, fewer at the end of the object."""


class StoredHits:
    """Reads the hits of every chunk, and later the cut-outs of some chunks."""

    def __init__(self, store: HitsStore, keys: Sequence[str], concurrent_reads: int) -> None:
        self._store = store
        self._keys = keys
        self._gate = asyncio.Semaphore(concurrent_reads)
        self._alone = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._cutouts: dict[int, Sequence[Cutout]] = {}
        self._left = KEPT_BYTES

    async def chunks(self) -> list[ChunkHits]:
        """Return what was found in each chunk, without cut-outs and waterfalls."""
        return list(await asyncio.gather(*map(self._chunk, range(len(self._keys)))))

    async def _chunk(self, index: int) -> ChunkHits:
        async with self._gate:
            raw = await self._store.get_range(self._keys[index], 0, LARGE_BYTES)
            if len(raw) < LARGE_BYTES:
                return await self._kept(index, raw)
            del raw
            async with self._alone:
                return await self._kept(index, await self._store.get(self._keys[index]))

    async def _kept(self, index: int, raw: bytes) -> ChunkHits:
        found = await asyncio.to_thread(ChunkHits.from_bytes, raw)
        if len(raw) <= self._left:
            self._left -= len(raw)
            self._cutouts[index] = found.cutouts
        return replace(found, cutouts=[], waterfall=np.empty((0, 0), np.float32))

    def cutouts_of(self, index: int) -> Sequence[Cutout]:
        """Return the cut-outs of a chunk, read again if they were not kept; call it in another thread than the loop."""
        if index in self._cutouts:
            return self._cutouts.pop(index)
        raw = asyncio.run_coroutine_threadsafe(self._store.get(self._keys[index]), self._loop).result()
        return ChunkHits.from_bytes(raw).cutouts
