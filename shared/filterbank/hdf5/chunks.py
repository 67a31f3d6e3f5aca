"""Read channels from HDF5 storage chunks, whose places are known.

Several chunks are read at once. Of chunks that are stored plain, or with bitshuffle and LZ4 or Zstandard alone, only
the bytes that hold the channels are read and unpacked; others are unpacked whole.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.filterbank.fetch import READS_AT_ONCE, Scratch, beside, fill, for_each
from shared.filterbank.hdf5.bitshuffle import (
    Blocks,
    DamagedChunkError,
    find_blocks,
    find_last_blocks,
    unpack,
)
from shared.filterbank.hdf5.chunk_runs import ChunkRun, HeldSource, StoredChunk, chunk_runs
from shared.filterbank.hdf5.process import DamagedFileError, LimitExceededError, ask
from shared.filterbank.hdf5.protocol import UNPACK
from shared.filterbank.hdf5.stored_chunks import Filter, Undone, undo_filters
from shared.filterbank.header.fields import bad_file
from shared.filterbank.rows import AS_IN_A_BLOCK, Memory, RowLayout, fresh, read_piece, row_pieces
from shared.filterbank.source import Source

# The child holds a chunk this often, stored and unpacked, while the library unpacks it.
UNPACKING_COPIES = 4
# Bounds the memory beside the block itself, where chunks are large.
BYTES_AT_ONCE = 32 * 2**20
# If only the first samples of a chunk are wanted, as many bytes are read as are likely to hold them, and some more.
SPARE, SPARE_BYTES = 1.25, 16 * 1024
# To find blocks from a frame's end takes some ten times the memory of the bytes that are searched.
MOST_END_BYTES = 2**20

Block = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ChunkLayout:
    """The storage chunks that hold the channels to read. `shape` is the shape of a chunk: (spectra, IFs, channels).

    `fill_value` stands for samples that were never written. `block_bytes` are the bytes of bitshuffle's blocks if
    chunks went through bitshuffle alone with a `compressor` that `bitshuffle` undoes, and 0 if they went through other
    `filters`. `if_in_chunk` is the place of the wanted IF among those of a chunk.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    chunks: Sequence[StoredChunk]
    fill_value: float
    filters: Sequence[Filter]
    block_bytes: int
    compressor: int
    if_in_chunk: int = 0

    @property
    def chunk_bytes(self) -> int:
        """The bytes of an unpacked chunk."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """The bytes from one spectrum of an unpacked chunk to the next."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


async def read_chunks(
    source: Source,
    layout: ChunkLayout,
    n_spectra: int,
    start_channel: int,
    stop_channel: int,
    memory: Memory = fresh,
) -> Block:
    """Return channels [start, stop) of all spectra in a block of `memory`: float32 (n_spectra, channels), C-contiguous.

    Raises
    ------
    BadObservationError
        The file ends before its last data, or the data are damaged.
    TransientError
        Storage is unavailable.
    """
    block = memory((n_spectra, stop_channel - start_channel))
    rows, _, columns = layout.shape

    async def work(source: Source, chunk: StoredChunk, scratch: Scratch) -> None:
        low, high = max(start_channel, chunk.channel), min(stop_channel, chunk.channel + columns)
        part = block[chunk.spectrum : chunk.spectrum + rows, low - start_channel : high - start_channel]
        # Columns are counted through all IFs of a chunk.
        column = layout.if_in_chunk * columns + low - chunk.channel
        if chunk.offset_bytes is None:
            part[...] = layout.fill_value
        elif chunk.is_plain:
            await _read_plain(source, layout, chunk.offset_bytes, column, part, scratch)
        else:
            try:
                read = _read_packed if layout.block_bytes else _read_filtered
                await read(source, layout, chunk, column, part, scratch)
            except DamagedChunkError as error:
                raise bad_file(source.name, f"its data are damaged: {error}. Upload it again.") from error

    async def work_on(run: ChunkRun, scratch: Scratch) -> None:
        if len(run.chunks) == 1:
            await work(source, run.chunks[0], scratch)
            return
        raw = scratch.take(run.size_bytes, "run")
        await fill(source, run.offset_bytes, raw)
        held = HeldSource(source.name, run.offset_bytes, raw)
        for chunk in run.chunks:
            await work(held, chunk, scratch)

    runs = chunk_runs(layout.chunks)
    largest = max(run.size_bytes for run in runs)
    await for_each(runs, work_on, max(1, min(READS_AT_ONCE, BYTES_AT_ONCE // max(1, largest))))
    return block


async def read_chunks_in_pieces(
    source: Source, layout: ChunkLayout, n_spectra: int, channels: tuple[int, int], spectra: int
) -> AsyncIterator[Block]:
    """Yield channels [start, stop) of all spectra as `read_chunks` returns them, whole storage chunks at a time.

    A piece has at most `spectra` spectra, or those of one storage chunk if that has more.
    """
    rows = layout.shape[0]
    step = max(rows, spectra // rows * rows)
    of_piece: dict[int, list[StoredChunk]] = {}
    for chunk in layout.chunks:
        first = chunk.spectrum // step * step
        of_piece.setdefault(first, []).append(replace(chunk, spectrum=chunk.spectrum - first))
    for first in range(0, n_spectra, step):
        piece = replace(layout, chunks=of_piece[first])
        yield await read_chunks(source, piece, min(step, n_spectra - first), *channels)


async def _read_plain(
    source: Source, layout: ChunkLayout, offset_bytes: int, column: int, part: Block, scratch: Scratch
) -> None:
    """Fill `part` from a chunk that is stored plain; `column` is the first wanted one within the chunk."""
    rows = RowLayout(offset_bytes, layout.row_bytes, 8 * layout.dtype.itemsize, layout.dtype)
    for piece in row_pieces(rows, len(part), column, column + part.shape[1]):
        await read_piece(source, rows, piece, piece.of(part, column), scratch)


async def _read_filtered(
    source: Source, layout: ChunkLayout, chunk: StoredChunk, column: int, part: Block, scratch: Scratch
) -> None:
    """Fill `part` from a chunk that went through other filters than those of `_read_packed`."""
    assert chunk.offset_bytes is not None
    raw = scratch.take(chunk.size_bytes, "stored")
    await fill(source, chunk.offset_bytes, raw)
    steps: list[Undone] = []

    def undo() -> None:
        undone = undo_filters(raw, layout.filters, chunk.skipped, layout.chunk_bytes, layout.dtype.itemsize)
        if not undone.filters:
            columns = slice(column, column + part.shape[1])
            plain = np.ndarray((layout.shape[0], prod(layout.shape[1:])), layout.dtype, undone.raw)
            _copy(plain[: len(part), columns], part)
        steps.append(undone)

    await beside(len(raw), undo)
    if steps[0].filters:
        wanted = await _unpacked_by_hdf5(source, layout, steps[0], len(part), (column, column + part.shape[1]))
        _copy(np.ndarray(part.shape, layout.dtype, wanted), part)


async def _unpacked_by_hdf5(
    source: Source, layout: ChunkLayout, chunk: Undone, spectra: int, channels: tuple[int, int]
) -> memoryview:
    """Return the first `spectra` of some channels of a chunk."""
    request = {
        "kind": UNPACK,
        "shape": layout.shape,
        "dtype": layout.dtype.str,
        "filters": [(step.code, step.values) for step in chunk.filters],
        "fill_value": layout.fill_value,
        "spectra": spectra,
        "channels": channels,
    }
    memory_bytes = UNPACKING_COPIES * (len(chunk.raw) + layout.chunk_bytes)
    try:
        return (await ask(source, request, chunk.raw, memory_bytes)).payload
    except LimitExceededError as error:
        raise bad_file(
            source.name,
            f"a storage chunk of 'data', of {layout.shape} samples, takes too much to unpack ({error}). "
            "Rewrite it with smaller storage chunks (h5repack).",
        ) from error
    except DamagedFileError as error:
        raise DamagedChunkError(f"a compressed chunk can't be unpacked ({error})") from error


def _copy(samples: npt.NDArray[Any], part: Block) -> None:
    # What float32 can't hold becomes infinite, and is masked by the search.
    with np.errstate(over="ignore", invalid="ignore"):
        part[...] = samples


async def _read_packed(
    source: Source, layout: ChunkLayout, chunk: StoredChunk, column: int, part: Block, scratch: Scratch
) -> None:
    """Fill `part` from a chunk of bitshuffle's blocks, of which only the needed bytes are read."""
    item = layout.dtype.itemsize
    first = column * item
    stop = (len(part) - 1) * layout.row_bytes + first + part.shape[1] * item
    frame = scratch.take(chunk.size_bytes, "stored")
    likely = _likely_bytes(layout, chunk, layout.chunk_bytes - first)
    is_end = stop == layout.chunk_bytes and likely < min(chunk.size_bytes // 2, MOST_END_BYTES)
    if is_end and await _read_end(source, layout, chunk, frame[:likely], first, part, scratch):
        return
    likely = _likely_bytes(layout, chunk, stop)
    blocks = await _fetch_blocks(source, layout, chunk, frame, 0, likely)
    if not blocks.hold(stop):
        blocks = await _fetch_blocks(source, layout, chunk, frame, likely, chunk.size_bytes)
    await beside(stop - first, partial(_unpack, layout, frame, blocks, first, stop, part, scratch))


def _likely_bytes(layout: ChunkLayout, chunk: StoredChunk, plain_bytes: int) -> int:
    """Return how many stored bytes are likely to hold `plain_bytes`, the rest of a block, and a further block."""
    part = (plain_bytes + 2 * layout.block_bytes) / layout.chunk_bytes
    return min(int(SPARE * chunk.size_bytes * part) + SPARE_BYTES, chunk.size_bytes)


async def _read_end(
    source: Source, layout: ChunkLayout, chunk: StoredChunk, tail: memoryview, first: int, part: Block, scratch: Scratch
) -> bool:
    """Fill `part` with the unpacked chunk from byte `first` to its end, out of the last bytes of its frame.

    `tail` is memory for these. Return whether the blocks could be found in them.
    """
    assert chunk.offset_bytes is not None
    await fill(source, chunk.offset_bytes + chunk.size_bytes - len(tail), tail)
    item, block_bytes = layout.dtype.itemsize, layout.block_bytes
    blocks = find_last_blocks(tail, block_bytes, item, layout.chunk_bytes, first // block_bytes)
    if blocks is None:
        return False
    try:
        await beside(len(tail), partial(_unpack, layout, tail, blocks, first, layout.chunk_bytes, part, scratch))
    except DamagedChunkError:
        return False
    return True


async def _fetch_blocks(
    source: Source, layout: ChunkLayout, chunk: StoredChunk, frame: memoryview, have: int, want: int
) -> Blocks:
    """Return the blocks in the first `want` bytes of a frame, of which the first `have` were read before."""
    assert chunk.offset_bytes is not None
    await fill(source, chunk.offset_bytes + have, frame[have:want])
    return find_blocks(frame[:want], chunk.size_bytes, layout.dtype.itemsize, layout.chunk_bytes)


def _unpack(
    layout: ChunkLayout, frame: memoryview, blocks: Blocks, first: int, stop: int, part: Block, scratch: Scratch
) -> None:
    """Fill `part` with bytes [first, stop) of an unpacked chunk, without a copy if they are whole blocks of float32."""
    low, high = blocks.round(first, stop)
    is_straight = layout.dtype == AS_IN_A_BLOCK and high - low == part.nbytes and part.flags.c_contiguous
    plain = part.reshape(-1).view(np.uint8).data if is_straight else scratch.take(high - low, "plain")
    unpack(frame, blocks, low, plain, layout.compressor)
    if not is_straight:
        strides = (layout.row_bytes, layout.dtype.itemsize)
        with np.errstate(over="ignore", invalid="ignore"):
            part[...] = np.ndarray(part.shape, layout.dtype, plain, first - low, strides)
