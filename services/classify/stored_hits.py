"""The hits objects of one job, read so that memory stays bounded whatever they hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from shared.hits import ChunkHits, Cutout
from shared.hits_reader import HitsReader, HitsStore

# Cut-outs of so many bytes, of all jobs in hand together, stay in memory; those of other chunks are read again.
KEPT_BYTES = 64 * 2**20


class Memory:
    """Counts what the jobs in hand keep in memory."""

    def __init__(self, size: int | None = None) -> None:
        self._left = KEPT_BYTES if size is None else size
        self._counting = Lock()

    def take(self, size: int) -> bool:
        """Return whether so many bytes more may stay in memory, and count them."""
        with self._counting:
            is_free = size <= self._left
            self._left -= size if is_free else 0
            return is_free

    def give_back(self, size: int) -> None:
        """Count so many bytes as free again."""
        with self._counting:
            self._left += size


class StoredHits:
    """Reads the hits of every chunk, and later the cut-outs of some chunks."""

    def __init__(
        self, store: HitsStore, keys: Sequence[str], concurrent_reads: int, memory: Memory | None = None
    ) -> None:
        self._store = store
        self._keys = keys
        self._reader = HitsReader(store, concurrent_reads)
        self._loop = asyncio.get_running_loop()
        self._cutouts: dict[int, Sequence[Cutout]] = {}
        self._memory = memory or Memory()
        self._taken: list[int] = []

    def close(self) -> None:
        """Keep nothing in memory any more."""
        self._cutouts.clear()
        self._memory.give_back(sum(self._taken))
        self._taken.clear()

    async def chunks(self) -> list[ChunkHits]:
        """Return what was found in each chunk, without cut-outs and waterfalls."""
        return list(await asyncio.gather(*map(self._chunk, range(len(self._keys)))))

    async def _chunk(self, index: int) -> ChunkHits:
        def take(found: ChunkHits, size: int) -> tuple[ChunkHits, Sequence[Cutout] | None]:
            bare = replace(found, cutouts=[], waterfall=np.empty((0, 0), np.float32))
            return bare, found.cutouts if self._may_stay(size) else None

        bare, cutouts = await self._reader.read(self._keys[index], take)
        if cutouts is not None:
            self._cutouts[index] = cutouts
        return bare

    def _may_stay(self, size: int) -> bool:
        is_free = self._memory.take(size)
        if is_free:
            self._taken.append(size)
        return is_free

    def cutouts_of(self, index: int) -> Sequence[Cutout]:
        """Return the cut-outs of a chunk, read again if they were not kept; call it in another thread than the loop."""
        if index in self._cutouts:
            return self._cutouts.pop(index)
        raw = asyncio.run_coroutine_threadsafe(self._store.get(self._keys[index]), self._loop).result()
        return ChunkHits.from_bytes(raw).cutouts
