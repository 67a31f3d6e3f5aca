"""Read channels of spectra that are stored one after another, each in the same number of bytes.

One range is read for each spectrum, or for several if few bytes lie between the channels; several ranges are read at
once. Samples whose stored type is that of the result are read straight into it, others through a reused buffer.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.filterbank.fetch import READ_BYTES, Scratch, beside, fill, for_each
from shared.filterbank.source import Source

# Samples of fewer than 8 bits take 4 bytes each when they are unpacked.
PACKED_SAMPLES = 2**21
# A request costs as much time as this many bytes, so spectra that lie nearer are read at once.
GAP_BYTES = 128 * 1024
# The type of samples in the result. If they are stored so, they need no decoding.
AS_IN_A_BLOCK = np.dtype("<f4")

Block = npt.NDArray[np.float32]
# Gives a block of a shape, with arbitrary contents.
Memory = Callable[[tuple[int, int]], Block]


def fresh(shape: tuple[int, int]) -> Block:
    """Return a block of new memory."""
    return np.empty(shape, np.float32)


@dataclass(frozen=True)
class RowLayout:
    """Where the samples are: the wanted IF's channels of spectrum `t` begin at data_offset_bytes + t * row_bytes.

    `dtype` is the type of a sample; for fewer than 8 bits, of the bytes that hold several, low-order bits first.
    """

    data_offset_bytes: int
    row_bytes: int
    n_bits: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ColumnLayout:
    """Where the samples of a transposed file are: row `c` of `rows` holds all spectra of channel `c`."""

    rows: RowLayout


@dataclass(frozen=True)
class Piece:
    """Some channels of some spectra, fetched in one read."""

    first_spectrum: int
    stop_spectrum: int
    first_channel: int
    stop_channel: int

    def of(self, block: Block, start_channel: int) -> Block:
        """Return its place in a block of channels from `start_channel` on."""
        columns = slice(self.first_channel - start_channel, self.stop_channel - start_channel)
        return block[self.first_spectrum : self.stop_spectrum, columns]


async def read_rows(
    source: Source,
    layout: RowLayout,
    n_spectra: int,
    start_channel: int,
    stop_channel: int,
    memory: Memory = fresh,
) -> Block:
    """Return channels [start, stop) of all spectra in a block of `memory`: float32 (n_spectra, channels), C-contiguous.

    Raises
    ------
    BadObservationError
        The file ends before the last spectrum.
    TransientError
        Storage is unavailable.
    """
    block = memory((n_spectra, stop_channel - start_channel))

    async def work(piece: Piece, scratch: Scratch) -> None:
        await read_piece(source, layout, piece, piece.of(block, start_channel), scratch)

    await for_each(row_pieces(layout, n_spectra, start_channel, stop_channel), work)
    return block


async def read_rows_in_pieces(
    source: Source, layout: RowLayout, n_spectra: int, channels: tuple[int, int], spectra: int
) -> AsyncIterator[Block]:
    """Yield channels [start, stop) of all spectra, `spectra` of them at a time, as `read_rows` returns them."""
    for first in range(0, n_spectra, spectra):
        later = replace(layout, data_offset_bytes=layout.data_offset_bytes + first * layout.row_bytes)
        yield await read_rows(source, later, min(spectra, n_spectra - first), *channels)


async def read_columns(
    source: Source,
    layout: ColumnLayout,
    spectra: tuple[int, int],
    channels: tuple[int, int],
    memory: Memory = fresh,
) -> Block:
    """Return some spectra and channels, each [start, stop), of a transposed file, as `read_rows` does.

    Beside the block it takes the memory of a few channels at a time.
    """
    rows, (first, stop) = layout.rows, channels
    block = memory((spectra[1] - spectra[0], stop - first))
    step = max(1, READ_BYTES // rows.row_bytes)
    for channel in range(first, stop, step):
        count = min(step, stop - channel)
        some = replace(rows, data_offset_bytes=rows.data_offset_bytes + channel * rows.row_bytes)
        part = await read_rows(source, some, count, *spectra)
        block[:, channel - first : channel - first + count] = part.T
    return block


async def read_columns_in_pieces(
    source: Source, layout: ColumnLayout, n_spectra: int, channels: tuple[int, int], spectra: int
) -> AsyncIterator[Block]:
    """Yield channels [start, stop) of all spectra, `spectra` of them at a time, as `read_columns` returns them."""
    for first in range(0, n_spectra, spectra):
        yield await read_columns(source, layout, (first, min(first + spectra, n_spectra)), channels)


async def read_piece(source: Source, layout: RowLayout, piece: Piece, part: Block, scratch: Scratch) -> None:
    """Fill `part` with a piece: float32 (spectra, channels).

    Raises
    ------
    BadObservationError
        The file ends before its last spectrum.
    TransientError
        Storage is unavailable.
    """
    start, length = _extent(layout, piece)
    if layout.dtype == AS_IN_A_BLOCK and length == part.nbytes and part.flags.c_contiguous:
        await fill(source, start, part.reshape(-1).view(np.uint8).data)
        return
    raw = scratch.take(length)
    await fill(source, start, raw)
    await beside(length, partial(decode, raw, layout, piece.first_channel, part))


def decode(raw: memoryview, layout: RowLayout, first_channel: int, part: Block) -> None:
    """Fill `part` (spectra, channels) with the samples of `raw`, whose first byte holds `first_channel`."""
    spectra, channels = part.shape
    if layout.n_bits >= 8:
        strides = (layout.row_bytes, layout.dtype.itemsize)
        samples = np.ndarray((spectra, channels), layout.dtype, raw, 0, strides)
        # What float32 can't hold becomes infinite, and is masked by the search.
        with np.errstate(over="ignore", invalid="ignore"):
            part[...] = samples
        return
    lead = first_channel * layout.n_bits % 8 // layout.n_bits
    n_bytes = -(-(lead + channels) * layout.n_bits // 8)
    packed = np.ndarray((spectra, n_bytes), np.uint8, raw, 0, (layout.row_bytes, 1))
    part[...] = _unpacked(layout.n_bits)[packed].reshape(spectra, -1)[:, lead : lead + channels]


@cache
def _unpacked(n_bits: int) -> npt.NDArray[np.float32]:
    """Return the samples that each value of a byte holds: float32 (256, samples)."""
    shifts = np.arange(0, 8, n_bits)
    samples: npt.NDArray[np.float32] = ((np.arange(256)[:, np.newaxis] >> shifts) & (2**n_bits - 1)).astype(np.float32)
    return samples


def _span(layout: RowLayout, first_channel: int, stop_channel: int) -> tuple[int, int]:
    """Return the first byte of some channels within a spectrum, and the byte after their last."""
    return first_channel * layout.n_bits // 8, -(-stop_channel * layout.n_bits // 8)


def row_pieces(layout: RowLayout, n_spectra: int, start_channel: int, stop_channel: int) -> Iterator[Piece]:
    """Yield the reads for channels [start, stop), in the order of the file."""
    low, high = _span(layout, start_channel, stop_channel)
    wanted = high - low
    most = READ_BYTES if layout.n_bits >= 8 else PACKED_SAMPLES * layout.n_bits // 8
    rows, width = 1, stop_channel - start_channel
    if wanted > most:
        # Equal pieces of about `most`, so that the overlap beyond a coarse channel is no request of its own. Each has a
        # multiple of 8 channels, so that the samples of one byte stay in one read where possible.
        width = -(-width // (8 * round(wanted / most))) * 8
    elif layout.row_bytes - wanted <= GAP_BYTES:
        rows += (most - wanted) // layout.row_bytes
    for t in range(0, n_spectra, rows):
        for channel in range(start_channel, stop_channel, width):
            yield Piece(t, min(t + rows, n_spectra), channel, min(channel + width, stop_channel))


def _extent(layout: RowLayout, piece: Piece) -> tuple[int, int]:
    """Return the first byte of a read, and its length."""
    low, high = _span(layout, piece.first_channel, piece.stop_channel)
    start = layout.data_offset_bytes + piece.first_spectrum * layout.row_bytes + low
    return start, (piece.stop_spectrum - piece.first_spectrum - 1) * layout.row_bytes + high - low
