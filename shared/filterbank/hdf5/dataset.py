"""The `data` set of an HDF5 filterbank file: is it sound, what does it say, where are its chunks.

Everything here is synchronous and calls h5py; `hdf5` runs it in a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np

from shared.errors import BadObservationError
from shared.filterbank.hdf5 import bitshuffle
from shared.filterbank.hdf5.attributes import UNREADABLE, is_plain_number, read_attribute
from shared.filterbank.hdf5.chunks import ChunkLayout, StoredChunk
from shared.filterbank.hdf5.range_file import RangeFile
from shared.filterbank.hdf5.stored_chunks import (
    BITSHUFFLE,
    BLOCK_SAMPLES_VALUE,
    COMPRESSOR_VALUE,
    LZ4,
    READ_FILTERS,
    SAMPLE_BYTES_VALUE,
    SLACK_BYTES,
    Filter,
    is_compressor,
)
from shared.filterbank.header.fields import Value, bad_file, decode_text
from shared.filterbank.rows import RowLayout

KEYWORDS = (
    *("fch1", "foff", "tsamp", "tstart", "nchans", "nbits", "nifs"),
    *("telescope_id", "nfpc", "source_name", "src_raj", "src_dej"),
)
CLASS = "CLASS"
ATTRIBUTES = (CLASS, *KEYWORDS)
MAX_SHOWN = 80
# A chunk is unpacked whole, however little of it is wanted.
MAX_CHUNK_BYTES = 2**29
# No compressor of noise comes near; a file that claims more is an allocation bomb.
MAX_COMPRESSION = 2000
# HDF5 looks up each stored chunk by itself, the slower the more there are.
MANY_CHUNKS, SMALL_CHUNK_BYTES = 5_000, 2**16
# Counting the stored chunks reads the whole index.
COUNTED_CHUNKS = 20_000

# What h5py raises for damaged files.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Storage:
    """How the samples are stored: contiguous from `offset_bytes` on, or in chunks that went through `filters`."""

    offset_bytes: int | None
    chunk_shape: tuple[int, int, int] | None
    filters: tuple[Filter, ...]


@dataclass(frozen=True)
class Data:
    """An open data set. `shape` is (spectra, IFs, channels), whatever its rank."""

    file_name: str
    handle: Any
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    storage: Storage
    values: dict[str, Value]
    warnings: tuple[str, ...]

    def selection(self, start_channel: int, stop_channel: int) -> tuple[slice, ...]:
        """Channels [start, stop) of the first IF."""
        channels = slice(start_channel, stop_channel)
        return (slice(None), slice(0, 1), channels) if self.handle.ndim == 3 else (slice(None), channels)

    def layout(self, start_channel: int, stop_channel: int, file_bytes: int) -> RowLayout | ChunkLayout | None:
        """Where channels [start, stop) of all spectra are; None where they are among the metadata."""
        shape, filters = self.storage.chunk_shape, self.storage.filters
        if self.storage.offset_bytes is not None:
            row_bytes = self.shape[1] * self.shape[2] * self.dtype.itemsize
            return RowLayout(self.storage.offset_bytes, row_bytes, 8 * self.dtype.itemsize, self.dtype)
        if shape is None:
            return None
        all_skipped = 2 ** len(filters) - 1
        chunks = []
        for t, channel, info in self._chunks(start_channel, stop_channel, file_bytes):
            is_plain = info.filter_mask & all_skipped == all_skipped
            if is_plain and info.byte_offset is not None and info.size != prod(shape) * self.dtype.itemsize:
                raise self._bad_index()
            chunks.append(StoredChunk(info.byte_offset, info.size, is_plain, info.filter_mask, t, channel))
        block_bytes = 0
        if _is_bitshuffle(filters, self.dtype):
            block_bytes = bitshuffle.usual_block_bytes(filters[0].values[BLOCK_SAMPLES_VALUE], self.dtype.itemsize)
        return ChunkLayout(shape, self.dtype, chunks, float(self.handle.fillvalue), filters, block_bytes)

    def _chunks(self, start_channel: int, stop_channel: int, file_bytes: int) -> Iterator[tuple[int, int, Any]]:
        """First spectrum, first channel and HDF5's record of each chunk with some of the first IF's channels."""
        assert self.storage.chunk_shape is not None
        rows, _, columns = self.storage.chunk_shape
        most = 2 * prod(self.storage.chunk_shape) * self.dtype.itemsize + SLACK_BYTES
        for t in range(0, self.shape[0], rows):
            for channel in range(start_channel // columns * columns, stop_channel, columns):
                corner = (t, 0, channel) if self.handle.ndim == 3 else (t, channel)
                info = self.handle.id.get_chunk_info_by_coord(corner)
                if info.byte_offset is not None and not (
                    0 < info.size <= most and info.byte_offset + info.size <= file_bytes
                ):
                    raise self._bad_index()
                yield t, channel, info

    def _bad_index(self) -> BadObservationError:
        return bad_file(self.file_name, "the index of its data is damaged. Upload the whole file again.")


def _is_bitshuffle(filters: tuple[Filter, ...], dtype: np.dtype[Any]) -> bool:
    """Whether chunks went through bitshuffle with LZ4 alone, and its library is at hand."""
    if len(filters) != 1 or filters[0].code != BITSHUFFLE or bitshuffle.library() is None:
        return False
    # Bytes of a sample, samples of a block, compressor.
    values = filters[0].values[SAMPLE_BYTES_VALUE : COMPRESSOR_VALUE + 1]
    return len(values) == 3 and (values[0], values[2]) == (dtype.itemsize, LZ4)


@contextmanager
def open_data(remote: RangeFile, file_name: str, file_bytes: int) -> Iterator[Data]:
    """The data set of a file, checked.

    Raises:
        BadObservationError: it can't be searched, or turns out to be damaged while it is open.
        TransientError: storage is out of reach.
    """
    # Here, since not every service that shares this package has HDF5.
    import h5py
    import hdf5plugin  # noqa: F401  # brings the filters

    try:
        with h5py.File(remote, "r", rdcc_nbytes=0) as file:
            yield _checked(file, file_name, file_bytes)
    except HDF5_ERRORS as error:
        # HDF5 saw but a failed read where storage was away.
        if remote.failure is not None:
            raise remote.failure from error
        cause = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise bad_file(
            file_name, f"its HDF5 content is damaged or incomplete ({cause}). Write it anew or upload it again."
        ) from error


def _checked(file: Any, file_name: str, file_bytes: int) -> Data:
    handle = _find(file, file_name)
    values = {key: value for key in KEYWORDS if (value := read_attribute(handle, key)) is not None}
    if values.get("source_name") == UNREADABLE:
        del values["source_name"]
    warnings = []
    if str(read_attribute(file, CLASS)).strip() != "FILTERBANK":
        warnings.append("The file is not marked as FILTERBANK (attribute CLASS); its data set was read all the same.")
    shape = _shape(handle, values, file_name)
    if handle.ndim == 2:
        warnings.append("The data set has two dimensions instead of three; it was read as (time, channel).")
    dtype = _sample_type(handle, file_name)
    if prod(shape) * dtype.itemsize > MAX_COMPRESSION * file_bytes:
        raise bad_file(
            file_name,
            f"its data set claims the shape {shape}, far more than {file_bytes} bytes can hold. Upload the whole file.",
        )
    storage = _storage(handle, dtype, file_name)
    if storage.offset_bytes is not None and storage.offset_bytes + prod(shape) * dtype.itemsize > file_bytes:
        raise bad_file(file_name, "it ends before its last data. Upload the whole file.")
    warnings += _missing_chunks(handle, shape, storage, file_name)
    return Data(file_name, handle, shape, dtype, storage, values, tuple(warnings))


def _find(file: Any, file_name: str) -> Any:
    import h5py

    # Asked for first, since to look up a link to another file opens that file.
    link = file.get("data", getlink=True)
    if link is None:
        found = ", ".join(repr(key[:MAX_SHOWN]) for key, _ in zip(file, range(5), strict=False)) or "nothing"
        raise bad_file(
            file_name, f"it has no data set 'data' (its root holds: {found}). Write it as a filterbank (FBH5) file."
        )
    # A link to another file would make this one read what is none of its owner's.
    if not isinstance(link, h5py.HardLink):
        raise bad_file(file_name, "its data set 'data' is a link. Store the samples in the file itself.")
    handle = file["data"]
    if not isinstance(handle, h5py.Dataset):
        raise bad_file(file_name, "'data' is a group and no data set. Write it as a filterbank (FBH5) file.")
    return handle


def _shape(handle: Any, values: dict[str, Value], file_name: str) -> tuple[int, int, int]:
    shape = tuple(int(length) for length in handle.shape or ())
    if len(shape) == 2 and str(values.get("nchans")) == str(shape[1]):
        shape = (shape[0], 1, shape[1])
    if len(shape) != 3:
        raise bad_file(
            file_name, f"its data set has the shape {shape}; it must be (time, IF, channel). Write it with that shape."
        )
    if 0 in shape:
        raise bad_file(file_name, f"its data set is empty: it has the shape {shape}. Write it with its samples.")
    return (shape[0], shape[1], shape[2])


def _sample_type(handle: Any, file_name: str) -> np.dtype[Any]:
    if not is_plain_number(handle.id.get_type()):
        raise bad_file(
            file_name, "its samples are of a type that is not read; write them as real numbers, best float32."
        )
    dtype: np.dtype[Any] = handle.dtype
    return dtype


def _storage(handle: Any, dtype: np.dtype[Any], file_name: str) -> Storage:
    import h5py

    plan = handle.id.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.VIRTUAL or plan.get_external_count() > 0:
        raise bad_file(file_name, "its samples are stored in other files. Store them in the file itself.")
    filters = tuple(_filters(plan, file_name))
    if sum(map(is_compressor, filters)) > 1:
        raise bad_file(file_name, "its data are compressed more than once. Rewrite it with one compressor (h5repack).")
    if layout == h5py.h5d.CHUNKED:
        chunk = tuple(int(length) for length in handle.chunks)
        if prod(chunk) * dtype.itemsize > MAX_CHUNK_BYTES:
            raise bad_file(
                file_name,
                f"its data are stored in chunks of {chunk} samples; one may have {MAX_CHUNK_BYTES} bytes. "
                "Rewrite it with smaller chunks (h5repack).",
            )
        count = prod(ceil(length / size) for length, size in zip(handle.shape, chunk, strict=True))
        if count > MANY_CHUNKS and prod(chunk) * dtype.itemsize < SMALL_CHUNK_BYTES:
            raise bad_file(
                file_name,
                f"its data are stored in {count} chunks of {chunk} samples; looking them up would take minutes. "
                "Rewrite it with larger chunks (h5repack).",
            )
        return Storage(None, (chunk[0], 1 if len(chunk) == 2 else chunk[1], chunk[-1]), filters)
    if layout != h5py.h5d.CONTIGUOUS:
        return Storage(None, None, filters)
    offset = handle.id.get_offset()
    if offset is None:
        raise bad_file(file_name, "its data were never written. Upload the whole file.")
    return Storage(int(offset), None, filters)


def _filters(plan: Any, file_name: str) -> Iterator[Filter]:
    for number in range(plan.get_nfilters()):
        code, _, values, name = plan.get_filter(number)
        if code not in READ_FILTERS:
            raise bad_file(
                file_name,
                f"its data are compressed with filter {code} ({decode_text(name)[:MAX_SHOWN]!r}), which is not read. "
                f"Rewrite it (h5repack) with one of {', '.join(READ_FILTERS.values())}.",
            )
        if code == BITSHUFFLE and (len(values) <= SAMPLE_BYTES_VALUE or values[SAMPLE_BYTES_VALUE] < 1):
            raise bad_file(file_name, "its bitshuffle filter has no size of a sample. Rewrite it (h5repack).")
        yield Filter(code, tuple(values))


def _missing_chunks(handle: Any, shape: tuple[int, int, int], storage: Storage, file_name: str) -> list[str]:
    """A warning where chunks were never written; they read as the fill value, mostly 0, which the search masks."""
    if storage.chunk_shape is None:
        return []
    total = prod(ceil(length / chunk) for length, chunk in zip(shape, storage.chunk_shape, strict=True))
    if total > COUNTED_CHUNKS:
        return []
    stored = handle.id.get_num_chunks()
    if stored == 0:
        raise bad_file(file_name, "its data were never written. Upload the whole file.")
    if stored < total:
        missing = f"{total - stored} of the file's {total} data chunks were never written"
        return [f"{missing}; their samples count as {handle.fillvalue:g}."]
    return []
