"""Samples that no receiver measured: exact zeros, and runs of one value along frequency.

NaN equals nothing, so samples that are NaN already are never part of a run.
"""

import numpy as np
from numba import njit

from shared.arrays import Flags, Indices, Power

# A row without a run of this many equal samples needs no closer look if only longer runs count.
_CHECKED_RUN = 4
# Channels whose first two samples are compared at once.
_STRIP = 512
# The largest value in so many channels side by side, twice the widest box, is no signal that the search could measure.
_SATURATED_RUN = 512
_NAN = np.float32(np.nan)
_LARGEST = np.finfo(np.float32).max


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _pairs_and_zeros(row: Power) -> np.float32:
    """Return the number of samples that are zero or equal to the next one, without the last sample."""
    here, following = row[:-1], row[1:]
    # A count in float32 uses vectors of the same length as the samples.
    found = np.float32(0.0)
    for i in range(len(here)):
        odd = (here[i] == following[i]) | (here[i] == np.float32(0.0))
        found += np.float32(1.0) if odd else np.float32(0.0)
    return found


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _runs_and_zeros(row: Power, zero: np.float32) -> np.float32:
    """Return the number of samples that equal `zero` or begin a run of four, without the last three samples."""
    first, second, third, fourth = row[:-3], row[1:-2], row[2:-1], row[3:]
    found = np.float32(0.0)
    for i in range(len(first)):
        run = (first[i] == second[i]) & (second[i] == third[i]) & (third[i] == fourth[i])
        found += np.float32(1.0) if run | (first[i] == zero) else np.float32(0.0)
    return found


@njit(cache=True, nogil=True)
def is_regular(power: Power, first: int, stop: int, low: int, high: int) -> bool:
    """Return whether channels [low, high) hold no zero and no two equal neighbours in the spectra [first, stop)."""
    odd = 0
    for t in range(first, stop):
        # One row at a time is contiguous, so its loop compiles to vectors.
        odd += int(_pairs_and_zeros(power[t, low:high])) + int(power[t, high - 1] == 0)
        if odd > 0:
            break
    return odd == 0


@njit(cache=True, nogil=True)
def chance_equality(power: Power, low: int, high: int, step: int) -> tuple[int, int]:
    """Count how often a sample equals the one before it by chance, in every `step`-th spectrum.

    Pairs within a run of lost samples are not chance, so a pair counts only if its first sample differs from the one
    before.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power.
    low, high : int
        Channels to count in, `high` excluded.
    step : int
        Spectra from one that is looked at to the next.

    Returns
    -------
    tuple of int
        Equal pairs, and all pairs that count.
    """
    equal, pairs = 0, 0
    for t in range(0, power.shape[0], step):
        row = power[t, low:high]
        for i in range(2, len(row)):
            counts = row[i - 1] != row[i - 2]
            pairs += counts
            equal += counts & (row[i] == row[i - 1])
    return equal, pairs


@njit(cache=True, nogil=True)
def repeats_by_value(power: Power, low: int, high: int, equal: Indices, changes: Indices) -> None:
    """Count as `chance_equality` does, in all spectra, for each value by itself.

    Where most samples have one value, such as 0 in samples of one bit at a band's edge, that one repeats more often
    than others.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power of few bits.
    low, high : int
        Channels to count in, `high` excluded.
    equal, changes : int64 (values,)
        Receive, by value modulo their length, how often a sample that differs from the one before equals the next one,
        and the number of such samples.
    """
    for t in range(power.shape[0]):
        row = power[t, low:high]
        for i in range(2, len(row)):
            value = row[i - 1]
            if value != row[i - 2] and abs(value) <= _LARGEST:
                k = int(value % np.float32(len(changes)))
                changes[k] += 1
                equal[k] += row[i] == value


@njit(cache=True, nogil=True)
def mark_lost(power: Power, low: int, high: int, zero_is_lost: bool, shortest_run: int, saturated: np.float32) -> None:
    """Set the lost samples of some channels to NaN: zeros, and runs of one value along frequency.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, changed in place.
    low, high : int
        Channels to look at, `high` excluded.
    zero_is_lost : bool
        Whether a single sample of exactly 0 is lost.
    shortest_run : int
        Number of equal samples side by side that chance does not explain.
    saturated : float32
        The largest value that a sample of few bits can have: a run of up to 511 may be a signal. NaN for none. With
        few bits, neighbours of a hole may have its value by chance and count as lost with it. What is left beside it
        are samples of other values, which lie above or below the mean. So the first of these is lost too, and those
        beyond it are as good as any.
    """
    zero = np.float32(0.0) if zero_is_lost else _NAN
    few_bits = not np.isnan(saturated)
    for t in range(power.shape[0]):
        row = power[t, low:high]
        if (
            min(shortest_run, len(row)) >= _CHECKED_RUN
            and _runs_and_zeros(row, zero) == 0
            and not (row[-3:] == zero).any()
        ):
            continue
        start, after_hole = 0, False
        for i in range(1, len(row) + 1):
            if i < len(row) and row[i] == row[start]:
                continue
            value = row[start]
            is_run = i - start >= (shortest_run if value != saturated else max(shortest_run, _SATURATED_RUN))
            if value == zero or is_run:
                row[start:i] = _NAN
            if after_hole:
                row[start] = _NAN
            after_hole = is_run and few_bits and value != zero
            if after_hole and start > 0:
                row[start - 1] = _NAN
            start = i


@njit(cache=True, nogil=True)
def runs_across(power: Power, border: int, shortest_run: int, saturated: np.float32) -> Indices:
    """Return the lost runs that end neither before nor at a channel.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, before anything is marked.
    border : int
        A channel of which both sides are marked separately; 1 at least.
    shortest_run, saturated
        As for `mark_lost`.

    Returns
    -------
    int64 (runs, 3)
        Spectrum, first channel and channel after the last of each; with few bits they include the samples beside them.
    """
    few_bits = not np.isnan(saturated)
    found = []
    for t in range(power.shape[0]):
        row, value = power[t], power[t, border]
        if row[border - 1] != value:
            continue
        start, stop = border - 1, border + 1
        while start > 0 and row[start - 1] == value:
            start -= 1
        while stop < len(row) and row[stop] == value:
            stop += 1
        if stop - start >= (shortest_run if value != saturated else max(shortest_run, _SATURATED_RUN)):
            found.append((t, max(0, start - few_bits), min(len(row), stop + few_bits)))
    runs = np.empty((len(found), 3), np.int64)
    for k in range(len(found)):
        runs[k, 0], runs[k, 1], runs[k, 2] = found[k]
    return runs


@njit(cache=True, nogil=True)
def spectra_with_samples(power: Power) -> int:
    """Return the number of spectra that hold a finite sample; `power` is float32 (T, channels)."""
    number = 0
    for t in range(power.shape[0]):
        for c in range(power.shape[1]):
            if abs(power[t, c]) <= _LARGEST:
                number += 1
                break
    return number


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _equal_or_lost(first: Power, second: Power) -> np.float32:
    """Return in how many channels two spectra have one value, or either is not finite."""
    # A count in float32 uses vectors of the same length as the samples.
    found = np.float32(0.0)
    for c in range(len(first)):
        differ = (abs(first[c]) <= _LARGEST) & (abs(second[c]) <= _LARGEST) & (first[c] != second[c])
        found += np.float32(0.0) if differ else np.float32(1.0)
    return found


@njit(cache=True, nogil=True)
def _closer_look(power: Power, dead: Flags) -> int:
    """Clear the flags of channels that are alive; return how many of these begin with two equal samples."""
    by_chance = 0
    for c in np.flatnonzero(dead):
        seen, value, differs = 0, np.float32(0.0), False
        for t in range(power.shape[0]):
            sample = power[t, c]
            if not abs(sample) <= _LARGEST:
                continue
            if seen > 0 and sample != value:
                differs = True
                break
            value = sample
            seen += 1
        dead[c] = not differs and seen != 1
        by_chance += differs and seen > 1
    return by_chance


@njit(cache=True, nogil=True)
def dead_channels(power: Power, dead: Flags) -> int:
    """Find the channels that have one value in all spectra in which they are finite, or no finite sample.

    A single finite sample does not make a channel dead.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, T at least 2.
    dead : uint8 (channels,)
        Receives 1 where a channel is dead, else 0.

    Returns
    -------
    int
        Number of the other channels whose first two samples are equal: how often that happens by chance.
    """
    by_chance = 0
    for begin in range(0, power.shape[1], _STRIP):
        strip = dead[begin : begin + _STRIP]
        first, second = power[0, begin : begin + _STRIP], power[1, begin : begin + _STRIP]
        # The first two samples show that nearly all channels are alive; that loop compiles to vectors.
        strip[:] = 0
        if _equal_or_lost(first, second) == 0:
            continue
        for c in range(len(strip)):
            differ = (abs(first[c]) <= _LARGEST) & (abs(second[c]) <= _LARGEST) & (first[c] != second[c])
            strip[c] = np.uint8(0) if differ else np.uint8(1)
        by_chance += _closer_look(power[:, begin : begin + _STRIP], strip)
    return by_chance
