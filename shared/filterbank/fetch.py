"""Many reads of one file, several under way at once, in memory that does not grow with their number."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shared.filterbank.header.fields import bad_file
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

    Where one fails, or the caller is cancelled, the others are cancelled, and have ended before this does.

    Raises:
        WaterholeError: what one of those that failed did.
    """
    todo = iter(pieces)

    async def worker() -> None:
        scratch = Scratch()
        for piece in todo:
            await work(piece, scratch)

    # No task group: its errors lead back to themselves, see below.
    await _ended([asyncio.create_task(worker()) for _ in range(at_once)], until_one_fails=True)


async def _ended(futures: list[asyncio.Future[None]], *, until_one_fails: bool) -> None:
    """Wait until all have ended, however often the caller is cancelled meanwhile; they are taken out of the list.

    Where one has failed, or the caller was cancelled, the others are cancelled if `until_one_fails`.

    Raises:
        asyncio.CancelledError: the caller was cancelled, at least once.
        Exception: what one of those that failed did.
    """
    is_cancelled = False
    while not all(future.done() for future in futures):
        try:
            # Other than to await them, this does not cancel them.
            await asyncio.wait(futures, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            is_cancelled = True
        if until_one_fails:
            _cancel(futures)
    error = _first_error(futures)
    if is_cancelled:
        error = asyncio.CancelledError()
    # An error leads to this frame. If the frame led back to it, by a future or a name, all that is held in other frames
    # on its way (the block that was read) would stay in memory until the garbage collector comes by.
    futures.clear()
    try:
        if error is not None:
            raise error
    finally:
        del error


def _cancel(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        future.cancel()


def _first_error(ended: Sequence[asyncio.Future[None]]) -> BaseException | None:
    """What one of them failed of; a cancellation only where none failed: then nobody here asked for it."""
    # Every one is asked, since the event loop complains of failures that nobody asked for.
    errors = [future.exception() for future in ended if not future.cancelled()]
    error = next(filter(None, errors), None)
    return asyncio.CancelledError() if error is None and len(errors) < len(ended) else error


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


async def beside(n_bytes: int, decode: Callable[[], object]) -> None:
    """Run `decode`, which works on `n_bytes`, in a thread where it is worth the way there.

    A thread can't be stopped. So whoever is cancelled meanwhile waits until the piece is decoded: nobody writes to
    memory, or holds it, after the read has ended.
    """
    if n_bytes < THREAD_BYTES:
        decode()
        return
    failures: list[Exception] = []

    def run() -> None:
        # What a thread pool is left with, it holds on to until the garbage collector comes by.
        try:
            decode()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)

    try:
        await _ended([asyncio.get_running_loop().run_in_executor(None, run)], until_one_fails=False)
        if failures:
            raise failures[0]
    finally:
        failures.clear()
