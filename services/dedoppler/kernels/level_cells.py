"""Level and scatter of cells of a few channels, without the lines in them.

A cell may follow a drift: in spectrum `t` its channels are `offsets[t]` to the right. Samples of exactly 0 are lost
ones and are left out.
"""

import math

import numpy as np
from numba import njit

from services.dedoppler.kernels.conditioning import MAD_TO_SIGMA
from shared.arrays import Floats, Indices, Power

# Channels of a cell: signals of a few channels fill too little of it to shift its level.
CELL_CHANNELS = 16
# Samples farther from the median than so many sigmas are signals; of noise one in 16,000 is.
CELL_CLIP_SIGMA = 4.0
# A change that all channels of a cell have in common is no noise beyond this: three times its scatter in noise of sigma
# 1. A smaller one may be the common offset of a spectrum, which is all that changes where the band falls to nothing.
COMMON_CHANGE = 1.0
# Without what they have in common, changes are noise up to this size: those of noise of sigma 1 have 1.09, and 0.2 more
# in one cell of six. More is left of a line that crosses the cell; it stays as large as it is, and the median leaves it
# out.
NOISE_CHANGE = 1.5
# With a smaller share of its samples, a cell has no level.
LEAST_SHARE = 0.25


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def group_means(x: Power, first: int, channels: int, means: Floats) -> None:
    """Set means[i] to the mean of all samples of the group of `channels` columns that begins at first + i * channels.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power.
    first : int
        First column of the first group.
    channels : int
        Columns of a group.
    means : float64 (groups,)
        Receives the means.
    """
    means[:] = 0.0
    for t in range(x.shape[0]):
        for i in range(len(means)):
            group = x[t, first + i * channels : first + (i + 1) * channels]
            total = np.float32(0.0)
            for j in range(len(group)):
                total += group[j]
            means[i] += total
    means /= x.shape[0] * channels


@njit(cache=True, nogil=True)
def _limits(values: Floats) -> tuple[float, float]:
    """Return the median of the values, and the distance from it beyond which they are signals."""
    middle = float(np.median(values))
    return middle, CELL_CLIP_SIGMA * MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))


@njit(cache=True, nogil=True)
def _mean_within(values: Floats, centre: float, limit: float) -> float:
    """Return the mean of the values within `limit` of a centre that moves to it once."""
    for _ in range(2):
        total, kept = 0.0, 0
        for value in values:
            if abs(value - centre) <= limit:
                total += value
                kept += 1
        if kept == 0:
            break
        centre = total / kept
    return centre


@njit(cache=True, nogil=True)
def _level_without_lines(samples: Floats, number: Indices) -> float:
    """Return the mean of a cell without spectra and samples that lines raise.

    `samples` holds the samples of one spectrum after those of the other, `number` how many each has.
    """
    means, spectra, at = np.empty(len(number)), 0, 0
    for t in range(len(number)):
        if number[t] > 0:
            means[spectra] = samples[at : at + number[t]].mean()
            spectra += 1
        at += number[t]
    centre, limit = _limits(means[:spectra])
    kept, at, spectra = 0, 0, 0
    values = np.empty(len(samples))
    for t in range(len(number)):
        if number[t] > 0:
            # A line that drifts fast fills the cell in a few spectra.
            if abs(means[spectra] - centre) <= limit:
                values[kept : kept + number[t]] = samples[at : at + number[t]]
                kept += number[t]
            spectra += 1
        at += number[t]
    # A line that hardly drifts is in a few channels of all spectra.
    centre, limit = _limits(values[:kept])
    return _mean_within(values[:kept], centre, limit)


@njit(cache=True, nogil=True)
def cell_levels(x: Power, first: int, offsets: Indices, level: Floats) -> None:
    """Compute the level of neighbouring cells over all spectra, without lines.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power.
    first : int
        First column of the first cell, in the first spectrum.
    offsets : int64 (T,)
        Movement of the cells, columns.
    level : float64 (cells,)
        Receives the means; NaN where too few samples are left.
    """
    n_spectra = x.shape[0]
    samples, number = np.empty(n_spectra * CELL_CHANNELS), np.empty(n_spectra, np.int64)
    for i in range(len(level)):
        kept = 0
        for t in range(n_spectra):
            start = first + i * CELL_CHANNELS + offsets[t]
            number[t] = 0
            for column in range(max(start, 0), min(start + CELL_CHANNELS, x.shape[1])):
                value = x[t, column]
                if value != 0:
                    samples[kept] = value
                    kept += 1
                    number[t] += 1
        level[i] = math.nan
        if kept > LEAST_SHARE * len(samples):
            level[i] = _level_without_lines(samples[:kept], number)


@njit(cache=True, nogil=True)
def row_levels(x: Power, first: int, rows: Floats) -> None:
    """Set rows[t, i] to the mean of spectrum t over cell i; NaN where too few samples are left.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power.
    first : int
        First column of the first cell.
    rows : float64 (T, cells)
        Receives the means.
    """
    for t in range(x.shape[0]):
        for i in range(rows.shape[1]):
            total, number = 0.0, 0
            for value in x[t, first + i * CELL_CHANNELS : first + (i + 1) * CELL_CHANNELS]:
                total += value
                number += value != 0
            rows[t, i] = total / number if number > LEAST_SHARE * CELL_CHANNELS else math.nan


@njit(cache=True, nogil=True)
def row_changes(x: Power, first: int, offsets: Indices, rows: Floats) -> None:
    """Set rows[t, i] to the mean size of the changes in cell i from spectrum t to the next; NaN where too few are left.

    What is constant along the drift does not count, nor what all channels of a cell have in common beyond
    `COMMON_CHANGE`, such as the pulses of an emission. So these are changes of the noise.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power.
    first : int
        First column of the first cell, in the first spectrum.
    offsets : int64 (T,)
        Movement of the cells, columns.
    rows : float64 (T - 1, cells)
        Receives the means.
    """
    columns = x.shape[1]
    changes = np.empty(CELL_CHANNELS)
    for t in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            here, there = first + i * CELL_CHANNELS + offsets[t], first + i * CELL_CHANNELS + offsets[t + 1]
            number = 0
            for j in range(max(0, -here, -there), min(CELL_CHANNELS, columns - here, columns - there)):
                before, after = x[t, here + j], x[t + 1, there + j]
                if before != 0 and after != 0:
                    changes[number] = after - before
                    number += 1
            rows[t, i] = math.nan
            if number > LEAST_SHARE * CELL_CHANNELS:
                some = changes[:number]
                common = some.mean()
                pulse = common - min(max(common, -COMMON_CHANGE), COMMON_CHANGE)
                is_noise = np.abs(some - common).mean() <= NOISE_CHANGE
                rows[t, i] = np.abs(some - pulse if is_noise else some).mean()


@njit(cache=True, nogil=True)
def running_median(values: Floats, half: int) -> Floats:
    """Return the median of each value and its `half` neighbours on either side; fewer near the ends, as many on each.

    It follows any rise or fall that is monotonic over the window exactly, and ignores what is narrower than half of it.
    """
    out = np.empty_like(values)
    for i in range(len(values)):
        reach = min(half, i, len(values) - 1 - i)
        out[i] = np.median(values[i - reach : i + reach + 1])
    return out


@njit(cache=True, nogil=True)
def _sort_sets(values: Floats, length: int, sets: int) -> None:
    """Sort several sets of values at once: value i of set s is values[i * sets + s].

    Batcher's merge exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M) compares the same
    places of all sets, whatever the values, so that its loop compiles to vectors.
    """
    merged = 1
    while merged < length:
        apart = merged
        while apart > 0:
            for at in range(apart % merged, length - apart, 2 * apart):
                if (at + apart) % (2 * merged) == 0:
                    continue
                number = min(apart, length - at - apart) * sets
                lower = values[at * sets : at * sets + number]
                upper = values[(at + apart) * sets : (at + apart) * sets + number]
                for i in range(number):
                    one, other = lower[i], upper[i]
                    lower[i] = one if one < other else other
                    upper[i] = other if one < other else one
            apart //= 2
        merged *= 2


@njit(cache=True, nogil=True)
def _median_below_lines(rising: Floats, number: int) -> float:
    """Return the median of `number` rising values without those that lie much farther above it than others below it.

    Below the median the values scatter as noise and slopes do; lines only raise.
    """
    middle = 0.5 * (rising[(number - 1) // 2] + rising[number // 2])
    limit = middle + CELL_CLIP_SIGMA * (middle - rising[int(0.159 * number)])
    while number > 1 and rising[number - 1] > limit:
        number -= 1
    return float(0.5 * (rising[(number - 1) // 2] + rising[number // 2]))


@njit(cache=True, nogil=True)
def mean_of_medians(rows: Floats, half: int, stride: int, even: bool, first: int, out: Floats) -> None:
    """Compute the mean over all spectra of running medians in frequency, at every `stride`-th cell.

    A line is narrower than half of the window in every spectrum, however it drifts, so it does not count.

    Parameters
    ----------
    rows : float64 (T, cells)
        Levels or the like; NaN where samples are lost.
    half : int
        Cells of the window on either side.
    stride : int
        Cells from one window to the next.
    even : bool
        Near the ends, take as many cells on either side, so that slopes stay as they are; else all that there are.
    first : int
        Which window is the first to compute.
    out : float64 (windows,)
        Receives the means; NaN where too few samples are left.
    """
    n_spectra, cells = rows.shape
    begin, stop = max(0, first * stride - half), min(cells, (first + len(out) - 1) * stride + half + 1)
    # Cell by cell, and lost ones after all others.
    turned, any_lost = np.empty((stop - begin) * n_spectra), False
    for t in range(n_spectra):
        for i in range(stop - begin):
            is_lost = math.isnan(rows[t, begin + i])
            turned[i * n_spectra + t] = math.inf if is_lost else rows[t, begin + i]
            any_lost |= is_lost
    window, number = np.empty((2 * half + 1) * n_spectra), np.empty(n_spectra, np.int64)
    for k in range(len(out)):
        at = (first + k) * stride
        low, high = max(0, at - half), min(cells, at + half + 1)
        if even:
            reach = min(half, at, cells - 1 - at)
            low, high = at - reach, at + reach + 1
        values = window[: (high - low) * n_spectra]
        values[:] = turned[(low - begin) * n_spectra : (high - begin) * n_spectra]
        number[:] = high - low
        if any_lost:
            for i in range(len(values)):
                number[i % n_spectra] -= values[i] == math.inf
        _sort_sets(values, high - low, n_spectra)
        total, spectra = 0.0, 0
        for t in range(n_spectra):
            if 2 * number[t] > high - low:
                total += _median_below_lines(values[t::n_spectra], number[t])
                spectra += 1
        out[k] = total / spectra if spectra else math.nan


@njit(cache=True, nogil=True)
def correct(x: Power, first: int, offsets: Indices, level: Power, gain: Power) -> None:
    """Set x to (x - level) * gain along the drift, but for lost samples, which stay 0.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, changed in place.
    first : int
        Column of level[0] in the first spectrum.
    offsets : int64 (T,)
        Movement of the level, columns.
    level, gain : float32 (channels,)
        What to subtract, and what to multiply by then.
    """
    for t in range(x.shape[0]):
        for i in range(len(level)):
            column = first + i + offsets[t]
            if 0 <= column < x.shape[1] and x[t, column] != 0:
                x[t, column] = (x[t, column] - level[i]) * gain[i]
