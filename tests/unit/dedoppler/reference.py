"""Slow, obvious versions of the kernels, written straight from their definitions in float64."""

import math
from fractions import Fraction

import numpy as np


def path_offset(steps, t, n_spectra, stride=1):
    """Nearest integer to steps * t / ((T - 1) * stride), halves away from zero, in exact fractions."""
    exact = Fraction(steps * t, (n_spectra - 1) * stride)
    size = math.floor(abs(exact) + Fraction(1, 2))
    return size if exact >= 0 else -size


def box_statistic(x, column, steps, width, stride=1):
    """Sum of the boxes of one path over sqrt(T * width)."""
    n_spectra = len(x)
    total = 0.0
    for t in range(n_spectra):
        start = column + stride * path_offset(steps, t, n_spectra, stride)
        total += x[t, start : start + width].sum(dtype=np.float64)
    return total / math.sqrt(n_spectra * width)


def trial_statistics(x, first, count, width, stride, drifts):
    """Statistic of each drift (rows) and start (columns)."""
    return np.array([[box_statistic(x, first + i * stride, n, width, stride) for i in range(count)] for n in drifts])


def best_box(x, columns, all_steps, widths):
    """(statistic, column, steps, width) of the best box of all, by trying each."""
    n_spectra = len(x)
    best = (-math.inf, 0, 0, 0)
    prefix = np.concatenate([np.zeros((n_spectra, 1)), np.cumsum(x, axis=1, dtype=np.float64)], axis=1)
    columns = np.asarray(columns)
    for steps in all_steps:
        offsets = [path_offset(steps, t, n_spectra) for t in range(n_spectra)]
        for width in widths:
            sums = sum(prefix[t, columns + o + width] - prefix[t, columns + o] for t, o in enumerate(offsets))
            at = int(np.argmax(sums))
            value = float(sums[at]) / math.sqrt(n_spectra * width)
            if value > best[0]:
                best = (value, int(columns[at]), steps, width)
    return best


def clipped_moments(samples, sigmas=6.0, rounds=6):
    """Mean and standard deviation of the finite samples that lie within `sigmas` of the mean, by iteration."""
    samples = np.asarray(samples, np.float64).ravel()
    samples = samples[np.isfinite(samples)]
    mean = np.median(samples)
    deviation = 1.4826 * np.median(np.abs(samples - mean))
    for _ in range(rounds):
        kept = samples[np.abs(samples - mean) <= sigmas * deviation]
        mean, deviation = kept.mean(), kept.std()
    return mean, deviation, len(kept)
