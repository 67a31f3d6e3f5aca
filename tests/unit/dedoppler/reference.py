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


def emission_response(distance, smear):
    """Mean of sinc^2 over `smear` channels around a distance, by 400 points."""
    return np.mean(np.sinc(distance + smear * (np.arange(400) + 0.5 - 200) / 400) ** 2)


def box_columns(start, steps, bend, n_spectra):
    """First column of a box in each spectrum: whole columns from the first one, halves away from zero."""
    columns = []
    for t in range(n_spectra):
        u = Fraction(t, n_spectra - 1)
        moved = steps * u + Fraction(bend) * (4 * (u - Fraction(1, 2)) ** 2 - 1)
        size = math.floor(abs(moved) + Fraction(1, 2))
        columns.append(start + (size if moved >= 0 else -size))
    return columns


def box_of_emission(path, smear, n_spectra):
    """Largest share / sqrt(width) of all boxes near a path, (centre, steps, bend), of an emission."""
    centre, steps, bend = path
    best = 0.0
    for n in (round(steps) - 1, round(steps), round(steps) + 1):
        for start in range(math.floor(centre - steps / 2 + bend - smear) - 4, math.ceil(centre - steps / 2 + bend) + 4):
            for width in range(1, int(smear) + 6):
                share = share_of(path, smear, box_columns(start, n, bend, n_spectra), width)
                best = max(best, share / math.sqrt(width))
    return best


def share_of(path, smear, columns, width):
    """Part of an emission's power that lies in boxes that begin in `columns`."""
    centre, steps, bend = path
    times = [t / (len(columns) - 1) - 0.5 for t in range(len(columns))]
    middles = [centre + steps * u + 4 * bend * u * u for u in times]
    return np.mean(
        [
            sum(emission_response(c + j - middle, smear) for j in range(width))
            for c, middle in zip(columns, middles, strict=True)
        ]
    )


def moving_box_snr(power, variance, columns, width):
    """(SNR, variance) of the boxes that begin in `columns`; what is beyond the window is left out."""
    total, square = 0.0, 0.0
    for t, start in enumerate(columns):
        for j in range(max(0, start), min(power.shape[1], start + width)):
            total += float(power[t, j])
            square += float(variance[t, j])
    return (total / math.sqrt(square) if square > 0 else -math.inf), square


def paths_within(precision, apart, most_sigma):
    """All (centre, steps, bend) of a grid around 0 within `most_sigma` by the inverse covariance."""
    reach = most_sigma * np.sqrt(np.diag(np.linalg.inv(precision))) / np.asarray(apart)
    grids = [np.arange(-int(n) - 1, int(n) + 2) * d for n, d in zip(reach, apart, strict=True)]
    points = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 3)
    return points[np.einsum("ij,jk,ik->i", points, precision, points) <= most_sigma**2 + 1e-9]
