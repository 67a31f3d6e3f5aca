"""Sums along paths near a given track, each over the box of the search that shows most of an emission on that path.

A path is where the middle of an emission may be, in fractions of a column; time `u` runs from -1/2, the middle of the
first spectrum, to 1/2, that of the last. A box is one of those that the search tries: it starts in a whole column and
moves by whole steps. So the sum is the SNR that a hit would have.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Floats, Indices, Power

_TABLE_STEPS, _TABLE_END = 64, 32


def _integral_of_response() -> Floats:
    """Return the integral of sinc^2 from 0 to each multiple of 1/64 of a channel, by Simpson's rule."""
    x = np.arange(_TABLE_STEPS * _TABLE_END + 1) / _TABLE_STEPS
    left, middle, right = np.sinc(x[:-1]) ** 2, np.sinc(x[:-1] + 0.5 / _TABLE_STEPS) ** 2, np.sinc(x[1:]) ** 2
    return np.concatenate([[0.0], np.cumsum((left + 4 * middle + right) / (6 * _TABLE_STEPS))])


_INTEGRAL = _integral_of_response()
# Spectra, evenly spread, that show how a path lies in its channels.
_MODEL_SPECTRA = 32
# A path counts if this part of its samples is there.
LEAST_THERE = 0.1
# A path is allowed if it is within so many standard deviations of the track, by all its parameters together.
MOST_SIGMA = 3.0
# SNRs of paths that share a box differ by rounding alone.
EQUAL_SNR = 1e-9


class Window(NamedTuple):
    """Normalised power of some channels.

    Attributes
    ----------
    power : float32 (T, columns)
        Mean 0, sigma 1, times the weights of the spectra; 0 where a sample is lost.
    variance : float32 (T, columns)
        Square of the weight; 0 where a sample is lost.
    """

    power: Power
    variance: Power


class Path(NamedTuple):
    """A path c(u) = centre + steps u + 4 bend u^2, columns."""

    centre: float
    steps: float
    bend: float


class MovingBox(NamedTuple):
    """A box of `width` columns, from column `start` on in the first spectrum, that moves by `steps` to the last.

    `bend` columns is the distance of its path from the chord in the middle.
    """

    start: int
    steps: int
    bend: float
    width: int


class Choice(NamedTuple):
    """Which paths are tried: a grid around a track.

    Attributes
    ----------
    precision : float64 (3, 3)
        Inverse covariance of centre, steps and bend.
    apart : float64 (3,)
        Distances of the grid. That of the centre is one over a whole number, or a whole number.
    reach : int64 (3,)
        How far the grid reaches to either side, in these distances.
    fresh : float64 (3,)
        Which part of a path is independent of its neighbour's in each direction, 0 to 1.
    """

    precision: Floats
    apart: Floats
    reach: Indices
    fresh: Floats


class Found(NamedTuple):
    """The strongest of the paths that were tried.

    Attributes
    ----------
    snr : float
        Its sum in units of sigma; minus infinity if too few samples of all paths are there.
    path : Path
        The middle of the emission.
    box : MovingBox
        The samples.
    share : float
        Which part of an emission's power the box holds.
    variance : float
        Sum of the squares of the weights of its samples.
    trials : float
        How many independent paths were tried.
    """

    snr: float
    path: Path
    box: MovingBox
    share: float
    variance: float
    trials: float


@njit(cache=True, nogil=True)
def _integral(x: float) -> float:
    """Return the integral of sinc^2 from 0 to x; beyond the table it is 1/2 - 1/(2 pi^2 x)."""
    size = abs(x)
    if size < _TABLE_END:
        at = size * _TABLE_STEPS
        low = int(at)
        value = float(_INTEGRAL[low] + (at - low) * (_INTEGRAL[low + 1] - _INTEGRAL[low]))
    else:
        value = 0.5 - 1 / (2 * math.pi**2 * size)
    return value if x >= 0 else -value


@njit(cache=True, nogil=True)
def response(distance: float, smear: float) -> float:
    """Return which part of an emission's power a channel at a distance from its middle shows, columns.

    The response to a tone is sinc^2 (an unwindowed Fourier transform); that to an emission spread evenly over `smear`
    columns, by its bandwidth or its drift, is the mean of it.
    """
    if smear < 0.02:
        if distance == 0:
            return 1.0
        sine = math.sin(math.pi * distance) / (math.pi * distance)
        return sine * sine
    return (_integral(distance + smear / 2) - _integral(distance - smear / 2)) / smear


@njit(cache=True, nogil=True)
def column_of(box: MovingBox, t: int, n_spectra: int) -> int:
    """Return the first column of a box in spectrum t; halves round away from zero, as along the search's paths."""
    moved = box.steps * t / (n_spectra - 1)
    if box.bend != 0:
        u = t / (n_spectra - 1) - 0.5
        moved += box.bend * (4 * u * u - 1)
    nearest = math.floor(abs(moved) + 0.5)
    return box.start + (nearest if moved >= 0 else -nearest)


@njit(cache=True, nogil=True)
def best_box(path: Path, smear: float, n_spectra: int) -> tuple[MovingBox, float]:
    """Return the box with the largest SNR for an emission on a path, and which part of the power it holds.

    Parameters
    ----------
    path : Path
        The middle of the emission.
    smear : float
        Columns over which it is spread in each spectrum.
    n_spectra : int
        T.
    """
    least, most = max(1, int(smear) - 2), int(smear) + 4
    number = min(n_spectra, _MODEL_SPECTRA)
    first = math.floor(path.centre - path.steps / 2 + path.bend - most / 2) - 1
    columns = most + 4
    best, best_value, best_share = MovingBox(first, 0, path.bend, least), 0.0, 1.0
    nearest = round(path.steps)
    for steps in (nearest, nearest - 1, nearest + 1):
        origin = MovingBox(first, steps, path.bend, 1)
        prefix = np.zeros(columns + 1)
        for k in range(number):
            t = (k * (n_spectra - 1) + (number - 1) // 2) // (number - 1)
            u = t / (n_spectra - 1) - 0.5
            low = column_of(origin, t, n_spectra) - (path.centre + path.steps * u + 4 * path.bend * u * u)
            for j in range(columns):
                prefix[j + 1] += response(low + j, smear)
        for j in range(columns):
            prefix[j + 1] += prefix[j]
        for width in range(least, most + 1):
            for j in range(columns - width + 1):
                share = (prefix[j + width] - prefix[j]) / number
                value = share / math.sqrt(width)
                # Rounding alone does not decide between boxes that are as good.
                if value > best_value * (1 + 1e-9):
                    best_value, best_share = value, share
                    best = MovingBox(first + j, steps, path.bend, width)
    return best, best_share


@njit(cache=True, nogil=True)
def _sums_along(window: Window, box: MovingBox, stride: int, count: int) -> tuple[Floats, Floats]:
    """Return power and variance of `count` boxes, `stride` columns apart; columns beyond the window are not there."""
    n_spectra, columns = window.power.shape
    width = box.width
    span = (count - 1) * stride + width
    power, variance = np.zeros(span + 1), np.zeros(span + 1)
    for t in range(n_spectra):
        start = column_of(box, t, n_spectra)
        low, high = max(0, -start), min(span, columns - start)
        for j in range(low, high):
            power[j + 1] += window.power[t, start + j]
            variance[j + 1] += window.variance[t, start + j]
    for j in range(span):
        power[j + 1] += power[j]
        variance[j + 1] += variance[j]
    for i in range(count):
        low = i * stride
        # In place: what is overwritten lies before the sums that are still to come.
        power[i], variance[i] = power[low + width] - power[low], variance[low + width] - variance[low]
    return power[:count], variance[:count]


@njit(cache=True, nogil=True)
def _nothing(track: Path) -> Found:
    return Found(-np.inf, track, MovingBox(0, 0, 0.0, 1), 1.0, 0.0, 1.0)


@njit(cache=True, nogil=True)
def _is_better(snr: float, path: Path, best: Found, track: Path) -> bool:
    """Return whether a path is stronger than the best, or as strong and nearer to the track.

    Paths a third of a channel apart share boxes, and so their SNR. What part of the emission is in the box differs. For
    a line that hardly moves it would be another one in each scan, if not the track decided.
    """
    if not math.isfinite(best.snr):
        return snr > best.snr
    near = EQUAL_SNR * abs(best.snr)
    return snr > best.snr + near or (snr >= best.snr - near and _away(path, track) < _away(best.path, track))


@njit(cache=True, nogil=True)
def _away(path: Path, track: Path) -> float:
    """Return how far a path is from the track, channels."""
    return abs(path.centre - track.centre) + abs(path.steps - track.steps) / 2 + abs(path.bend - track.bend)


@njit(cache=True, nogil=True)
def _line(window: Window, track: Path, place: tuple[float, float], choice: Choice, smears: Floats) -> tuple[Found, int]:
    """Return the best path with one slope and bend, `place` beyond those of the track, and how many there are."""
    steps, bend = place
    precision, apart = choice.precision, choice.apart[0]
    n_spectra = window.power.shape[0]
    best = _nothing(track)
    # The quadratic form of precision, as a function of the centre alone: p (a + half)^2 + rest.
    half = (precision[0, 1] * steps + precision[0, 2] * bend) / precision[0, 0]
    rest = precision[1, 1] * steps * steps + 2 * precision[1, 2] * steps * bend + precision[2, 2] * bend * bend
    left = (MOST_SIGMA**2 - rest) / precision[0, 0] + half * half
    if left < 0:
        return best, 0
    low = max(-choice.reach[0], math.ceil((-half - math.sqrt(left)) / apart))
    high = min(choice.reach[0], math.floor((-half + math.sqrt(left)) / apart))
    phases = max(1, round(1 / apart))
    stride = max(1, round(apart))
    for phase in range(min(phases, high - low + 1)):
        path = Path(track.centre + (low + phase) * apart, track.steps + steps, track.bend + bend)
        count = (high - low - phase) // phases + 1
        for smear in smears:
            box, share = best_box(path, smear, n_spectra)
            power, variance = _sums_along(window, box, stride, count)
            least = LEAST_THERE * n_spectra * box.width
            for i in range(count):
                if variance[i] < least:
                    continue
                value = power[i] / math.sqrt(variance[i])
                here = Path(path.centre + i * phases * apart, path.steps, path.bend)
                if _is_better(value, here, best, track):
                    there = MovingBox(box.start + i * stride, box.steps, box.bend, box.width)
                    best = Found(value, here, there, share, variance[i], 1.0)
    return best, max(0, high - low + 1)


@njit(cache=True, nogil=True)
def best_path(window: Window, track: Path, choice: Choice, smears: Floats) -> Found:
    """Return the strongest of the paths that a track's covariance allows.

    The track itself is always tried. Each path is measured by the box that is best for an emission on it, for each of
    the smears. Two paths side by side share samples, so they count as fewer: with `fresh` as the part of a path that
    its neighbour does not tell, a line of n paths holds 1 + (n - 1) fresh independent ones, and so on in all
    directions.

    Parameters
    ----------
    window : Window
        Power around the track.
    track : Path
        Its prediction.
    choice : Choice
        Which other paths are tried.
    smears : float64 (smears,)
        Columns over which the emission may be spread in each spectrum.
    """
    best, trials = _nothing(track), 0.0
    for b in range(-choice.reach[2], choice.reach[2] + 1):
        in_plane = 0.0
        for s in range(-choice.reach[1], choice.reach[1] + 1):
            place = (s * choice.apart[1], b * choice.apart[2])
            found, count = _line(window, track, place, choice, smears)
            if _is_better(found.snr, found.path, best, track):
                best = found
            if count:
                in_line = 1 + (count - 1) * choice.fresh[0]
                in_plane += in_line * (choice.fresh[1] if in_plane else 1.0)
        if in_plane:
            trials += in_plane * (choice.fresh[2] if trials else 1.0)
    return Found(best.snr, best.path, best.box, best.share, best.variance, max(1.0, trials))


@njit(cache=True, nogil=True)
def samples_along(window: Window, box: MovingBox, band: tuple[int, int]) -> tuple[int, int, float]:
    """Return how many samples of a box are in columns [low, high) of `band`, and how many of them are not lost.

    The third value is the sum of the weights of these.
    """
    inside, there, weight = 0, 0, 0.0
    n_spectra, columns = window.variance.shape
    for t in range(n_spectra):
        start = column_of(box, t, n_spectra)
        stop = start + box.width
        inside += max(0, min(stop, band[1]) - max(start, band[0]))
        for c in range(max(0, start), min(columns, stop)):
            there += window.variance[t, c] > 0
            weight += math.sqrt(window.variance[t, c])
    return inside, there, weight
