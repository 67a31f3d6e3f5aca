"""The data set of a file as the child describes it, and where the samples of a block are."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5 import bitshuffle
from shared.filterbank.hdf5.chunk_runs import StoredChunk
from shared.filterbank.hdf5.chunks import ChunkLayout
from shared.filterbank.hdf5.process import DamagedFileError, LimitExceededError, ask
from shared.filterbank.hdf5.protocol import CHUNK_FIELDS, NOT_STORED, OPEN
from shared.filterbank.hdf5.stored_chunks import (
    BITSHUFFLE,
    BLOCK_SAMPLES_VALUE,
    COMPRESSOR_VALUE,
    SAMPLE_BYTES_VALUE,
    SLACK_BYTES,
    UNDONE_HERE,
    Filter,
)
from shared.filterbank.header.fields import Value, bad_file
from shared.filterbank.rows import ColumnLayout, RowLayout
from shared.filterbank.source import Source
from shared.filterbank.storage import Storage, Unpacking

# Where samples are, or the samples themselves.
Found = RowLayout | ColumnLayout | ChunkLayout | npt.NDArray[np.float32]


@dataclass(frozen=True)
class DataSet:
    """A data set that can be searched. `shape` is (spectra, IFs, channels), whatever its rank.

    Samples lie one after another from `offset_bytes` on, `strides` bytes from one spectrum, IF and channel to the next,
    or in storage chunks of `chunk_shape` that went through `filters`, or, where both are None, among the metadata.
    `values` are the keywords of the header. `payload` holds the list of chunks, or the samples that lie among the
    metadata, of the channels that were asked for.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset_bytes: int | None
    strides: tuple[int, int, int]
    chunk_shape: tuple[int, int, int] | None
    filters: tuple[Filter, ...]
    fill_value: float
    values: dict[str, Value]
    warnings: tuple[str, ...]
    payload: memoryview


async def open_data_set(
    source: Source, size: int, channels: tuple[int, int] | None = None, if_index: int = 0
) -> DataSet:
    """Open a file of `size` bytes in the child; `channels` [start, stop) of one IF are those that will be read.

    Raises
    ------
    BadObservationError
        It can't be searched.
    TransientError
        Storage is unavailable.
    """
    try:
        answer = await ask(source, {"kind": OPEN, "size": size, "channels": channels, "if": if_index})
    except LimitExceededError as error:
        raise bad_file(
            source.name,
            f"its HDF5 metadata take too much to read ({error}): they are damaged, or far more than a filterbank has. "
            "Rewrite it (h5repack) or upload it again.",
        ) from error
    except DamagedFileError as error:
        raise bad_file(
            source.name, f"its HDF5 content is damaged or incomplete ({error}). Rewrite it or upload it again."
        ) from error
    message = answer.message
    chunk_shape = message["chunk_shape"]
    return DataSet(
        shape=tuple(message["shape"]),
        dtype=np.dtype(message["dtype"]),
        offset_bytes=message["offset_bytes"],
        strides=tuple(message["strides"]),
        chunk_shape=None if chunk_shape is None else tuple(chunk_shape),
        filters=tuple(Filter(code, tuple(values)) for code, values in message["filters"]),
        fill_value=message["fill_value"],
        values=message["values"],
        warnings=tuple(message["warnings"]),
        payload=answer.payload,
    )


def locate(data: DataSet, name: str, size: int, n_channels: int, if_index: int) -> Found:
    """Return where the `n_channels` channels are that `data` was opened for, or, if among the metadata, the samples.

    `name` and `size` are the file's. `if_index` is the IF that `data` was opened for.

    Raises
    ------
    BadObservationError
        The list of chunks is damaged.
    """
    if data.offset_bytes is not None:
        return _contiguous(data, data.offset_bytes + if_index * data.strides[1], name)
    if data.chunk_shape is None:
        return np.frombuffer(data.payload, np.float32).reshape(-1, n_channels)
    chunk_bytes = prod(data.chunk_shape) * data.dtype.itemsize
    all_skipped = 2 ** len(data.filters) - 1
    chunks = []
    records: list[list[int]] = np.frombuffer(data.payload, np.int64).reshape(-1, len(CHUNK_FIELDS)).tolist()
    for offset, stored_bytes, skipped, spectrum, channel in records:
        is_plain = skipped & all_skipped == all_skipped
        if offset == NOT_STORED:
            chunks.append(StoredChunk(None, 0, is_plain, skipped, spectrum, channel))
            continue
        fits = 0 < stored_bytes <= 2 * chunk_bytes + SLACK_BYTES and 0 <= offset <= size - stored_bytes
        if not fits or (is_plain and stored_bytes != chunk_bytes):
            raise bad_file(name, "the index of its data is damaged. Upload the whole file again.")
        chunks.append(StoredChunk(offset, stored_bytes, is_plain, skipped, spectrum, channel))
    block_bytes, compressor = _blocks(data)
    return ChunkLayout(
        data.chunk_shape,
        data.dtype,
        chunks,
        data.fill_value,
        data.filters,
        block_bytes,
        compressor,
        if_index % data.chunk_shape[1],
    )


def _contiguous(data: DataSet, offset_bytes: int, name: str) -> RowLayout | ColumnLayout:
    item = data.dtype.itemsize
    by_spectrum, _, by_channel = data.strides
    if by_channel == item:
        return RowLayout(offset_bytes, by_spectrum, 8 * item, data.dtype)
    if by_spectrum == item:
        return ColumnLayout(RowLayout(offset_bytes, by_channel, 8 * item, data.dtype))
    raise bad_file(name, "the samples of its IFs lie between each other. Write its data set as (time, IF, channel).")


def storage_of(data: DataSet, size: int) -> Storage:
    """Return how the samples are stored in the file of `size` bytes."""
    item = data.dtype.itemsize
    if data.chunk_shape is None:
        return Storage(prod(data.shape) * item, file_bytes=size)
    unpacking = Unpacking.NONE
    if _blocks(data) != (0, 0):
        unpacking = Unpacking.PARTS
    elif data.filters:
        is_here = all(step.code in UNDONE_HERE for step in data.filters)
        unpacking = Unpacking.WHOLE if is_here else Unpacking.CHILD
    return Storage(prod(data.shape) * item, data.chunk_shape, prod(data.chunk_shape) * item, unpacking, size)


def _blocks(data: DataSet) -> tuple[int, int]:
    """Return the bytes of bitshuffle's blocks and the compressor, if that alone was used and is undone here; else 0."""
    if len(data.filters) != 1 or data.filters[0].code != BITSHUFFLE:
        return 0, 0
    values = data.filters[0].values
    if len(values) <= COMPRESSOR_VALUE or values[SAMPLE_BYTES_VALUE] != data.dtype.itemsize:
        return 0, 0
    compressor = values[COMPRESSOR_VALUE]
    if compressor not in bitshuffle.FUNCTIONS or bitshuffle.library(compressor) is None:
        return 0, 0
    return bitshuffle.usual_block_bytes(values[BLOCK_SAMPLES_VALUE], data.dtype.itemsize), compressor
