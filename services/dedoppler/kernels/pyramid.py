"""Levels of the zoomable waterfall: maxima and means of columns of channels, as codes (`shared.waterfall`)."""

from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.codes import CodeTable, encode
from services.dedoppler.kernels.pyramid_strips import (
    LANES,
    ROWS,
    Block,
    Strip,
    add_four_rows,
    add_row,
    new_strip,
    reduce_row,
    to_sigma,
)
from shared.arrays import Flags, Indices, Power

# Channels at a time: so many samples of four rows stay in the second cache level.
_STRIP = 16384
_LEVEL_FACTOR = 4


class Levels(NamedTuple):
    """Where levels are in the bytes of a pyramid.

    Attributes
    ----------
    codes : uint8 (bytes,)
        The pyramid.
    factors : int64 (levels,)
        Channels of a column.
    of_max, of_mean : int64 (levels,)
        Where each level of maxima, and of means, begins.
    """

    codes: Flags
    factors: Indices
    of_max: Indices
    of_mean: Indices


class Sums(NamedTuple):
    """Sums of columns, float32 (rows, columns) each: of the samples in units of sigma, and how many there are."""

    total: Power
    number: Power


@njit(cache=True, nogil=True)
def _join_lanes(row: Power, j: int, factor: int, strip: Strip, values: tuple[Power, Power]) -> None:
    """Set the largest sample, NaN if all are lost, and the sum of each column of a row from the strip's row j."""
    largest, total = values
    bits, many = largest.view(np.int32), factor // LANES
    most_of_lanes, sum_of_lanes = strip.bits_16[j], strip.sum_16[j]
    for c in range(len(largest)):
        most, total[c] = most_of_lanes[c * many], sum_of_lanes[c * many]
        for i in range(c * many + 1, (c + 1) * many):
            most = max(most, most_of_lanes[i])
            total[c] += sum_of_lanes[i]
        bits[c] = most
        # As whole numbers, the bits of values above 0 are in their order.
        if most <= 0:
            largest[c] = _largest_below_0(row[c * factor : (c + 1) * factor])


@njit(cache=True, nogil=True)
def _largest_below_0(samples: Power) -> np.float32:
    """Return the largest of samples of which none is above 0; NaN if all are lost."""
    largest = np.float32(-np.inf)
    for sample in samples:
        if sample < 0:
            largest = max(largest, sample)
    return largest if largest > -np.inf else np.float32(np.nan)


@njit(cache=True, nogil=True)
def _numbers(row: Power, factor: int, number: Power) -> None:
    """Count the samples of each column of a row in which some are lost."""
    for c in range(len(number)):
        there = 0
        for i in range(c * factor, (c + 1) * factor):
            there += 1 if row[i] != 0 else 0
        number[c] = there


@njit(cache=True, nogil=True, error_model="numpy")
def _encode_means(total: Power, number: Power, values: Power, table: CodeTable, codes: Flags) -> None:
    """Set codes, uint8 (columns,), to those of sums in units of their own sigma; `values` is overwritten."""
    for c in range(len(codes)):
        # Without samples that is NaN.
        values[c] = total[c] / np.sqrt(number[c])
    encode(values[: len(codes)], table, codes)


@njit(cache=True, nogil=True)
def _coarser_sums(finer: Power, sums: Power) -> None:
    """Set sums to those of four columns each; both may be the same memory."""
    whole = len(finer) // _LEVEL_FACTOR
    for c in range(whole):
        i = c * _LEVEL_FACTOR
        sums[c] = (finer[i] + finer[i + 1]) + (finer[i + 2] + finer[i + 3])
    if whole * _LEVEL_FACTOR < len(finer):
        sums[whole] = np.sum(finer[whole * _LEVEL_FACTOR :])


class _Rows(NamedTuple):
    """Some rows whose columns are in a strip: how many, where the strip begins, and whether samples are lost."""

    n_rows: int
    low: int
    any_lost: bool


@njit(cache=True, nogil=True)
def _rows(block: Block, r: int, channels: tuple[int, int], strip: Strip) -> _Rows:
    """Bring the next rows, from r on, into the strip: several where they can be read in place, else one."""
    low, width = block.first + channels[0], channels[1] - channels[0]
    if block.spectra_per_row == 1 and width == len(strip.row) and r + ROWS <= block.x.shape[0]:
        return _Rows(ROWS, low, add_four_rows(block, r, low, strip))
    any_lost = add_row(block, r, channels, strip)
    reduce_row(strip.row, 0, strip)
    return _Rows(1, low, any_lost)


@njit(cache=True, nogil=True)
def _finest(block: Block, channels: tuple[int, int], table: CodeTable, levels: Levels, sums: Sums) -> None:
    """Fill in the finest level of some channels, and the sums of the next one."""
    low, high = channels
    factor, rows = levels.factors[0], sums.total.shape[0]
    maxima, means = _columns(levels, 0, channels, rows + 1, True), _columns(levels, 0, channels, rows, False)
    # Strips end with a column of the next level.
    width = max(_STRIP // (_LEVEL_FACTOR * factor), 1) * _LEVEL_FACTOR * factor
    strip = new_strip(width)
    largest, total, number = np.empty((3, width // factor), np.float32)
    for begin in range(low, high, width):
        part = begin, min(begin + width, high)
        first, columns = (begin - low) // factor, -(-(part[1] - begin) // factor)
        here, next_level = (
            slice(first, first + columns),
            slice(first // _LEVEL_FACTOR, -(-(first + columns) // _LEVEL_FACTOR)),
        )
        strip.over_time[:], strip.missing_over_time[:] = 0.0, 0.0
        r = 0
        while r < rows:
            together = _rows(block, r, part, strip)
            for j in range(together.n_rows):
                row = strip.row if together.n_rows == 1 else block.x[r + j, together.low : together.low + width]
                _join_lanes(row, j, factor, strip, (largest, total))
                _coarser_sums(total[:columns], sums.total[r + j, next_level])
                number[:], sums.number[r + j, next_level] = factor, _LEVEL_FACTOR * factor
                if together.any_lost:
                    _numbers(row, factor, number)
                    _coarser_sums(number[:columns], sums.number[r + j, next_level])
                encode(largest[:columns], table, maxima[here, r + j])
                _encode_means(total, number, largest, table, means[here, r + j])
            r += together.n_rows
        to_sigma(strip.over_time, strip.missing_over_time, block.x.shape[0])
        reduce_row(strip.over_time, 0, strip)
        _join_lanes(strip.over_time, 0, factor, strip, (largest, total))
        encode(largest[:columns], table, maxima[here, rows])


@njit(cache=True, nogil=True)
def _coarser_maxima(finer: Flags, maxima: Flags) -> None:
    """Set codes, uint8 (columns, rows + 1), to the largest of four columns each; codes are in the order of powers."""
    for c in range(len(maxima)):
        maxima[c] = finer[c * _LEVEL_FACTOR]
        for i in range(c * _LEVEL_FACTOR + 1, min((c + 1) * _LEVEL_FACTOR, len(finer))):
            for r in range(maxima.shape[1]):
                maxima[c, r] = max(maxima[c, r], finer[i, r])


@njit(cache=True, nogil=True)
def _columns(levels: Levels, level: int, channels: tuple[int, int], width: int, is_max: bool) -> Flags:
    """Return the part of a level, uint8 (columns, width), that holds some channels, whose first begins a column."""
    factor = levels.factors[level]
    first, stop = channels[0] // factor, -(-channels[1] // factor)
    begin = (levels.of_max[level] if is_max else levels.of_mean[level]) + first * width
    return levels.codes[begin : begin + (stop - first) * width].reshape(stop - first, width)


@njit(cache=True, nogil=True)
def fill_part(
    block: Block, channels: tuple[int, int], depth: int, table: CodeTable, levels: Levels, sums: Sums
) -> None:
    """Fill in the finest levels of some channels.

    Parameters
    ----------
    block : Block
        The samples.
    channels : tuple of int
        Which channels, counted from the block's first; these begin a column of each of the levels.
    depth : int
        How many levels: all, or two at least.
    table : CodeTable
        The codes.
    levels : Levels
        Receives the codes.
    sums : Sums
        Receives the sums of the one column that the coarsest of these levels has for these channels: (rows, 1). With
        one level in all there are none.
    """
    rows, channels_of_next = sums.total.shape[0], _LEVEL_FACTOR * levels.factors[0]
    columns = -(-(channels[1] - channels[0]) // channels_of_next)
    finer = Sums(np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32))
    _finest(block, channels, table, levels, finer)
    if depth > 1:
        _fill_coarser(finer, columns, (1, depth), channels, table, levels)
        sums.total[:, 0], sums.number[:, 0] = finer.total[:, 0], finer.number[:, 0]


@njit(cache=True, nogil=True)
def _join(sums: Sums, columns: int) -> int:
    """Replace sums by those of four columns each; return how many these are."""
    joined = -(-columns // _LEVEL_FACTOR)
    for r in range(sums.total.shape[0]):
        _coarser_sums(sums.total[r, :columns], sums.total[r, :joined])
        _coarser_sums(sums.number[r, :columns], sums.number[r, :joined])
    return joined


@njit(cache=True, nogil=True)
def _fill_coarser(
    sums: Sums, columns: int, depths: tuple[int, int], channels: tuple[int, int], table: CodeTable, levels: Levels
) -> None:
    """Fill in the levels [depths[0], depths[1]) from the sums of the first; these become those of the last."""
    rows, values = sums.total.shape[0], np.empty(columns, np.float32)
    for level in range(depths[0], depths[1]):
        if level > depths[0]:
            columns = _join(sums, columns)
        means = _columns(levels, level, channels, rows, False)
        for r in range(rows):
            _encode_means(sums.total[r], sums.number[r], values, table, means[:, r])
        finer = _columns(levels, level - 1, channels, rows + 1, True)
        _coarser_maxima(finer, _columns(levels, level, channels, rows + 1, True))


@njit(cache=True, nogil=True)
def fill_rest(sums: Sums, depth: int, channels: int, table: CodeTable, levels: Levels) -> None:
    """Fill in the coarser levels of all channels.

    Parameters
    ----------
    sums : Sums
        Of the columns of the coarsest level that is filled in: (rows, columns). Changed in place.
    depth : int
        How many levels are filled in already.
    channels : int
        Number of channels.
    table : CodeTable
        The codes.
    levels : Levels
        Receives the codes.
    """
    if depth < len(levels.factors):
        columns = _join(sums, sums.total.shape[1])
        _fill_coarser(sums, columns, (depth, len(levels.factors)), (0, channels), table, levels)


@njit(cache=True, nogil=True)
def fill_window(block: Block, channels: tuple[int, int], table: CodeTable, codes: Flags) -> None:
    """Set codes, uint8 (channels, rows), to those of single channels.

    Parameters
    ----------
    block : Block
        The samples.
    channels : tuple of int
        Which channels, counted from the block's first.
    table : CodeTable
        The codes.
    codes : uint8 (channels, rows)
        Receives the codes.
    """
    low, high = channels
    strip = new_strip(high - low)
    row = strip.row
    for r in range(codes.shape[1]):
        add_row(block, r, channels, strip)
        for i in range(high - low):
            row[i] = row[i] if row[i] != 0 else np.float32(np.nan)
        encode(row, table, codes[:, r])
