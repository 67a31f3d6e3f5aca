"""Scales spectra, block of channels by block of channels, and sums a path spectrum by spectrum."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from services.dedoppler.kernels.conditioning import CLIP_ROUNDS, CLIP_SIGMA, GUESS_SAMPLES, MAD_TO_SIGMA
from services.dedoppler.kernels.pair_sums import path_offset
from shared.arrays import Floats, Indices, Power

_LARGEST = np.finfo(np.float32).max
# In power of sigma 1, values that scatter by less may be so few that their median deviation says nothing.
FEW_VALUES = 0.25


class Weighting(NamedTuple):
    """How spectra are weighted in path sums.

    Attributes
    ----------
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    share : float64 (T, blocks)
        How strong a signal of constant power is in units of each spectrum's noise, relative to the usual noise; 0 where
        a whole spectrum is lost.
    weight : float64 (T, blocks)
        Factors of power of sigma 1, whose squares add up to T; 0 where a whole spectrum is lost.
    """

    edges: Indices
    share: Floats
    weight: Floats


@njit(cache=True, nogil=True)
def scale_spectra(samples: Power, pad: int, edges: Indices, factor: Power) -> None:
    """Multiply each spectrum by a factor of its own in each block of channels.

    Parameters
    ----------
    samples : float32 (T, channels + 2 * pad)
        Changed in place.
    pad : int
        Columns before the first channel.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    factor : float32 (T, blocks)
        The factors.
    """
    for t in range(samples.shape[0]):
        for b in range(len(edges) - 1):
            row, by = samples[t, pad + edges[b] : pad + edges[b + 1]], factor[t, b]
            for i in range(len(row)):
                row[i] *= by


@njit(cache=True, nogil=True)
def _first_guess(row: Power, sample: Power) -> tuple[float, float]:
    """Return median and scatter of some samples of a row that are not 0; a scatter of 0 if there are too few."""
    apart = max(1, len(row) // len(sample)) | 1
    number = 0
    for c in range(0, len(row), apart):
        if row[c] != 0 and number < len(sample):
            sample[number] = row[c]
            number += 1
    if number < 2:
        return 0.0, 0.0
    kept = sample[:number]
    median = float(np.median(kept))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(kept - median)))
    if spread < FEW_VALUES:
        # More than half of the values are nearly the same, as with few bits. A faint spectrum is faint by both.
        spread = max(spread, float(np.std(kept)))
    return median, spread


@njit(cache=True, nogil=True)
def spectrum_moments(x: Power, first: int, stop: int) -> tuple[Floats, Floats, Indices]:
    """Return clipped mean and standard deviation of each spectrum, and its number of samples.

    Parameters
    ----------
    x : float32 (T, columns)
        Normalised power, 0 where a sample is lost.
    first, stop : int
        Columns to look at, `stop` excluded.

    Returns
    -------
    tuple of float64 (T,), float64 (T,), int64 (T,)
        The mean is 0 and the deviation 1 where they can't be measured. The number leaves out lost samples only.
    """
    n_spectra = x.shape[0]
    mean, deviation, number = np.zeros(n_spectra), np.ones(n_spectra), np.zeros(n_spectra, np.int64)
    sample = np.empty(GUESS_SAMPLES, np.float32)
    for t in range(n_spectra):
        row = x[t, first:stop]
        number[t] = np.sum(row != 0)
        centre, spread = _first_guess(row, sample)
        for _ in range(CLIP_ROUNDS):
            if spread == 0:
                break
            count, total, squares, limit = 0, 0.0, 0.0, CLIP_SIGMA * spread
            for value in row:
                inside = (value != 0) & (abs(value - centre) <= limit)
                off = value - centre if inside else 0.0
                count += inside
                total += off
                squares += off * off
            if count < 2:
                break
            shift = total / count
            spread = math.sqrt(max(squares / count - shift * shift, 0.0))
            centre += shift
            if spread > 0:
                mean[t], deviation[t] = centre, spread
    return mean, deviation, number


@njit(cache=True, nogil=True)
def standardise_spectra(x: Power, first: int, stop: int, mean: Power, factor: Power) -> None:
    """Set x to (x - mean of its spectrum) * factor of its spectrum in columns [first, stop), except where x is 0."""
    for t in range(x.shape[0]):
        if mean[t] == 0 and factor[t] == 1:
            continue
        for c in range(first, stop):
            if x[t, c] != 0:
                x[t, c] = (x[t, c] - mean[t]) * factor[t]


@njit(cache=True, nogil=True)
def path_profile(x: Power, power: Power, pad: int, box: tuple[int, int, int]) -> tuple[Floats, Indices]:
    """Return, spectrum by spectrum, the sum of a box along its path, and the number of samples that are not lost.

    Parameters
    ----------
    x : float32 (T, channels + 2 * pad)
        Normalised power, 0 where a sample is lost.
    power : float32 (T, channels)
        Raw power, NaN or Inf where a sample is lost. Samples beyond the channels are not lost: they are noise of 0.
    pad : int
        Columns of `x` before the first channel.
    box : tuple of int
        Column of `x` in the first spectrum, drift steps, width.

    Returns
    -------
    tuple of float64 (T,), int64 (T,)
    """
    column, steps, width = box
    n_spectra, n_channels = power.shape
    total, number = np.zeros(n_spectra), np.zeros(n_spectra, np.int64)
    for t in range(n_spectra):
        start = column + path_offset(steps, t, n_spectra, 1)
        for c in range(start, start + width):
            total[t] += x[t, c]
            at = c - pad
            number[t] += at < 0 or at >= n_channels or abs(power[t, at]) <= _LARGEST
    return total, number
