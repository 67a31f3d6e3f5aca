"""Levels of the zoomable waterfall: maxima and means of columns of channels, as codes (`shared.waterfall`)."""

from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.codes import CodeTable, encode
from shared.arrays import Bits, Flags, Indices, Power

# Channels at a time: their samples stay in the second cache level.
_STRIP = 8192
# Columns are reduced by so many channels at a time; all but the last have a multiple of them.
_LANES = 16
_LEVEL_FACTOR = 4


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


class _Strip(NamedTuple):
    """Memory for one strip: a row and how many of its spectra are lost, the same over time, and columns of 4 and 16."""

    row: Power
    missing: Power
    over_time: Power
    missing_over_time: Power
    bits_4: Bits
    sum_4: Power
    bits_16: Bits
    sum_16: Power


@njit(cache=True, nogil=True)
def _new_strip(width: int) -> _Strip:
    rows, quarters = np.zeros((4, width), np.float32), np.empty(width // 4, np.float32)
    columns = np.empty(width // _LANES, np.float32)
    return _Strip(
        rows[0],
        rows[1],
        rows[2],
        rows[3],
        np.empty(width // 4, np.int32),
        quarters,
        np.empty(width // _LANES, np.int32),
        columns,
    )


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _add(samples: Power, total: Power) -> np.float32:
    """Add samples to their sums; return how many are lost."""
    lost = np.float32(0.0)
    for i in range(len(samples)):
        total[i] += samples[i]
        lost += np.float32(1.0) if samples[i] == np.float32(0.0) else np.float32(0.0)
    return lost


@njit(cache=True, nogil=True)
def _count_lost(samples: Power, missing: Power) -> None:
    for i in range(len(samples)):
        missing[i] += np.float32(1.0) if samples[i] == np.float32(0.0) else np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _to_sigma(total: Power, missing: Power, spectra: int) -> None:
    """Bring sums of some spectra, of which some are lost, to sigma 1."""
    for i in range(len(total)):
        there = np.float32(spectra) - missing[i]
        total[i] /= np.sqrt(there if there > np.float32(1.0) else np.float32(1.0))


@njit(cache=True, nogil=True)
def _row(block: Block, r: int, channels: tuple[int, int], strip: _Strip) -> tuple[Power, bool]:
    """Return a row of some channels and whether samples are lost in it; add it to the sums over time.

    A row is the mean of its spectra, scaled to sigma 1, and 0 where all are lost. What it has more than the channels
    is 0.
    """
    first, stop = r * block.spectra_per_row, min((r + 1) * block.spectra_per_row, block.x.shape[0])
    low, width = block.first + channels[0], channels[1] - channels[0]
    over_time = strip.over_time[:width]
    if stop - first == 1 and width == len(strip.row):
        row = block.x[first, low : low + width]
        any_lost = bool(_add(row, over_time) > 0)
        if any_lost:
            _count_lost(row, strip.missing_over_time)
        return row, any_lost
    row, missing, any_lost = strip.row, strip.missing, width < len(strip.row)
    row[:], missing[:] = 0.0, 0.0
    for t in range(first, stop):
        samples = block.x[t, low : low + width]
        _add(samples, over_time)
        if _add(samples, row[:width]) > 0:
            any_lost = True
            _count_lost(samples, missing[:width])
    _to_sigma(row, missing, stop - first)
    for i in range(width):
        strip.missing_over_time[i] += missing[i]
    return row, any_lost


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _fourfold(bits: Bits, values: Power, most: Bits, total: Power) -> None:
    """Reduce each four values to the largest of their bits and their sum."""
    for i in range(len(most)):
        a, b, c, d = bits[4 * i], bits[4 * i + 1], bits[4 * i + 2], bits[4 * i + 3]
        left, right = (a if a > b else b), (c if c > d else d)
        most[i] = left if left > right else right
        total[i] = (values[4 * i] + values[4 * i + 1]) + (values[4 * i + 2] + values[4 * i + 3])


@njit(cache=True, nogil=True)
def _reduce(row: Power, factor: int, strip: _Strip, largest: Power, total: Power) -> None:
    """Set the largest sample, NaN if all are lost, and the sum of each column of a row."""
    _fourfold(row.view(np.int32), row, strip.bits_4, strip.sum_4)
    _fourfold(strip.bits_4, strip.sum_4, strip.bits_16, strip.sum_16)
    bits, many = largest.view(np.int32), factor // _LANES
    for c in range(len(largest)):
        bits[c], total[c] = strip.bits_16[c * many], strip.sum_16[c * many]
        for i in range(c * many + 1, (c + 1) * many):
            bits[c] = max(bits[c], strip.bits_16[i])
            total[c] += strip.sum_16[i]
        # As whole numbers, the bits of values above 0 are in their order.
        if bits[c] <= 0:
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
        number[c] = np.sum(row[c * factor : (c + 1) * factor] != 0)


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


@njit(cache=True, nogil=True)
def _finest(block: Block, channels: tuple[int, int], table: CodeTable, levels: Levels, sums: Sums) -> None:
    """Fill in the finest level of some channels, and the sums of the next one."""
    low, high = channels
    factor, rows = levels.factors[0], sums.total.shape[0]
    maxima, means = _columns(levels, 0, channels, rows + 1, True), _columns(levels, 0, channels, rows, False)
    # Strips end with a column of the next level.
    width = max(_STRIP // (_LEVEL_FACTOR * factor), 1) * _LEVEL_FACTOR * factor
    strip = _new_strip(width)
    largest, total, number = np.empty((3, width // factor), np.float32)
    for begin in range(low, high, width):
        part = begin, min(begin + width, high)
        first, columns = (begin - low) // factor, -(-(part[1] - begin) // factor)
        here, next_level = (
            slice(first, first + columns),
            slice(first // _LEVEL_FACTOR, -(-(first + columns) // _LEVEL_FACTOR)),
        )
        strip.over_time[:], strip.missing_over_time[:] = 0.0, 0.0
        for r in range(rows):
            row, any_lost = _row(block, r, part, strip)
            _reduce(row, factor, strip, largest, total)
            _coarser_sums(total[:columns], sums.total[r, next_level])
            number[:], sums.number[r, next_level] = factor, _LEVEL_FACTOR * factor
            if any_lost:
                _numbers(row, factor, number)
                _coarser_sums(number[:columns], sums.number[r, next_level])
            encode(largest[:columns], table, maxima[here, r])
            _encode_means(total, number, largest, table, means[here, r])
        _to_sigma(strip.over_time, strip.missing_over_time, block.x.shape[0])
        _reduce(strip.over_time, factor, strip, largest, total)
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
    strip = _new_strip(high - low)
    for r in range(codes.shape[1]):
        row, _ = _row(block, r, channels, strip)
        values = strip.row
        for i in range(high - low):
            values[i] = row[i] if row[i] != 0 else np.float32(np.nan)
        encode(values, table, codes[:, r])
