"""The `data` set of an HDF5 filterbank file: whether it can be searched, its keywords, and where its chunks are."""

from collections.abc import Iterator
from math import ceil, prod
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # registers the filters
import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.child.attributes import UNREADABLE, is_plain_number, read_attribute
from shared.filterbank.hdf5.child.axes import USUAL, Axes, find_axes, name_axes
from shared.filterbank.hdf5.child.errors import DamagedError, UnreadableError
from shared.filterbank.hdf5.child.filters import can_undo
from shared.filterbank.hdf5.child.range_file import RangeFile
from shared.filterbank.hdf5.protocol import NOT_STORED, Message
from shared.filterbank.hdf5.stored_chunks import (
    BITSHUFFLE,
    SAMPLE_BYTES_VALUE,
    Filter,
    is_compressor,
)
from shared.filterbank.header.fields import Value, decode_text, to_number

KEYWORDS = (
    *("fch1", "foff", "tsamp", "tstart", "nchans", "nbits", "nifs"),
    *("telescope_id", "nfpc", "source_name", "src_raj", "src_dej"),
)
CLASS = "CLASS"
MAX_SHOWN = 80
# A chunk is unpacked whole, however little of it is wanted.
MAX_CHUNK_BYTES = 2**29
# Noise never comes near this ratio: with one bit of it in a float32, 32. A file that claims more would only cost time,
# unless it is small once it is unpacked.
MAX_COMPRESSION, SMALL_BYTES = 100, 64 * 2**20
# More chunks than this, each smaller than that, are refused: every read looks through the whole index.
MANY_CHUNKS, SMALL_CHUNK_BYTES = 200_000, 2**16
# Counting the stored chunks reads the whole index.
COUNTED_CHUNKS = 20_000

# What h5py raises for damaged files.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)

MAX_INT64 = 2**63 - 1

Shape = tuple[int, int, int]


def describe(file: RangeFile, file_bytes: int, channels: list[int] | None, if_index: int = 0) -> tuple[Message, bytes]:
    """Describe the data set of a file and, where `channels` [start, stop) of an IF are asked for, say where they are.

    Returns
    -------
    The description, and bytes: for a data set in storage chunks the chunks with some of the channels, int64
    (chunks, fields as in `CHUNK_FIELDS`); for a compact one, which lies among the metadata, the samples as float32
    (spectra, channels); else none.

    Raises
    ------
    UnreadableError
        The file can't be searched.
    DamagedError
        The library fails on it.
    """
    try:
        with h5py.File(file, "r", rdcc_nbytes=0) as opened:
            return _describe(opened, file_bytes, channels, if_index)
    except HDF5_ERRORS as error:
        raise DamagedError.by(error) from error


def _describe(file: Any, file_bytes: int, channels: list[int] | None, if_index: int) -> tuple[Message, bytes]:
    handle = _find(file)
    values = {key: value for key in KEYWORDS if (value := read_attribute(handle, key)) is not None}
    if values.get("source_name") == UNREADABLE:
        del values["source_name"]
    warnings = []
    if str(read_attribute(file, CLASS)).strip() != "FILTERBANK":
        warnings.append("The file is not marked as FILTERBANK (attribute CLASS); its data set was read anyway.")
    axes = _axes(handle, values)
    shape = _shape(handle, axes)
    if axes != USUAL[3]:
        warnings.append(_told(handle, axes))
    dtype = _sample_type(handle)
    if prod(shape) * dtype.itemsize > max(SMALL_BYTES, MAX_COMPRESSION * file_bytes):
        raise UnreadableError(
            f"its data set claims the shape {shape}, far more than {file_bytes} bytes can hold: no noise is "
            f"compressed more than {MAX_COMPRESSION} times. Upload the whole file."
        )
    offset, chunk_shape, filters = _storage(handle, dtype)
    if offset is not None and offset + prod(shape) * dtype.itemsize > file_bytes:
        raise UnreadableError("it ends before its last data. Upload the whole file.")
    warnings += _missing_chunks(handle, shape, chunk_shape)
    description = {
        "shape": shape,
        "dtype": dtype.str,
        "offset_bytes": offset,
        "strides": _strides(handle, axes, dtype.itemsize),
        "chunk_shape": chunk_shape,
        "filters": [(step.code, step.values) for step in filters],
        "fill_value": float(handle.fillvalue),
        "values": values,
        "warnings": warnings,
    }
    raw = b""
    if channels is not None and chunk_shape is not None:
        raw = _chunks(handle, chunk_shape, if_index, *channels).tobytes()
    elif channels is not None and offset is None:
        raw = _compact(handle, axes, if_index, *channels).tobytes()
    return description, raw


def _find(file: Any) -> Any:
    # Asked for first, since to look up a link to another file opens that file.
    link = file.get("data", getlink=True)
    if link is None:
        found = ", ".join(repr(key[:MAX_SHOWN]) for key, _ in zip(file, range(5), strict=False)) or "nothing"
        raise UnreadableError(
            f"it has no data set 'data' (its root holds: {found}). Write it as a filterbank (FBH5) file."
        )
    # A link to another file would let an upload show a file that its owner may not read.
    if not isinstance(link, h5py.HardLink):
        raise UnreadableError("its data set 'data' is a link. Store the samples in the file itself.")
    handle = file["data"]
    if not isinstance(handle, h5py.Dataset):
        raise UnreadableError("'data' is a group, not a data set. Write it as a filterbank (FBH5) file.")
    return handle


def _axes(handle: Any, values: dict[str, Value]) -> Axes:
    shape = tuple(int(length) for length in handle.shape or ())
    axes = find_axes(shape, _length(values.get("nchans")), _length(values.get("nifs")))
    if axes is None:
        told = ", ".join(f"{key} {values[key]}" for key in ("nchans", "nifs") if key in values)
        raise UnreadableError(
            f"its data set 'data' has the shape {shape}, and its header ({told or 'without nchans'}) does not say "
            "which axis is which; the shape must be (time, IF, channel). Write it so, or correct nchans and nifs."
        )
    if axes not in USUAL.values() and handle.chunks is not None:
        raise UnreadableError(
            f"its data set 'data' has the shape {shape}, by nchans in its header {name_axes(axes)}, and in storage "
            "chunks, which would be slow to read. Write it as (time, IF, channel)."
        )
    return axes


def _length(value: Value | None) -> int | None:
    """Return the length of an axis that a keyword states; None if it states none."""
    number = None if value is None else to_number(value)
    return int(number) if number is not None and number.is_integer() else None


def _told(handle: Any, axes: Axes) -> str:
    if axes == USUAL[2]:
        return "The data set has two dimensions instead of three; it was read as (time, channel)."
    return (
        f"The data set has the shape {handle.shape} instead of (time, IF, channel); by nchans in the header it was "
        f"read as {name_axes(axes)}."
    )


def _shape(handle: Any, axes: Axes) -> Shape:
    """(spectra, IFs, channels)"""
    shape = tuple(int(length) for length in handle.shape)
    if 0 in shape:
        raise UnreadableError(f"its data set is empty: it has the shape {shape}. Write it with its samples.")
    return (shape[axes.spectrum], 1 if axes.if_ is None else shape[axes.if_], shape[axes.channel])


def _strides(handle: Any, axes: Axes, sample_bytes: int) -> Shape:
    """Return the bytes from a sample to that of the next spectrum, IF and channel, where they lie one after another."""
    steps = [sample_bytes * prod(handle.shape[at + 1 :]) for at in range(handle.ndim)]
    return (steps[axes.spectrum], 0 if axes.if_ is None else steps[axes.if_], steps[axes.channel])


def _sample_type(handle: Any) -> np.dtype[Any]:
    if not is_plain_number(handle.id.get_type()):
        raise UnreadableError("its samples are of an unsupported type; write them as real numbers, best float32.")
    dtype: np.dtype[Any] = handle.dtype
    return dtype


def _storage(handle: Any, dtype: np.dtype[Any]) -> tuple[int | None, Shape | None, tuple[Filter, ...]]:
    """Return the offset of contiguous samples or the shape of a chunk, where there is one, and the filters."""
    plan = handle.id.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.VIRTUAL or plan.get_external_count() > 0:
        raise UnreadableError("its samples are stored in other files. Store them in the file itself.")
    filters = tuple(_filters(plan))
    if sum(map(is_compressor, filters)) > 1:
        raise UnreadableError("its data are compressed more than once. Rewrite it with one compressor (h5repack).")
    if layout == h5py.h5d.CHUNKED:
        return None, _chunk_shape(handle, dtype), filters
    if layout != h5py.h5d.CONTIGUOUS:
        return None, None, filters
    offset = handle.id.get_offset()
    if offset is None:
        raise UnreadableError("its data were never written. Upload the whole file.")
    return int(offset), None, filters


def _chunk_shape(handle: Any, dtype: np.dtype[Any]) -> Shape:
    chunk = tuple(int(length) for length in handle.chunks)
    if prod(chunk) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise UnreadableError(
            f"its data are stored in chunks of {chunk} samples; one may have {MAX_CHUNK_BYTES} bytes. "
            "Rewrite it with smaller chunks (h5repack)."
        )
    count = prod(ceil(length / size) for length, size in zip(handle.shape, chunk, strict=True))
    if count > MANY_CHUNKS and prod(chunk) * dtype.itemsize < SMALL_CHUNK_BYTES:
        raise UnreadableError(
            f"its data are stored in {count} chunks of {chunk} samples; to look for them would take too long. "
            f"Rewrite it with chunks of at least {SMALL_CHUNK_BYTES} bytes (h5repack)."
        )
    return chunk[0], 1 if len(chunk) == 2 else chunk[1], chunk[-1]


def _filters(plan: Any) -> Iterator[Filter]:
    for number in range(plan.get_nfilters()):
        code, _, values, name = plan.get_filter(number)
        if not can_undo(code):
            raise UnreadableError(
                f"its data are compressed with HDF5 filter {code} ({decode_text(name)[:MAX_SHOWN]!r}), which neither "
                "HDF5 nor hdf5plugin can undo. Rewrite it with another filter, such as gzip (h5repack -f GZIP=4)."
            )
        if code == BITSHUFFLE and (len(values) <= SAMPLE_BYTES_VALUE or values[SAMPLE_BYTES_VALUE] < 1):
            raise UnreadableError("its bitshuffle filter has no size of a sample. Rewrite it (h5repack).")
        yield Filter(code, tuple(values))


def _missing_chunks(handle: Any, shape: Shape, chunk_shape: Shape | None) -> list[str]:
    """Warn where chunks were never written; they read as the fill value, mostly 0, which the search masks."""
    if chunk_shape is None:
        return []
    total = prod(ceil(length / chunk) for length, chunk in zip(shape, chunk_shape, strict=True))
    if total > COUNTED_CHUNKS:
        return []
    stored = handle.id.get_num_chunks()
    if stored == 0:
        raise UnreadableError("its data were never written. Upload the whole file.")
    if stored < total:
        missing = f"{total - stored} of the file's {total} data chunks were never written"
        return [f"{missing}; their samples count as {handle.fillvalue:g}."]
    return []


def _chunks(
    handle: Any, chunk_shape: Shape, if_index: int, start_channel: int, stop_channel: int
) -> npt.NDArray[np.int64]:
    """Return the chunks with some of an IF's channels [start, stop): int64 (chunks, fields)."""
    rows, n_ifs, columns = chunk_shape
    first_if = if_index // n_ifs * n_ifs
    stored: dict[tuple[int, int], Any] = {}

    def keep(chunk: Any) -> None:
        spectrum, *ifs, channel = chunk.chunk_offset
        if (
            ifs in ([], [first_if])
            and start_channel - columns < channel < stop_channel
            and chunk.byte_offset is not None
        ):
            stored.setdefault((spectrum, channel), chunk)

    # One pass over the index. To look up chunks one by one is a pass for each.
    handle.id.chunk_iter(keep)
    found = []
    for spectrum in range(0, handle.shape[0], rows):
        for channel in range(start_channel // columns * columns, stop_channel, columns):
            chunk = stored.get((spectrum, channel))
            offset, size, skipped = (
                (NOT_STORED, 0, 0) if chunk is None else (chunk.byte_offset, chunk.size, chunk.filter_mask)
            )
            found.append((min(offset, MAX_INT64), size, skipped, spectrum, channel))
    return np.array(found, np.int64)


def _compact(handle: Any, axes: Axes, if_index: int, start_channel: int, stop_channel: int) -> npt.NDArray[np.float32]:
    """Return an IF's channels [start, stop): float32 (spectra, channels). Such data sets have up to 64 kB."""
    samples = handle[()]
    if axes.if_ is not None:
        samples = samples.take(if_index, axis=axes.if_)
    if axes.channel < axes.spectrum:
        samples = samples.T
    # What float32 can't hold becomes infinite, and is masked by the search.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(samples[:, start_channel:stop_channel], np.float32)
