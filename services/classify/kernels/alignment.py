"""The cut-out of a hit along its path, and its measures in time and in frequency."""

from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Floats, Indices, Power

MAX_SEGMENTS = 8
BRIGHT_SEGMENT_SNR = 5.0
PRESENT_FRACTION = 0.3
# Distances from a fitted curve below this are its rounding errors, channels. They differ between machines.
FIT_ROUNDING = 1e-9


class Track(NamedTuple):
    """A hit's box and path, and the grid of the observation."""

    channel: int
    steps: int
    width: int
    n_spectra: int
    foff_hz: float
    tsamp_s: float


class Rows(NamedTuple):
    """A cut-out with what follows from its hit's track.

    Attributes
    ----------
    power : float32 (rows, channels)
        The cut-out.
    positions : float64 (rows,)
        The middle of each row on the path, from 0 at the first spectrum to 1 at the last.
    first : int64 (rows,)
        Column of the box's first channel in each row; it may lie outside of the cut-out.
    width : int
        Width of the box, channels.
    sigma : float
        Noise of one sample of a row.
    """

    power: Power
    positions: Floats
    first: Indices
    width: int
    sigma: float


@njit(cache=True, nogil=True)
def rows_of(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> Rows:
    """Place a track in its cut-out. Within a row of several spectra the path moves, so the box is wider by that."""
    n_rows, moves = len(power), track.n_spectra - 1
    smear = int(np.ceil((spectra_per_row - 1) * abs(track.steps) / moves))
    positions, first = np.empty(n_rows), np.empty(n_rows, np.int64)
    for row in range(n_rows):
        positions[row] = min((row + 0.5) * spectra_per_row - 0.5, moves) / moves
        first[row] = int(np.rint(track.channel + track.steps * positions[row] - smear / 2 - start_channel))
    return Rows(power, positions, first, track.width + smear, 1 / np.sqrt(spectra_per_row))


@njit(cache=True, nogil=True)
def gather(rows: Rows, before: int, columns: int) -> Floats:
    """Return the samples from `before` columns before the box on, float64 (rows, columns).

    Outside of the cut-out, and where a sample is not finite, it is 0: the mean of the noise.
    """
    power = rows.power
    found = np.zeros((len(power), columns))
    for row in range(len(power)):
        start = rows.first[row] - before
        for column in range(max(0, -start), min(columns, power.shape[1] - start)):
            value = power[row, start + column]
            if np.isfinite(value):
                found[row, column] = value
    return found


@njit(cache=True, nogil=True)
def stretch(part: int, parts: int, length: int) -> tuple[int, int]:
    """Return the first index and the end of one of `parts` parts of `length`, of which the first ones are longer."""
    each, longer = length // parts, length % parts
    first = part * each + min(part, longer)
    return first, first + each + (1 if part < longer else 0)


@njit(cache=True, nogil=True)
def smoothed(values: Floats, width: int, weight: float) -> Floats:
    """Return `weight` times the sum over `width` neighbours of each value, fewer at the ends."""
    after = (width - 1) // 2
    result = np.empty(len(values))
    for i in range(len(values)):
        total = 0.0
        for j in range(max(0, i + after - width + 1), min(len(values), i + after + 1)):
            total += values[j]
        result[i] = total * weight
    return result


@njit(cache=True, nogil=True)
def time_measures(profile: Floats) -> tuple[float, float, float, float]:
    """Return occupancy, presence, peak fraction and kurtosis of the power per row, in units of its noise."""
    n = len(profile)
    total = profile.sum()
    spread = max((profile**2).sum() - n, 1e-9)
    occupancy = min(max(total**2 / (n * spread), 1 / n), 1.0) if total > 0 else 1 / n
    parts = min(n, MAX_SEGMENTS)
    stretches = np.empty(parts)
    for part in range(parts):
        low, high = stretch(part, parts, n)
        stretches[part] = profile[low:high].mean()
    middle = stretches.mean()
    presence = np.mean(stretches >= PRESENT_FRACTION * middle) if middle > 0 else 0.0
    positive = np.maximum(profile, 0.0)
    peak_fraction = positive.max() / positive.sum() if positive.sum() > 0 else 0.0
    away = profile - profile.mean()
    variance = (away**2).mean()
    kurtosis = (away**4).mean() / variance**2 - 3.0 if variance > 1e-12 else 0.0
    return occupancy, presence, peak_fraction, kurtosis


@njit(cache=True, nogil=True)
def _half_maximum(smooth: Floats, peak: int) -> tuple[int, int]:
    """Return the nearest columns on either side of a peak that are below half of it."""
    left, right = peak - 1, peak + 1
    while left >= 0 and not smooth[left] < smooth[peak] / 2:
        left -= 1
    while right < len(smooth) and not smooth[right] < smooth[peak] / 2:
        right += 1
    return left, right


@njit(cache=True, nogil=True)
def frequency_measures(spectrum: Floats, width: int, pad: int) -> tuple[int, float, float]:
    """Return the columns at half maximum, the sharpness of the edges, and the share of power beside the box."""
    # A faint, wide signal has peaks of noise on it, so it is smoothed over an eighth of the box.
    over = max(1, width // 8)
    smooth = smoothed(spectrum, over, 1 / over)
    peak = pad + int(np.argmax(smooth[pad : pad + width]))
    left, right = _half_maximum(smooth, peak)
    inner = spectrum[pad : pad + width].mean()
    # The channel next to the box may hold leakage of a tone between two channels.
    reach = min(pad, 1 + max(2, width))
    beside = spectrum[pad - reach : pad - 1].sum() + spectrum[pad + width + 1 : pad + width + reach].sum()
    sharpness = min(max(1 - beside / (2 * (reach - 1)) / inner, 0.0), 1.0) if inner > 0 else 0.0
    outside = spectrum.sum() - inner * width
    share = outside / (outside + inner * width) if outside > 0 and inner > 0 else 0.0
    return right - left - 1, sharpness, share


@njit(cache=True, nogil=True)
def straightness(aligned: Floats, width: int, sigma: float) -> float:
    """Return the rms distance of the brightest columns of the stretches of time from a straight line, channels."""
    parts = min(len(aligned), MAX_SEGMENTS)
    columns, times, found = np.empty(parts), np.empty(parts), 0
    spectrum = np.empty(aligned.shape[1])
    for part in range(parts):
        low, high = stretch(part, parts, len(aligned))
        for column in range(aligned.shape[1]):
            spectrum[column] = aligned[low:high, column].mean() * np.sqrt(high - low)
        smooth = smoothed(spectrum, width, 1 / (np.sqrt(width) * sigma))
        best = np.argmax(smooth)
        if smooth[best] >= BRIGHT_SEGMENT_SNR:
            columns[found], times[found] = best, part
            found += 1
    if found < 3:
        return 0.0
    return rms_of(polynomial_fit(times[:found], columns[:found], 1) - columns[:found])


@njit(cache=True, nogil=True)
def rms_of(residuals: Floats) -> float:
    """Return the root mean square of the distances from a curve, 0 where it is exact up to rounding."""
    rms = np.sqrt((residuals**2).mean())
    return rms if rms > FIT_ROUNDING else 0.0


@njit(cache=True, nogil=True)
def polynomial_fit(x: Floats, y: Floats, degree: int) -> Floats:
    """Return the least-squares polynomial through (x, y) at each x, by polynomials that are orthogonal on x."""
    fitted, last, power = np.full(len(x), y.mean()), np.zeros(len(x)), np.ones(len(x))
    for _ in range(degree):
        norm, before = (power**2).sum(), (last**2).sum()
        following = (x - (x * power**2).sum() / norm) * power
        if before > 0:
            following -= norm / before * last
        last, power = power, following
        norm = (power**2).sum()
        if norm > 0:
            fitted += (y * power).sum() / norm * power
    return fitted
