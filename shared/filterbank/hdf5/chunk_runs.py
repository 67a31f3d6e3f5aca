"""Small storage chunks that lie near each other in the file, so that one request fetches them all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.filterbank.fetch import READ_BYTES
from shared.filterbank.rows import GAP_BYTES


@dataclass(frozen=True)
class StoredChunk:
    """A storage chunk: its place in the file, whether it is stored plain, and its first spectrum and channel.

    `offset_bytes` is None for a chunk that was never written. Bit `i` of `skipped` says that filter `i` was not used.
    """

    offset_bytes: int | None
    size_bytes: int
    is_plain: bool
    skipped: int
    spectrum: int
    channel: int


@dataclass(frozen=True)
class ChunkRun:
    """Storage chunks within `size_bytes` bytes of the file from `offset_bytes` on."""

    offset_bytes: int
    size_bytes: int
    chunks: tuple[StoredChunk, ...]


@dataclass(frozen=True)
class HeldSource:
    """A part of a file that is in memory, from byte `offset_bytes` of the file on."""

    name: str
    offset_bytes: int
    held: memoryview

    async def size(self) -> int:
        """Return the file's bytes up to the end of the part."""
        return self.offset_bytes + len(self.held)

    async def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start` of the file."""
        first = start - self.offset_bytes
        return bytes(self.held[first : first + length])

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Fill `buffer` from byte `start` of the file; return how many bytes."""
        # Thousands of chunks are decoded one after another. Other work takes turns with them.
        await asyncio.sleep(0)
        first = start - self.offset_bytes
        part = self.held[first : first + len(buffer)]
        buffer[: len(part)] = part
        return len(part)


def chunk_runs(chunks: Sequence[StoredChunk]) -> list[ChunkRun]:
    """Return the runs in which storage chunks are fetched.

    Chunks smaller than `GAP_BYTES` are fetched together, whole, if as few bytes or fewer lie between them, up to
    `READ_BYTES` at once. Larger chunks have a run each, for only a part of them may be wanted.

    Returns
    -------
    list of ChunkRun
        In the order of the file; chunks that were never written come first.
    """
    missing = [chunk for chunk in chunks if chunk.offset_bytes is None]
    runs = [ChunkRun(0, 0, (chunk,)) for chunk in missing]
    run: list[StoredChunk] = []
    start = stop = 0
    stored = [(chunk.offset_bytes, chunk) for chunk in chunks if chunk.offset_bytes is not None]
    for offset, chunk in sorted(stored, key=lambda one: one[0]):
        end = offset + chunk.size_bytes
        joins = run and max(chunk.size_bytes, run[-1].size_bytes, offset - stop) < GAP_BYTES
        if not joins or max(stop, end) - start > READ_BYTES:
            if run:
                runs.append(ChunkRun(start, stop - start, tuple(run)))
            run, start, stop = [], offset, end
        run.append(chunk)
        stop = max(stop, end)
    if run:
        runs.append(ChunkRun(start, stop - start, tuple(run)))
    return runs
