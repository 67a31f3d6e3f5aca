"""Rows of the zoomable waterfall, some channels at a time: sums over time, and maxima and sums of 16 channels."""

from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Bits, Power

# Channels of a column of `Strip`; all columns but the last of a level have a multiple of them.
LANES = 16
# Rows at a time: their sums over time are loaded and stored once for all of them.
ROWS = 4
# Channels at a time: so many samples of so many rows stay in the first cache level.
_PIECE = 8192


class Block(NamedTuple):
    """The samples of which levels are made.

    Attributes
    ----------
    x : float32 (T, columns)
        Normalised power, 0 where a sample is lost.
    first : int
        Column of the first channel.
    channels : int
        Number of channels.
    spectra_per_row : int
        Spectra of a row; the last row may have fewer.
    """

    x: Power
    first: int
    channels: int
    spectra_per_row: int


class Strip(NamedTuple):
    """Memory for one strip.

    Attributes
    ----------
    row, missing : float32 (width,)
        A row, and how many of its spectra are lost.
    over_time, missing_over_time : float32 (width,)
        The same of all spectra.
    bits_4 : int32 (width / 4,)
    sum_4 : float32 (width / 4,)
        Largest bits, and sums, of four channels each of a row.
    bits_16 : int32 (ROWS, width / 16)
    sum_16 : float32 (ROWS, width / 16)
        The same of 16 channels each, of some rows.
    """

    row: Power
    missing: Power
    over_time: Power
    missing_over_time: Power
    bits_4: Bits
    sum_4: Power
    bits_16: Bits
    sum_16: Power


@njit(cache=True, nogil=True)
def new_strip(width: int) -> Strip:
    """Return memory for strips of so many channels."""
    rows, columns = np.zeros((4, width), np.float32), (ROWS, width // LANES)
    return Strip(
        rows[0],
        rows[1],
        rows[2],
        rows[3],
        np.empty(width // 4, np.int32),
        np.empty(width // 4, np.float32),
        np.empty(columns, np.int32),
        np.empty(columns, np.float32),
    )


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _add(samples: Power, total: Power) -> np.float32:
    """Add samples to their sums; return how many are lost."""
    lost = np.float32(0.0)
    for i in range(len(samples)):
        total[i] += samples[i]
        lost += np.float32(1.0) if samples[i] == np.float32(0.0) else np.float32(0.0)
    return lost


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _add_four(rows: tuple[Power, Power, Power, Power], total: Power) -> np.float32:
    """Add four rows of samples to their sums; return how many are lost."""
    a, b, c, d = rows
    zero, one, lost = np.float32(0.0), np.float32(1.0), np.float32(0.0)
    for i in range(len(total)):
        total[i] += (a[i] + b[i]) + (c[i] + d[i])
        lost += (one if a[i] == zero else zero) + (one if b[i] == zero else zero)
        lost += (one if c[i] == zero else zero) + (one if d[i] == zero else zero)
    return lost


@njit(cache=True, nogil=True)
def _count_lost(samples: Power, missing: Power) -> None:
    for i in range(len(samples)):
        missing[i] += np.float32(1.0) if samples[i] == np.float32(0.0) else np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def to_sigma(total: Power, missing: Power, spectra: int) -> None:
    """Bring sums of some spectra, of which some are lost, to sigma 1."""
    for i in range(len(total)):
        there = np.float32(spectra) - missing[i]
        total[i] /= np.sqrt(there if there > np.float32(1.0) else np.float32(1.0))


@njit(cache=True, nogil=True)
def add_row(block: Block, r: int, channels: tuple[int, int], strip: Strip) -> bool:
    """Set `strip.row` to some channels of a row, add it to the sums over time; return whether samples are lost in it.

    A row is the mean of its spectra, scaled to sigma 1, and 0 where all are lost. What it has more than the channels
    is 0, and lost.
    """
    first, stop = r * block.spectra_per_row, min((r + 1) * block.spectra_per_row, block.x.shape[0])
    low, width = block.first + channels[0], channels[1] - channels[0]
    row, missing, any_lost = strip.row, strip.missing, width < len(strip.row)
    row[:], missing[:] = 0.0, 0.0
    for t in range(first, stop):
        samples = block.x[t, low : low + width]
        _add(samples, strip.over_time[:width])
        if _add(samples, row[:width]) > 0:
            any_lost = True
            _count_lost(samples, missing[:width])
    to_sigma(row, missing, stop - first)
    for i in range(width):
        strip.missing_over_time[i] += missing[i]
    return any_lost


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _fourfold(bits: Bits, values: Power, most: Bits, total: Power) -> None:
    """Reduce each four values to the largest of their bits and their sum."""
    for i in range(len(most)):
        a, b, c, d = bits[4 * i], bits[4 * i + 1], bits[4 * i + 2], bits[4 * i + 3]
        left, right = (a if a > b else b), (c if c > d else d)
        most[i] = left if left > right else right
        total[i] = (values[4 * i] + values[4 * i + 1]) + (values[4 * i + 2] + values[4 * i + 3])


@njit(cache=True, nogil=True)
def reduce_row(row: Power, j: int, strip: Strip) -> None:
    """Set the strip's columns of row j to the largest bits and the sums of 16 samples each."""
    _fourfold(row.view(np.int32), row, strip.bits_4, strip.sum_4)
    _fourfold(strip.bits_4, strip.sum_4, strip.bits_16[j], strip.sum_16[j])


@njit(cache=True, nogil=True)
def add_four_rows(block: Block, r: int, low: int, strip: Strip) -> bool:
    """Do what `add_row` and `reduce_row` do, with four rows of one spectrum each, and with a whole strip.

    Parameters
    ----------
    block : Block
        The samples.
    r : int
        The first row.
    low : int
        Column of the block where the strip begins.
    strip : Strip
        Its sums over time grow; its columns become those of these rows.

    Returns
    -------
    bool
        Whether samples are lost in these rows.
    """
    here = slice(low, low + len(strip.row))
    rows = block.x[r, here], block.x[r + 1, here], block.x[r + 2, here], block.x[r + 3, here]
    any_lost = bool(_add_four(rows, strip.over_time) > 0)
    for j in range(ROWS):
        if any_lost:
            _count_lost(rows[j], strip.missing_over_time)
        reduce_row(rows[j], j, strip)
    return any_lost
