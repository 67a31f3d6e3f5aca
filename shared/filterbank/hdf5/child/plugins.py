"""Call the decoders of hdf5plugin without the HDF5 library.

A plugin exports one function, H5PLget_plugin_info, which returns its H5Z_class2_t: HDF5's public interface of filters
(H5PLextern.h and H5Zdevelop.h). The decoder in it takes the values that the file stores for the filter, and returns how
many bytes it wrote. So the size of every chunk can be checked, and each byte of the result is one that the decoder
wrote. Through a data set of the library neither holds: HDF5 would derive new values for the filter from that data set,
and trusts the size.
"""

import ctypes
from functools import cache
from pathlib import Path

import hdf5plugin
import numpy as np

from shared.filterbank.hdf5.child.errors import DamagedError
from shared.filterbank.hdf5.stored_chunks import Filter

# H5Z_FLAG_REVERSE: undo the filter.
REVERSE = 0x0100

_Decoder = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.POINTER(ctypes.c_void_p),
)


class _FilterClass(ctypes.Structure):
    """HDF5's H5Z_class2_t."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder_present", ctypes.c_uint),
        ("decoder_present", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", _Decoder),
    )


# A filter may free or replace the memory that it is given, with C's own functions.
_C = ctypes.CDLL(None)
_C.calloc.restype = ctypes.c_void_p
_C.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
_C.free.argtypes = [ctypes.c_void_p]


@cache
def decoders() -> dict[int, _FilterClass]:
    """Return the filters that hdf5plugin undoes, by HDF5's number."""
    found = {}
    for path in sorted(Path(hdf5plugin.PLUGINS_PATH).glob("libh5*")):
        # The same library that `import hdf5plugin` has loaded and connected with HDF5.
        information = ctypes.CDLL(str(path)).H5PLget_plugin_info
        information.restype = ctypes.POINTER(_FilterClass)
        filter_class = information().contents
        if filter_class.decoder_present:
            found[int(filter_class.id)] = filter_class
    return found


def undo(raw: memoryview, step: Filter, most_bytes: int) -> memoryview:
    """Undo one filter of `decoders`.

    Parameters
    ----------
    raw : what the filter wrote
    step : the filter, with the values that the file stores for it
    most_bytes : that it may unpack to

    Raises
    ------
    DamagedError
        The decoder fails, or writes more than `most_bytes`.
    """
    values = (ctypes.c_uint * len(step.values))(*step.values)
    # Some decoders read on beyond the end of what they are given. They find zeros there, not another chunk.
    held = len(raw) + most_bytes
    memory, size = ctypes.c_void_p(_C.calloc(1, held)), ctypes.c_size_t(held)
    if not memory:
        raise MemoryError
    try:
        ctypes.memmove(memory, np.frombuffer(raw, np.uint8).ctypes.data, len(raw))
        written = decoders()[step.code].filter(
            REVERSE, len(values), values, len(raw), ctypes.byref(size), ctypes.byref(memory)
        )
        if written == 0:
            raise DamagedError("its decoder fails")
        if written > min(most_bytes, size.value):
            raise DamagedError(f"it unpacks to {written} bytes, more than a chunk's")
        plain = np.empty(written, np.uint8)
        ctypes.memmove(plain.ctypes.data, memory, written)
        return plain.data
    finally:
        _C.free(memory)
