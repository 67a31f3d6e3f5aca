"""Read many ranges of one file, several at once, in memory that does not grow with their number."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shared.filterbank.header.fields import bad_file
from shared.filterbank.source import Source

READS_AT_ONCE = 8
# Size of one read where it can be chosen. With the number of reads at once it bounds the memory that they take.
READ_BYTES = 4 * 2**20
# To decode a smaller piece takes less time than to hand it to a thread.
THREAD_BYTES = 256 * 1024

Piece = TypeVar("Piece")


class Scratch:
    """Memory that is reused for one piece after another: to allocate it takes longer than to copy a piece into it."""

    def __init__(self) -> None:
        self._areas: dict[str, npt.NDArray[np.uint8]] = {}

    def take(self, n_bytes: int, area: str = "") -> memoryview:
        """Return `n_bytes` of an area, with undefined content. What was taken of it before must no longer be used."""
        if area not in self._areas or len(self._areas[area]) < n_bytes:
            self._areas[area] = np.empty(n_bytes, np.uint8)
        return self._areas[area][:n_bytes].data


async def for_each(
    pieces: Iterable[Piece], work: Callable[[Piece, Scratch], Awaitable[None]], at_once: int = READS_AT_ONCE
) -> None:
    """Await `work(piece, scratch)` for every piece, in their order, `at_once` of them at a time.

    If one fails or the caller is cancelled, the others are cancelled. All have ended when this returns.

    Raises
    ------
    WaterholeError
        The error of one that failed.
    """
    todo = iter(pieces)

    async def worker() -> None:
        scratch = Scratch()
        for piece in todo:
            await work(piece, scratch)

    # No task group: its errors refer to themselves, see below.
    await _ended([asyncio.create_task(worker()) for _ in range(at_once)], until_one_fails=True)


async def _ended(futures: list[asyncio.Future[None]], *, until_one_fails: bool) -> None:
    """Wait until all have ended, even if the caller is cancelled meanwhile, and remove them from the list.

    If one has failed or the caller was cancelled, the others are cancelled if `until_one_fails`.

    Raises
    ------
    asyncio.CancelledError
        The caller was cancelled, at least once.
    Exception
        The error of one that failed.
    """
    is_cancelled = False
    while not all(future.done() for future in futures):
        try:
            # If the caller is cancelled, `wait` does not cancel them.
            await asyncio.wait(futures, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            is_cancelled = True
        if until_one_fails:
            _cancel(futures)
    error = _first_error(futures)
    if is_cancelled:
        error = asyncio.CancelledError()
    # The error's traceback refers to this frame. If the frame referred to the error, by a future or a name, everything
    # in the frames between them (such as the block that was read) would stay in memory until garbage is collected.
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
    """Return the error of one that failed; or, if none failed, `CancelledError` if one was cancelled."""
    # All errors are retrieved: the event loop logs those that are not.
    errors = [future.exception() for future in ended if not future.cancelled()]
    error = next(filter(None, errors), None)
    return asyncio.CancelledError() if error is None and len(errors) < len(ended) else error


async def fill(source: Source, start: int, buffer: memoryview) -> None:
    """Fill `buffer` with the file's bytes from `start` on.

    Raises
    ------
    BadObservationError
        The file ends before the buffer is full.
    TransientError
        Storage is unavailable.
    """
    filled = await source.read_into(start, buffer)
    if filled != len(buffer):
        raise bad_file(
            source.name,
            f"it has fewer than {start + len(buffer)} bytes and so ends before its last data. Upload the whole file.",
        )


async def beside(n_bytes: int, decode: Callable[[], object]) -> None:
    """Run `decode`, which works on `n_bytes`: in a thread if they are many, else at once.

    A thread can't be stopped. So a caller that is cancelled waits until the piece is decoded: nothing writes to memory,
    or keeps it, after the read has ended.
    """
    if n_bytes < THREAD_BYTES:
        decode()
        return
    failures: list[Exception] = []

    def run() -> None:
        # A thread pool keeps an error that it is left with until garbage is collected.
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
