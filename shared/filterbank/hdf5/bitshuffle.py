"""Unpack HDF5 data chunks that were compressed with bitshuffle and LZ4 or Zstandard (filter 32008), whole or in part.

A chunk's frame is the u64 plain size and the u32 block size, then blocks of u32 length and bytes, all big-endian; what
is left over below a group of eight samples follows as it is. Blocks do not depend on each other, so a few channels at a
chunk's edge need only the blocks that hold them.

The blocks are unpacked by the bitshuffle library itself, the one that HDF5 would load as its filter. It is called past
HDF5, which does one thing at a time in a process and unpacks chunks only whole.
"""

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

FRAME_HEADER = struct.Struct(">QI")
BLOCK_HEADER = struct.Struct(">I")
# The filter's numbers of the compressors, and the library's functions that undo them.
LZ4, ZSTD = 2, 3
FUNCTIONS = {LZ4: "bshuf_decompress_lz4", ZSTD: "bshuf_decompress_zstd"}
# Bitshuffle works on groups of eight samples.
GROUP_SAMPLES = 8
# The library's defaults.
USUAL_BLOCK_BYTES, FEWEST_USUAL_SAMPLES = 8192, 128
# The largest chunks that are read have 100,000 blocks of the default 8 kB.
MOST_BLOCKS = 2**20

Decompress = Callable[[int, int, int, int, int], int]


class DamagedChunkError(ValueError):
    """A storage chunk that its filters can't have written."""


@dataclass(frozen=True)
class Blocks:
    """Where in bytes of a frame its blocks begin: `positions[i]` is the header of block `first_block + i`.

    The last position is where the blocks at hand end. Where they reach to the frame's end, the last of them may be a
    shorter one, and plain bytes that are no whole group follow it.
    """

    sample_bytes: int
    chunk_bytes: int
    block_bytes: int
    positions: list[int]
    are_all: bool
    first_block: int = 0

    def hold(self, n_bytes: int) -> bool:
        """Return whether the first `n_bytes` of the plain chunk are among them."""
        _, stop = self.round(0, n_bytes)
        return self.are_all or stop <= min((len(self.positions) - 1) * self.block_bytes, self.chunk_bytes - 1)

    def round(self, first_byte: int, stop_byte: int) -> tuple[int, int]:
        """Return bytes [first, stop) of the plain chunk, widened to whole blocks."""
        low = first_byte // self.block_bytes * self.block_bytes
        return low, min(-(-stop_byte // self.block_bytes) * self.block_bytes, self.chunk_bytes)


@cache
def library(compressor: int = LZ4) -> Decompress | None:
    """Return the decoder of a compressor: (in, out, samples, bytes of a sample, samples of a block) -> bytes read, < 0.

    None if the installed library does not export it; the child can still call it as a filter of HDF5.
    """
    # Found without an import, which would load HDF5 into this process.
    package = find_spec("hdf5plugin")
    try:
        if package is None or package.origin is None:
            return None
        plugins = Path(package.origin).parent / "plugins"
        found = getattr(ctypes.CDLL(str(next(plugins.glob("*h5bshuf.*")))), FUNCTIONS[compressor])
    except (StopIteration, OSError, AttributeError):
        return None
    found.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t]
    found.restype = ctypes.c_int64
    decompress: Decompress = found
    return decompress


def block_bytes_of(frame: memoryview, sample_bytes: int, chunk_bytes: int) -> int:
    """Return the plain bytes of a block, as the frame's first bytes state them.

    Raises
    ------
    DamagedChunkError
        What they state is not possible for a chunk of `chunk_bytes`.
    """
    group = GROUP_SAMPLES * sample_bytes
    plain, block = FRAME_HEADER.unpack_from(frame) if len(frame) >= FRAME_HEADER.size else (0, 0)
    if plain != chunk_bytes or group == 0 or block == 0 or block % group or chunk_bytes // block > MOST_BLOCKS:
        raise DamagedChunkError("the sizes that a compressed chunk states are wrong")
    return int(block)


def usual_block_bytes(block_samples: int, sample_bytes: int) -> int:
    """Return the plain bytes of a block of `block_samples`, from the filter's values; 0 is the library's default."""
    usual = max(USUAL_BLOCK_BYTES // sample_bytes // GROUP_SAMPLES * GROUP_SAMPLES, FEWEST_USUAL_SAMPLES)
    return (block_samples or usual) * sample_bytes


def find_blocks(frame: memoryview, frame_bytes: int, sample_bytes: int, chunk_bytes: int) -> Blocks:
    """Return the blocks that end within `frame`, which may be the first part of a frame of `frame_bytes`.

    All sizes that a frame states are checked, since the decoder trusts them.

    Raises
    ------
    DamagedChunkError
        The frame can't unpack to `chunk_bytes`.
    """
    group, block = GROUP_SAMPLES * sample_bytes, block_bytes_of(frame, sample_bytes, chunk_bytes)
    n_blocks = -(-(chunk_bytes // group * group) // block)
    position, positions = FRAME_HEADER.size, [FRAME_HEADER.size]
    for _ in range(n_blocks):
        start = position + BLOCK_HEADER.size
        if start <= len(frame):
            position = start + BLOCK_HEADER.unpack_from(frame, position)[0]
        if max(start, position) > frame_bytes:
            raise DamagedChunkError("a compressed chunk is cut short")
        if max(start, position) > len(frame):
            return Blocks(sample_bytes, chunk_bytes, block, positions, are_all=False)
        positions.append(position)
    if position + chunk_bytes % group != frame_bytes:
        raise DamagedChunkError("a compressed chunk has another length than it states")
    return Blocks(sample_bytes, chunk_bytes, block, positions, are_all=len(frame) == frame_bytes)


def find_last_blocks(
    tail: memoryview, block_bytes: int, sample_bytes: int, chunk_bytes: int, first: int
) -> Blocks | None:
    """Return the blocks from number `first` on in `tail`, the last bytes of a frame; None if they are not certain.

    `block_bytes` is the likely size of a block; if it is wrong, the blocks do not unpack.

    A block states only where the next one begins. A place is taken for the header of a block if it leads, from block to
    block, exactly to the frame's end; hardly any other place does.
    """
    group = GROUP_SAMPLES * sample_bytes
    wanted = -(-(chunk_bytes // group * group) // block_bytes) - first
    octets = np.frombuffer(tail, np.uint8).astype(np.uint32)
    lengths = octets[:-3] << 24 | octets[1:-2] << 16 | octets[2:-1] << 8 | octets[3:]
    # The most that LZ4 (block_bytes / 255 + 16) or Zstandard (block_bytes / 256 + 64) can enlarge a block by.
    most = block_bytes + block_bytes // 255 + 64
    following: dict[int, int] = {}
    blocks_to_end = {len(tail) - chunk_bytes % group: 0}
    for position in np.flatnonzero((lengths > 0) & (lengths <= most))[::-1].tolist():
        stop = position + BLOCK_HEADER.size + int(lengths[position])
        if stop in blocks_to_end:
            following[position] = stop
            blocks_to_end[position] = blocks_to_end[stop] + 1
    starts = [position for position, n_blocks in blocks_to_end.items() if n_blocks == wanted]
    # The block is certain only if a further block before it is in the tail too.
    if len(starts) != 1 or max(blocks_to_end.values()) <= wanted:
        return None
    positions = starts
    while positions[-1] in following:
        positions.append(following[positions[-1]])
    return Blocks(sample_bytes, chunk_bytes, block_bytes, positions, are_all=False, first_block=first)


def unpack(frame: memoryview, blocks: Blocks, first_byte: int, plain: memoryview, compressor: int = LZ4) -> None:
    """Fill `plain` with the plain chunk's bytes from `first_byte` on; both ends are where `Blocks.round` puts them.

    Raises
    ------
    DamagedChunkError
        The blocks can't be unpacked.
    """
    decompress = library(compressor)
    assert decompress is not None
    block, size = blocks.block_bytes, blocks.sample_bytes
    stored = np.frombuffer(frame, np.uint8)[blocks.positions[first_byte // block - blocks.first_block] :]
    target = np.frombuffer(plain, np.uint8)
    if decompress(stored.ctypes.data, target.ctypes.data, len(target) // size, size, block // size) <= 0:
        raise DamagedChunkError("a compressed chunk can't be unpacked")
