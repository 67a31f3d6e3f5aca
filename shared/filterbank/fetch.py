"""Many reads of one file, several under way at once, in memory that does not grow with their number."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shared.filterbank.fields import bad_file
from shared.filterbank.source import Source

READS_AT_ONCE = 8
# Size of one read where it is ours to choose: with the number of reads under way this bounds the memory they take.
READ_BYTES = 4 * 2**20
# Smaller pieces are decoded sooner than a thread takes over.
THREAD_BYTES = 256 * 1024

Piece = TypeVar("Piece")


class Scratch:
    """Memory that one piece after the other uses: fresh memory costs more time than what is copied into it."""

    def __init__(self) -> None:
        self._areas: dict[str, npt.NDArray[np.uint8]] = {}

    def take(self, n_bytes: int, area: str = "") -> memoryview:
        """`n_bytes` of an area, whatever they hold; what was taken of it before must no longer be used."""
        if area not in self._areas or len(self._areas[area]) < n_bytes:
            self._areas[area] = np.empty(n_bytes, np.uint8)
        return self._areas[area][:n_bytes].data


async def for_each(
    pieces: Iterable[Piece], work: Callable[[Piece, Scratch], Awaitable[None]], at_once: int = READS_AT_ONCE
) -> None:
    """Await `work(piece, scratch)` for every piece, in their order, `at_once` of them at a time.

    Raises:
        WaterholeError: whatever the first piece that failed did.
    """
    todo = iter(pieces)

    async def worker() -> None:
        scratch = Scratch()
        for piece in todo:
            await work(piece, scratch)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as failures:
        # The others failed for the same reason or were cancelled; callers expect a single error.
        raise failures.exceptions[0] from failures


async def fill(source: Source, start: int, buffer: memoryview) -> None:
    """Fill `buffer` with the file's bytes from `start` on.

    Raises:
        BadObservationError: the file ends before.
        TransientError: storage is out of reach.
    """
    filled = await source.read_into(start, buffer)
    if filled != len(buffer):
        raise bad_file(
            source.name,
            f"it has fewer than {start + len(buffer)} bytes and so ends before its last data. Upload the whole file.",
        )


async def beside(n_bytes: int, decode: Callable[[], None]) -> None:
    """Run `decode`, which works on `n_bytes`, in a thread where it is worth the way there."""
    if n_bytes < THREAD_BYTES:
        decode()
    else:
        await asyncio.to_thread(decode)
