"""The stored form of storage chunks: which filters are read, and how far they are undone without the HDF5 library.

zlib and numpy undo gzip, shuffle and Fletcher's checksum, in several threads at once and to no more bytes than a chunk
has. Other filters take the child process, whose decoders trust the sizes that a chunk states: where they are wrong,
some crash. So the sizes are compared, as far as they are known, before a chunk goes to the child.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.bitshuffle import DamagedChunkError, find_blocks

# HDF5's numbers of filters.
DEFLATE, SHUFFLE, FLETCHER32, SZIP, NBIT, SCALE_OFFSET, LZF, BITSHUFFLE = 1, 2, 3, 4, 5, 6, 32000, 32008
UNDONE_HERE = (DEFLATE, SHUFFLE, FLETCHER32)
# Filters that are a part of the HDF5 library as h5py brings it. All others are plugins.
UNDONE_BY_THE_LIBRARY = (SZIP, NBIT, SCALE_OFFSET, LZF)
# Of bitshuffle's values: bytes of a sample; samples of a block; the compressor, where there is one.
SAMPLE_BYTES_VALUE, BLOCK_SAMPLES_VALUE, COMPRESSOR_VALUE = 2, 3, 4
# Of LZF's values: bytes of a chunk.
LZF_BYTES_VALUE = 2
# An szip chunk begins with its plain bytes.
SZIP_HEADER = struct.Struct("<I")

CHECKSUM_BYTES = 4
# Fletcher's sums are taken modulo this; so many 16-bit words at once keep them within 64 bits.
FLETCHER_MODULUS, FLETCHER_WORDS = 65535, 2**16
# A compressed chunk may be a little larger than the plain one; filters before it may add checksums.
SLACK_BYTES = 4096


@dataclass(frozen=True)
class Filter:
    """One step of the pipeline that a data set's chunks went through."""

    code: int
    values: tuple[int, ...]


class Undone(NamedTuple):
    """A chunk, as bytes, and the filters that are still to be undone."""

    raw: memoryview
    filters: tuple[Filter, ...]


def is_compressor(step: Filter) -> bool:
    """Return whether what a filter writes may be of another size than what it was given, by more than a checksum."""
    if step.code == BITSHUFFLE:
        return len(step.values) > COMPRESSOR_VALUE and step.values[COMPRESSOR_VALUE] != 0
    return step.code not in (SHUFFLE, FLETCHER32)


def undo_filters(
    raw: memoryview, filters: Sequence[Filter], skipped: int, chunk_bytes: int, sample_bytes: int
) -> Undone:
    """Undo a chunk's filters from the last to the first, up to one that takes the child process.

    Parameters
    ----------
    raw : the chunk as it is stored
    filters : in the order in which the writer applied them; at most one is a compressor
    skipped : bit `i` says that filter `i` was not used for this chunk
    chunk_bytes, sample_bytes : of the plain chunk and of one of its samples

    Raises
    ------
    DamagedChunkError
        The chunk does not unpack to `chunk_bytes`, or its checksum is wrong.
    """
    used = [step for i, step in enumerate(filters) if not skipped >> i & 1]
    while used and used[-1].code in UNDONE_HERE:
        code = used.pop().code
        if code == FLETCHER32:
            raw = _without_checksum(raw)
        elif code == DEFLATE:
            raw = _inflated(raw, bytes_before(used, chunk_bytes))
        else:
            raw = _unshuffled(raw, sample_bytes)
    _check_size(raw, used, chunk_bytes)
    return Undone(raw, tuple(used))


def bytes_before(earlier: Sequence[Filter], chunk_bytes: int) -> int:
    """Return the bytes of a plain chunk with the checksums that earlier filters added."""
    return chunk_bytes + CHECKSUM_BYTES * sum(step.code == FLETCHER32 for step in earlier)


def _check_size(raw: memoryview, left: Sequence[Filter], chunk_bytes: int) -> None:
    """Raise unless `raw` unpacks to a chunk by the filters that are left, as far as the sizes in it tell."""
    sums_after = 0
    for place in reversed(range(len(left))):
        step = left[place]
        if is_compressor(step):
            compressed = raw[: len(raw) - sums_after * CHECKSUM_BYTES]
            _check_compressed(compressed, step, bytes_before(left[:place], chunk_bytes))
            return
        sums_after += step.code == FLETCHER32
    if len(raw) != chunk_bytes + sums_after * CHECKSUM_BYTES:
        raise DamagedChunkError("a chunk has another length than it should have")


def _check_compressed(raw: memoryview, step: Filter, plain_bytes: int) -> None:
    if step.code == BITSHUFFLE:
        find_blocks(raw, len(raw), step.values[SAMPLE_BYTES_VALUE], plain_bytes)
        return
    # LZF states no size in the chunk; its decoder writes no more than the filter's values say.
    lzf_is_wrong = step.code == LZF and step.values[LZF_BYTES_VALUE : LZF_BYTES_VALUE + 1] != (plain_bytes,)
    szip_is_wrong = step.code == SZIP and bytes(raw[: SZIP_HEADER.size]) != SZIP_HEADER.pack(plain_bytes)
    if lzf_is_wrong or szip_is_wrong:
        raise DamagedChunkError("the size that its compressor states for a chunk is wrong")


def _inflated(raw: memoryview, plain_bytes: int) -> memoryview:
    unpacked = zlib.decompressobj()
    try:
        # One byte more, to see whether there is more.
        plain = unpacked.decompress(raw, plain_bytes + 1)
    except zlib.error as error:
        raise DamagedChunkError(f"a compressed chunk can't be unpacked ({error})") from error
    if not unpacked.eof or len(plain) != plain_bytes:
        raise DamagedChunkError("a compressed chunk is cut short or unpacks to another size than a chunk's")
    return memoryview(plain)


def _unshuffled(raw: memoryview, sample_bytes: int) -> memoryview:
    """Undo shuffle, which stores the first bytes of all samples, then the second bytes of all, and so on."""
    samples = len(raw) // sample_bytes
    plain = np.empty(len(raw), np.uint8)
    stored = np.frombuffer(raw, np.uint8)
    whole = samples * sample_bytes
    plain[:whole].reshape(samples, sample_bytes)[...] = stored[:whole].reshape(sample_bytes, samples).T
    plain[whole:] = stored[whole:]
    return plain.data


def _without_checksum(raw: memoryview) -> memoryview:
    if len(raw) < CHECKSUM_BYTES:
        raise DamagedChunkError("a chunk is too short for its checksum")
    plain, stored = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    sums = _fletcher_sums(plain)
    # HDF5 1.6.2 and before wrote the bytes of each sum in the other order on some machines.
    for kind in ("<u2", ">u2"):
        found = np.frombuffer(stored, kind).astype(int) % FLETCHER_MODULUS
        if found.tolist() == sums:
            return plain
    raise DamagedChunkError("the checksum of a chunk is wrong")


def _fletcher_sums(raw: memoryview) -> list[int]:
    """Return both sums of Fletcher's checksum over big-endian 16-bit words, modulo 65535.

    Source: H5_checksum_fletcher32 in HDF5's H5checksum.c.
    """
    words: npt.NDArray[np.uint16] = np.frombuffer(raw[: len(raw) // 2 * 2], ">u2")
    if len(raw) % 2:
        words = np.append(words, np.uint16(raw[-1] << 8))
    first = second = 0
    for start in range(0, len(words), FLETCHER_WORDS):
        part = words[start : start + FLETCHER_WORDS].astype(np.uint64)
        weights = np.arange(len(part), 0, -1, dtype=np.uint64)
        second = (second + len(part) * first + int(part @ weights)) % FLETCHER_MODULUS
        first = (first + int(part.sum())) % FLETCHER_MODULUS
    return [first, second]
