"""The attributes of HDF5 objects, and which number types are read."""

from typing import Any

import numpy as np
from h5py import h5t

from shared.filterbank.header.fields import Value, decode_text

MAX_ATTRIBUTE_BYTES = 64 * 1024
UNREADABLE = "(of an unsupported type)"


def is_plain_number(kind: Any) -> bool:
    """Whether an HDF5 type (`h5py.h5t.TypeID`) is an IEEE float, or an integer that fills its at most 8 bytes.

    HDF5 lets files define any other; with damaged ones its conversions may never end.
    """
    if isinstance(kind, h5t.TypeIntegerID):
        fills = kind.get_precision() == 8 * kind.get_size() and kind.get_offset() == 0
        return fills and kind.get_size() in (1, 2, 4, 8) and kind.get_order() in (h5t.ORDER_LE, h5t.ORDER_BE)
    floats = (h5t.IEEE_F16LE, h5t.IEEE_F16BE, h5t.IEEE_F32LE, h5t.IEEE_F32BE, h5t.IEEE_F64LE, h5t.IEEE_F64BE)
    return isinstance(kind, h5t.TypeFloatID) and any(kind.equal(known) for known in floats)


def read_attribute(owner: Any, key: str) -> Value | None:
    """An attribute as a number or text, whatever HDF5 type it came in; None where there is none or it is empty.

    What is neither comes as text that says so, for messages.
    """
    if key not in owner.attrs:
        return None
    attribute = owner.attrs.get_id(key)
    kind = attribute.get_type()
    if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
        return UNREADABLE
    if not isinstance(kind, h5t.TypeStringID) and not is_plain_number(kind):
        return UNREADABLE
    return _plain(owner.attrs[key])


def _plain(value: Any) -> Value | None:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = decode_text(value)
    if isinstance(value, str) and len(value) > MAX_ATTRIBUTE_BYTES:
        return UNREADABLE
    if isinstance(value, int | float | str):
        return value
    # Empty ones have the size 0 (arrays) or None (null data spaces).
    return UNREADABLE if getattr(value, "size", None) else None
