"""Reads hits objects of any size in bounded memory."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from shared.hits import ChunkHits

Taken = TypeVar("Taken")

# Larger objects are read one at a time. Nearly all are smaller: 300 hits take about 4 MB.
LARGE_BYTES = 4 * 2**20


class HitsStore(Protocol):
    """The operations on the results bucket that reading uses."""

    async def get(self, key: str) -> bytes:
        """Return the whole object; raise `ObjectNotFoundError` if there is none."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start`, fewer at the end of the object."""


class HitsReader:
    """Reads several small objects at a time, and large ones one after another."""

    def __init__(self, store: HitsStore, concurrent_reads: int) -> None:
        self._store = store
        self._gate = asyncio.Semaphore(concurrent_reads)
        self._alone = asyncio.Lock()

    async def read(self, key: str, take: Callable[[ChunkHits, int], Taken]) -> Taken:
        """Return what `take` makes, in a thread, of an object and its size in bytes.

        The object's cut-outs are views of its bytes: what `take` keeps of them without a copy keeps all bytes.

        Raises
        ------
        ObjectNotFoundError
            There is no such object.
        """

        def taken(raw: bytes) -> Taken:
            return take(ChunkHits.from_bytes(raw), len(raw))

        async with self._gate:
            raw = await self._store.get_range(key, 0, LARGE_BYTES)
            # An empty answer stands for an object that is not there, too.
            if 0 < len(raw) < LARGE_BYTES:
                return await asyncio.to_thread(taken, raw)
            del raw
            async with self._alone:
                return await asyncio.to_thread(taken, await self._store.get(key))
