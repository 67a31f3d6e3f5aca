"""Codes of the zoomable waterfall, looked up by the bits of a float32 (`shared.waterfall` has their formula)."""

from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Flags, Power
from shared.waterfall import CODE_OF_ZERO, CODES_PER_E_FOLD, LARGEST_CODE, NO_SAMPLE

# Sign, exponent and seven bits of the fraction: the values that share these lie within 0.8 %, and codes 6 % apart.
_DROPPED_BITS = 16


class CodeTable(NamedTuple):
    """The codes of all float32.

    Attributes
    ----------
    least : uint8 (65536,)
        Code of the smallest value whose upper bits are the index.
    limit : float32 (65536,)
        Values with these upper bits have the next code from here on; NaN if none has.
    """

    least: Flags
    limit: Power


def code_table() -> CodeTable:
    """Return the table; the code of NaN and of infinity is that of no sample."""
    # Halfway between two codes, the next one begins: those of 2, 3, ... 255.
    between = np.arange(1, LARGEST_CODE) + 0.5
    begins = (2 * np.sinh((between - CODE_OF_ZERO) / CODES_PER_E_FOLD)).astype(np.float32)
    upper = np.arange(2**16, dtype=np.uint32) << _DROPPED_BITS
    ends = np.stack([upper, upper | np.uint32(2**_DROPPED_BITS - 1)]).view(np.float32)
    is_number = ~np.isnan(ends).any(axis=0)
    low, high = np.sort(np.where(is_number, ends, 0.0), axis=0)
    least = np.searchsorted(begins, low, side="right")
    is_two = least != np.searchsorted(begins, high, side="right")
    limit = np.full(2**16, np.nan, np.float32)
    limit[is_two] = begins[least[is_two]]
    return CodeTable(np.where(is_number, least + 1, NO_SAMPLE).astype(np.uint8), limit)


@njit(cache=True, nogil=True)
def encode(values: Power, table: CodeTable, codes: Flags) -> None:
    """Set codes, uint8 (n,), to those of powers in units of sigma, float32 (n,); NaN is no sample."""
    least, limit = table
    bits = values.view(np.int32)
    for i in range(len(values)):
        index = (bits[i] >> _DROPPED_BITS) & 0xFFFF
        codes[i] = least[index] + (values[i] >= limit[index])
