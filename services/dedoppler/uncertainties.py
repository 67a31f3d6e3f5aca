"""Standard errors of a hit's channel, drift, width and SNR."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Errors:
    """Standard errors of one hit: channels at the first spectrum, steps, channels of width, SNR."""

    channel: float
    steps: float
    width: float
    snr: float


def bandwidth_channels(width: int, steps: int, n_spectra: int) -> float:
    """Return the width of a box minus the smear of its drift, at least one channel."""
    return max(1.0, width - abs(steps) / (n_spectra - 1))


def errors_of(snr: float, width: int, bandwidth: float) -> Errors:
    """Return the standard errors of a box and its path.

    Summed along its track, a channel of the signal has an SNR of `snr / sqrt(width)`; let `q` be its inverse. A box
    that is moved a little gains and loses at its two edges.

    - A tone's edges are sharp: only its response and the whole channels of the path soften them, over e = 2.2 channels.
      Fisher's information gives sqrt(e / 2) q = 1.05 q for the middle of the track. Where noise is as strong as the
      tone (q near 1) an edge is found to about q^2 channels only, as change points are (Hinkley 1970, Biometrika 57).
    - The edges of an emission of some bandwidth `b` of its own are soft over `b` channels. A box of width `w` that is
      moved by `d` loses `snr d^2 / (w b)`, against noise of sqrt(2 d / w), so it strays by (sqrt(2) b q)^(2/3), as
      estimates of this kind do (Kim and Pollard 1990, Annals of Statistics 18).

    A line through equally good points is known at its first to twice the error of its middle, and from first to last
    to sqrt(12) times it. Whole channels and steps add their own part. The factors 2.5 and 0.25, those of the width and
    the parts of the grid are fitted to simulated signals: tones of SNR 12.5 to 200, up to 4 Hz/s, T 4, 16 and 60, and
    Gaussian lines of 10 to 300 Hz, SNR 15 to 150. Errors over stated ones scatter by 0.7 to 1.2 (1.5 for 100 Hz at
    SNR 15). Sigma itself is known to 0.5 %.

    Parameters
    ----------
    snr : float
        Statistic of the box.
    width : int
        Width of the box, channels.
    bandwidth : float
        The box's width minus the smear of its drift, at least 1 channel; see `bandwidth_channels`.
    """
    middle = _middle_error(snr, width, bandwidth)
    return Errors(
        channel=math.hypot(0.3, 2 * middle),
        steps=math.hypot(0.5, math.sqrt(12) * middle),
        width=math.hypot(0.4, 3 * middle),
        snr=math.hypot(1.0, 0.005 * snr),
    )


def spectra_inside(centre: float, steps: int, n_spectra: int, n_channels: int) -> int:
    """Return in how many spectra the centre of a track, at channel `centre` in the first, lies in the file's band.

    A track that leaves the band shows its drift over these spectra alone, so the error of the drift grows by the whole
    length over that part.
    """
    if steps == 0:
        return n_spectra
    to_edge = (n_channels - 0.5 - centre) if steps > 0 else centre + 0.5
    return max(1, min(n_spectra, 1 + int(to_edge * (n_spectra - 1) / abs(steps))))


def bend_error(snr: float, width: int, bandwidth: float, n_spectra: int) -> float:
    """Return the standard error of a parabola's distance from its chord in the middle, channels.

    The quadratic term of a parabola through equally good points is known to sqrt(180) times the error of their mean,
    over a length of 1, and the distance is a quarter of it. Whole channels, and the change of the smear along the
    track, add their own part, which is fitted to simulated tones of SNR 13 to 60 and 8 to 60 spectra.

    Parameters
    ----------
    snr : float
        Statistic along the parabola.
    width : int
        Width of the box, channels.
    bandwidth : float
        The box's width minus the smear of its drift, at least 1 channel.
    n_spectra : int
        T.
    """
    return math.hypot(0.3 + 3 / n_spectra, math.sqrt(180) / 4 * _middle_error(snr, width, bandwidth))


def _middle_error(snr: float, width: int, bandwidth: float) -> float:
    """Return the standard error of the middle of a track, channels; see `errors_of`."""
    q = math.sqrt(width) / max(snr, 1.0)
    sharp, soft = q * (1.05 + 2.5 * q), 0.25 * (math.sqrt(2) * (bandwidth - 1) * q) ** (2 / 3)
    return math.hypot(sharp, soft)
