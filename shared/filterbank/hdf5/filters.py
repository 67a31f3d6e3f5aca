"""Unpack one stored data chunk by HDF5's own filters, without the index of the file that it is from.

A damaged index may give HDF5 another chunk than the one that was looked at, and its filters end the process at a length
that they do not expect. So a chunk is put, once its lengths are checked, into a data set of its own in memory.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.bitshuffle import DamagedChunkError
from shared.filterbank.hdf5.stored_chunks import Filter

# What h5py raises where a filter fails.
ERRORS = (OSError, RuntimeError, ValueError)


def unpack_chunk(
    raw: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], filters: Sequence[Filter], skipped: int
) -> npt.NDArray[Any]:
    """The samples of a chunk, of its shape. Bit `i` of `skipped` says that filter `i` was not used for it.

    Raises:
        DamagedChunkError: it can't be unpacked.
    """
    plain = np.empty(shape, dtype)
    problem = _through_hdf5(raw, plain, filters, skipped)
    # Raised here, so that no traceback holds on to HDF5's objects: they must go in the thread that HDF5 is called in.
    if problem is not None:
        raise DamagedChunkError(f"a compressed chunk can't be unpacked ({problem})")
    return plain


def _through_hdf5(raw: memoryview, plain: npt.NDArray[Any], filters: Sequence[Filter], skipped: int) -> str | None:
    """Fill `plain`; returns what went wrong, if anything did."""
    # Here, since not every service that shares this package has HDF5.
    import h5py
    import hdf5plugin  # noqa: F401  # brings the filters

    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(plain.shape)
    try:
        for step in filters:
            plan.set_filter(step.code, 0, step.values)
        with h5py.File.in_memory() as file:
            space = h5py.h5s.create_simple(plain.shape)
            data = h5py.h5d.create(file.id, b"chunk", h5py.h5t.py_create(plain.dtype), space, plan)
            data.write_direct_chunk((0, 0, 0), raw, skipped)
            data.read(h5py.h5s.ALL, h5py.h5s.ALL, plain)
    except ERRORS as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:160]
    return None
