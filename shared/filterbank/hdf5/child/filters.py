"""Unpack one storage chunk, whatever filters it went through."""

from collections.abc import Sequence
from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.bitshuffle import DamagedChunkError
from shared.filterbank.hdf5.child import plugins
from shared.filterbank.hdf5.child.errors import DamagedError
from shared.filterbank.hdf5.stored_chunks import (
    LZF,
    NBIT,
    SCALE_OFFSET,
    SZIP,
    UNDONE_BY_THE_LIBRARY,
    UNDONE_HERE,
    Filter,
    bytes_before,
    undo_filters,
)

# What h5py raises where a filter fails.
ERRORS = (OSError, RuntimeError, ValueError)
# How many of a filter's stored values its writer chose. The library derives the others from the data set.
CHOSEN_VALUES = {SZIP: 2, NBIT: 0, SCALE_OFFSET: 2, LZF: 0}


def can_undo(code: int) -> bool:
    """Return whether the filter of HDF5's number `code` is read."""
    if code in UNDONE_BY_THE_LIBRARY:
        return bool(h5py.h5z.filter_avail(code))
    return code in UNDONE_HERE or code in plugins.decoders()


def unpack_chunk(
    raw: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any], filters: Sequence[Filter], fill_value: float
) -> npt.NDArray[Any]:
    """Unpack a chunk.

    Parameters
    ----------
    raw : the chunk as it is stored
    shape, dtype : of the samples
    filters : in the order in which the writer applied them; at most one is a compressor
    fill_value : of the data set

    Returns
    -------
    The samples, of `shape` and `dtype`.

    Raises
    ------
    DamagedError
        A filter can't undo what is stored, or the chunk unpacks to another size.
    """
    chunk_bytes = prod(shape) * dtype.itemsize
    left = tuple(filters)
    try:
        while left:
            raw, left = undo_filters(raw, left, 0, chunk_bytes, dtype.itemsize)
            if not left:
                break
            *earlier, step = left
            left = tuple(earlier)
            if step.code not in UNDONE_BY_THE_LIBRARY:
                raw = plugins.undo(raw, step, bytes_before(left, chunk_bytes))
            elif step.code == LZF:
                # Its values depend on the size alone. Filters before it may have added a checksum.
                raw = _by_the_library(raw, step, np.empty(bytes_before(left, chunk_bytes), np.uint8), None)
            else:
                raw = _by_the_library(raw, step, np.empty(shape, dtype), fill_value)
        return np.frombuffer(undo_filters(raw, (), 0, chunk_bytes, dtype.itemsize).raw, dtype).reshape(shape)
    except DamagedChunkError as error:
        raise DamagedError(str(error)) from error


def _by_the_library(raw: memoryview, step: Filter, plain: npt.NDArray[Any], fill_value: float | None) -> memoryview:
    """Return `plain`, filled with a chunk of its shape and type, of which the library undoes one filter.

    It runs filters only for data sets, so the chunk is put into one of its own in memory.
    """
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(plain.shape)
    try:
        plan.set_filter(step.code, 0, step.values[: CHOSEN_VALUES[step.code]])
        if fill_value is not None:
            plan.set_fill_value(np.array(fill_value, plain.dtype))
        with h5py.File.in_memory() as file:
            space = h5py.h5s.create_simple(plain.shape)
            data = h5py.h5d.create(file.id, b"chunk", h5py.h5t.py_create(plain.dtype), space, plan)
            data.write_direct_chunk((0,) * plain.ndim, raw)
            data.read(h5py.h5s.ALL, h5py.h5s.ALL, plain)
    except ERRORS as error:
        raise DamagedError.by(error) from error
    return plain.reshape(-1).view(np.uint8).data
