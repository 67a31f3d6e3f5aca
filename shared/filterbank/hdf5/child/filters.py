"""Unpack one storage chunk by the HDF5 library's own filters."""

from collections.abc import Sequence
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # registers the filters
import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.child.errors import DamagedError
from shared.filterbank.hdf5.stored_chunks import BITSHUFFLE, BLOCK_SAMPLES_VALUE, Filter

# What h5py raises where a filter fails.
ERRORS = (OSError, RuntimeError, ValueError)


def unpack_chunk(
    raw: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any], filters: Sequence[Filter]
) -> npt.NDArray[Any]:
    """Unpack a chunk; the library runs filters only for data sets, so the chunk is put into one of its own in memory.

    Parameters
    ----------
    raw : the chunk as it is stored
    shape, dtype : of the samples
    filters : in the order in which the writer applied them

    Returns
    -------
    The samples, of `shape` and `dtype`.

    Raises
    ------
    DamagedError
        A filter can't undo what is stored.
    """
    plain = np.empty(shape, dtype)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(shape)
    try:
        for step in filters:
            # For a new data set bitshuffle writes the first values itself.
            values = step.values[BLOCK_SAMPLES_VALUE:] if step.code == BITSHUFFLE else step.values
            plan.set_filter(step.code, 0, values)
        with h5py.File.in_memory() as file:
            space = h5py.h5s.create_simple(shape)
            data = h5py.h5d.create(file.id, b"chunk", h5py.h5t.py_create(dtype), space, plan)
            data.write_direct_chunk((0,) * len(shape), raw)
            data.read(h5py.h5s.ALL, h5py.h5s.ALL, plain)
    except ERRORS as error:
        raise DamagedError.by(error) from error
    return plain
