"""The power that a drifting tone leaves in a filterbank, without noise.

The response of a fine channel to a tone at a distance of `d` channels is sinc^2(d) (an unwindowed Fourier transform).
The response to a tone that moves by `r` channels during one spectrum is the mean of sinc^2 over its path, which is
wider and lower.
"""

import math
from dataclasses import dataclass

import numpy as np

from shared.arrays import Floats, Indices
from shared.header import Header

_TABLE_STEP = 1 / 256
_TABLE_END = 64.0
_STEPS_EACH_SIDE = 3
_FAINTEST_WING_SNR = 0.05
_SHORTEST_REACH = 32
_LONGEST_REACH = 4096


@dataclass(frozen=True)
class Tone:
    """A sine wave whose frequency changes linearly.

    Attributes
    ----------
    frequency_hz : float
        In the middle of the first spectrum.
    drift_rate_hz_s : float
        Positive for a rising frequency.
    snr : float
        Largest calibrated statistic, (path sum) / (sqrt(T * width) * sigma), over all start channels, drift steps and
        widths, without noise.
    """

    frequency_hz: float
    drift_rate_hz_s: float
    snr: float


def _response_integral_table() -> tuple[Floats, Floats]:
    """Return x and the integral of sinc^2 from 0 to x on a fine grid, by Simpson's rule."""
    x = np.arange(0.0, _TABLE_END + _TABLE_STEP, _TABLE_STEP)
    left, middle, right = np.sinc(x[:-1]) ** 2, np.sinc(x[:-1] + _TABLE_STEP / 2) ** 2, np.sinc(x[1:]) ** 2
    return x, np.concatenate([[0.0], np.cumsum((left + 4 * middle + right) * _TABLE_STEP / 6)])


_X, _INTEGRAL = _response_integral_table()


def response_integral(x: Floats) -> Floats:
    """Return the integral of sinc^2(u) for u from 0 to `x` (channels), which tends to +-1/2.

    Beyond the table it is 1/2 - 1/(2 pi^2 x).
    """
    size = np.abs(x)
    far = 0.5 - 1.0 / (2 * math.pi**2 * np.maximum(size, 1.0))
    return np.sign(x) * np.where(size <= _TABLE_END, np.interp(size, _X, _INTEGRAL), far)


def smeared_response(distance: Floats, channels_per_spectrum: float) -> Floats:
    """Return the mean response at `distance` from the tone's middle while it moves by `channels_per_spectrum`."""
    r = abs(channels_per_spectrum)
    if r < 0.02:
        # The difference of two integrals would lose digits; the response is constant over so short a path.
        return np.asarray(np.sinc(distance) ** 2)
    return (response_integral(distance + r / 2) - response_integral(distance - r / 2)) / r


def unit_tone(header: Header, tone: Tone) -> tuple[int, Floats]:
    """Return (first channel, float64 (T, channels)): a tone of power 1 per spectrum, wings included.

    The region may reach beyond the file's channels if the tone drifts out of the file.
    """
    t_index = np.arange(header.n_spectra)
    step = tone.drift_rate_hz_s * header.tsamp_s / header.foff_hz
    start = (tone.frequency_hz - header.fch1_mhz * 1e6) / header.foff_hz
    centre = start + step * t_index
    reach = math.ceil(math.sqrt(max(tone.snr, 0.0) / _FAINTEST_WING_SNR) / math.pi) + _SHORTEST_REACH
    reach = min(reach, _LONGEST_REACH) + math.ceil(abs(step))
    first = math.floor(centre.min()) - reach
    channels = np.arange(first, math.ceil(centre.max()) + reach + 1, dtype=np.float64)
    return first, smeared_response(channels[None, :] - centre[:, None], step)


def path_offsets(n_spectra: int, steps: int) -> Indices:
    """Return a path's channel offset at each spectrum: the nearest integer to steps * t / (T - 1)."""
    t_index = np.arange(n_spectra, dtype=np.int64)
    offsets: Indices = np.sign(steps) * ((2 * abs(steps) * t_index + n_spectra - 1) // (2 * (n_spectra - 1)))
    return offsets


def _best_of_path(power: Floats, steps: int, widths: Indices) -> tuple[float, int]:
    """Return (statistic, width) of the best box of one path over all starts and the given widths, for sigma 1."""
    n_spectra, n_channels = power.shape
    offsets = path_offsets(n_spectra, steps)
    span = abs(steps)
    summed = np.zeros(n_channels + 2 * span)
    for row, offset in zip(power, offsets, strict=True):
        summed[span - offset : span - offset + n_channels] += row
    prefix = np.concatenate([[0.0], np.cumsum(summed)])
    best, best_width = 0.0, 1
    for width in widths:
        value = float((prefix[width:] - prefix[:-width]).max()) / math.sqrt(n_spectra * width)
        if value > best:
            best, best_width = value, int(width)
    return best, best_width


def best_statistic(power: Floats, channels_per_spectrum: float) -> float:
    """Return the largest (path sum) / sqrt(T * width) in noiseless `power`, float64 (T, channels)."""
    n_spectra, n_channels = power.shape
    nearest = round(channels_per_spectrum * (n_spectra - 1))
    all_steps = range(nearest - _STEPS_EACH_SIDE, nearest + _STEPS_EACH_SIDE + 1)
    widest = min(n_channels, math.ceil(1.5 * abs(channels_per_spectrum)) + 6)
    coarse = np.unique(np.geomspace(1, widest, 48).astype(np.int64))
    _, width = _best_of_path(power, nearest, coarse)
    around = max(2, width // 10)
    fine = np.arange(max(1, width - around), min(widest, width + around) + 1)
    return max(_best_of_path(power, steps, fine)[0] for steps in all_steps)


def tone_power(header: Header, tone: Tone) -> tuple[int, Floats]:
    """Return (first channel, float64 (T, channels)): a tone in units of a sample's sigma, wings included.

    It is scaled so that its largest box statistic is `tone.snr`. A tone that drifts out of the file is scaled as if it
    stayed inside.
    """
    first, power = unit_tone(header, tone)
    step = tone.drift_rate_hz_s * header.tsamp_s / header.foff_hz
    return first, power * (tone.snr / best_statistic(power, step))
