"""The stored form of HDF5 data chunks: which filters are read, and whether a chunk is sound.

Decoders trust the lengths that a chunk states: a damaged one can end the process, or unpack to any size. So these
lengths are checked before a decoder sees them.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DEFLATE, SHUFFLE, FLETCHER32, LZF, BITSHUFFLE = 1, 2, 3, 32000, 32008
READ_FILTERS = {DEFLATE: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", LZF: "lzf", BITSHUFFLE: "bitshuffle"}

CHECKSUM_BYTES = 4
# A compressed chunk may be a little larger than the plain one; filters before it may add checksums.
SLACK_BYTES = 4096
FRAME_HEADER_BYTES = 12
BLOCK_HEADER_BYTES = 4
# Bitshuffle works on groups of eight samples; what is left over at the end is stored as it is.
GROUP_SAMPLES = 8


@dataclass(frozen=True)
class Filter:
    """One step of the pipeline that a data set's chunks went through."""

    code: int
    values: tuple[int, ...]
    name: str = ""


class DamagedChunkError(ValueError):
    """A chunk whose stored form can't be what its filters wrote."""


def check_stored(raw: memoryview, filters: Sequence[Filter], skipped: int, chunk_bytes: int) -> None:
    """Raise unless the last compressor of the pipeline can unpack `raw` within the chunk's size.

    Bit `i` of `skipped` says that filter `i` was not used for this chunk.

    Raises:
        DamagedChunkError: it can't.
    """
    used = [step for i, step in enumerate(filters) if not skipped >> i & 1]
    for step in reversed(used):
        if step.code == FLETCHER32:
            raw = raw[: max(0, len(raw) - CHECKSUM_BYTES)]
            continue
        check = _CHECKS.get(step.code)
        if check is not None:
            check(raw, step, chunk_bytes)
        return


def _check_bitshuffle(view: memoryview, step: Filter, chunk_bytes: int) -> None:
    """Walk the frame: u64 plain size, u32 block size, then blocks of u32 length and bytes, all big-endian."""
    is_compressed = len(step.values) > 4 and step.values[4] != 0
    if not is_compressed:
        return
    group = GROUP_SAMPLES * step.values[2]
    plain, block = int.from_bytes(view[:8]), int.from_bytes(view[8:FRAME_HEADER_BYTES])
    if len(view) < FRAME_HEADER_BYTES or plain != chunk_bytes or group == 0 or block == 0 or block % group:
        raise DamagedChunkError("the sizes that a compressed chunk states are wrong")
    position, left = FRAME_HEADER_BYTES, plain
    while left >= group:
        length = int.from_bytes(view[position : position + BLOCK_HEADER_BYTES])
        position += BLOCK_HEADER_BYTES + length
        if position > len(view):
            raise DamagedChunkError("a compressed chunk is cut short")
        left -= min(block, left // group * group)
    if position + left != len(view):
        raise DamagedChunkError("a compressed chunk has another length than it states")


def _check_deflate(view: memoryview, _step: Filter, chunk_bytes: int) -> None:
    unpacked = zlib.decompressobj()
    most = chunk_bytes + SLACK_BYTES
    try:
        plain = unpacked.decompress(view, most)
    except zlib.error as error:
        raise DamagedChunkError(f"a compressed chunk can't be unpacked ({error})") from error
    if not unpacked.eof or len(plain) >= most:
        raise DamagedChunkError("a compressed chunk is cut short or unpacks to more than its size")


_CHECKS: dict[int, Callable[[memoryview, Filter, int], None]] = {
    BITSHUFFLE: _check_bitshuffle,
    DEFLATE: _check_deflate,
}
