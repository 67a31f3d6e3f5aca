"""The stored form of HDF5 data chunks: which filters are read, and whether a chunk is sound.

Decoders trust the lengths that a chunk states: a damaged one can end the process, or unpack to any size. So these
lengths are checked before a decoder sees them.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.filterbank.hdf5.bitshuffle import DamagedChunkError, find_blocks

DEFLATE, SHUFFLE, FLETCHER32, LZF, BITSHUFFLE = 1, 2, 3, 32000, 32008
READ_FILTERS = {DEFLATE: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", LZF: "lzf", BITSHUFFLE: "bitshuffle"}
# Of bitshuffle's values: bytes of a sample; samples of a block; the compressor, where there is one; LZ4's number.
SAMPLE_BYTES_VALUE, BLOCK_SAMPLES_VALUE, COMPRESSOR_VALUE, LZ4 = 2, 3, 4, 2
# Of LZF's values: bytes of a chunk.
LZF_BYTES_VALUE = 2

CHECKSUM_BYTES = 4
# A compressed chunk may be a little larger than the plain one; filters before it may add checksums.
SLACK_BYTES = 4096


@dataclass(frozen=True)
class Filter:
    """One step of the pipeline that a data set's chunks went through."""

    code: int
    values: tuple[int, ...]
    name: str = ""


def is_compressor(step: Filter) -> bool:
    """Whether what a filter writes may be of another size than what it was given, by more than a checksum."""
    if step.code == BITSHUFFLE:
        return len(step.values) > COMPRESSOR_VALUE and step.values[COMPRESSOR_VALUE] != 0
    return step.code in (DEFLATE, LZF)


def check_stored(raw: memoryview, filters: Sequence[Filter], skipped: int, chunk_bytes: int) -> None:
    """Raise unless `raw` unpacks to just a chunk of `chunk_bytes`, as far as its lengths tell.

    Bit `i` of `skipped` says that filter `i` was not used for this chunk. At most one of the filters is a compressor.

    Raises:
        DamagedChunkError: it does not.
    """
    used = [step for i, step in enumerate(filters) if not skipped >> i & 1]
    for place in reversed(range(len(used))):
        step = used[place]
        if step.code == FLETCHER32:
            if len(raw) < CHECKSUM_BYTES:
                raise DamagedChunkError("a chunk is too short for its checksum")
            raw = raw[:-CHECKSUM_BYTES]
        elif is_compressor(step):
            sums = sum(earlier.code == FLETCHER32 for earlier in used[:place])
            _CHECKS[step.code](raw, step, chunk_bytes + sums * CHECKSUM_BYTES)
            return
    if len(raw) != chunk_bytes:
        raise DamagedChunkError("a chunk has another length than it should have")


def _check_bitshuffle(view: memoryview, step: Filter, chunk_bytes: int) -> None:
    find_blocks(view, len(view), step.values[SAMPLE_BYTES_VALUE], chunk_bytes)


def _check_lzf(_view: memoryview, step: Filter, chunk_bytes: int) -> None:
    # The decoder writes no more than the filter's values say, and takes as much memory.
    if step.values[LZF_BYTES_VALUE : LZF_BYTES_VALUE + 1] != (chunk_bytes,):
        raise DamagedChunkError("the size that its compressor states for a chunk is wrong")


def _check_deflate(view: memoryview, _step: Filter, chunk_bytes: int) -> None:
    unpacked = zlib.decompressobj()
    try:
        # One byte more, to see whether there is more.
        plain = unpacked.decompress(view, chunk_bytes + 1)
    except zlib.error as error:
        raise DamagedChunkError(f"a compressed chunk can't be unpacked ({error})") from error
    if not unpacked.eof or len(plain) != chunk_bytes:
        raise DamagedChunkError("a compressed chunk is cut short or unpacks to another size than a chunk's")


_CHECKS: dict[int, Callable[[memoryview, Filter, int], None]] = {
    BITSHUFFLE: _check_bitshuffle,
    DEFLATE: _check_deflate,
    LZF: _check_lzf,
}
