"""Which paths near a track are tried, from its covariance in a scan."""

import math
from collections.abc import Sequence

import numpy as np

from services.dedoppler.kernels.track_paths import MOST_SIGMA, Choice
from services.dedoppler.tracks.prediction import Prediction
from shared.arrays import Floats, Indices

# An emission so narrow may be a tone: the width of a hit is known to a channel or so.
TONE_CHANNELS = 2.5
# Up to this width both are tried, a tone and an emission of that width.
MAYBE_TONE_CHANNELS = 8.0
# No box is wider than that of the search, beside its smear.
WIDEST_EMISSION = 256.0
# Farther from the track nothing is tried: channels, steps and bends in units of their distances.
MOST_CHANNELS = 2048
MOST_STEPS, MOST_BENDS = 256, 8
# Of all the paths of a track in a scan, those nearest to the prediction are tried up to this number: a hundredth of a
# second. A hit says so little of a scan days later that there are millions.
MOST_PATHS = 2**15
MOST_HALVINGS = 64
# SNR for which the number of independent paths is counted.
TRIALS_SNR = 3.5
# Boxes of another width on the same path count as so much of a path of their own.
FRESH_WIDTH = 0.6


def smears_of(prediction: Prediction, n_spectra: int) -> Floats:
    """Return over how many channels the emission may be spread in each spectrum, float64 (1 or 2,).

    A hit's bandwidth is that of its box less the smear of its drift, and one channel for a tone.
    """
    drift, bandwidth = prediction.smear(n_spectra), min(prediction.bandwidth, WIDEST_EMISSION)
    if bandwidth < TONE_CHANNELS:
        return np.array([drift])
    spread = [drift + bandwidth - 1]
    return np.array([*spread, drift] if bandwidth < MAYBE_TONE_CHANNELS else spread)


def choose(prediction: Prediction, smears: Floats) -> Choice:
    """Return the paths to try: those within three standard deviations of the track.

    Neighbours are a third of a channel and a step of drift apart, or a twelfth and a sixth of a wide box. The distance
    of the grid is added to the errors, a sixth of it as a standard deviation, so an error below a third of a channel
    leaves no choice. If there are more than `MOST_PATHS`, the errors of the track count as smaller by a power of two.

    Parameters
    ----------
    prediction : Prediction
        The track in the scan.
    smears : float64 (smears,)
        Channels over which the emission may be spread in each spectrum.
    """
    width, apart = 1 + float(smears.min()), _apart(smears)
    covariance, reach, _ = _grid(prediction, apart)
    # Of the boxes of neighbouring paths, so many channels differ: half of the larger of both ends, on average.
    moved = apart * np.array([1.0, 1 / 4, 1 / 3])
    fresh = np.array([_fresh(1 - min(1.0, shift / width)) for shift in moved])
    precision: Floats = np.linalg.inv(covariance).astype(np.float64)
    return Choice(precision, apart, reach, fresh)


def tries_few(prediction: Prediction, smears: Floats) -> bool:
    """Return whether paths that the track's covariance allows are left out, since there are too many."""
    return _grid(prediction, _apart(smears))[2] < 1


def _apart(smears: Floats) -> Floats:
    """Return the distances of neighbours: of centres, steps and bends."""
    width = 1 + float(smears.min())
    # A power of two, or one over a whole number.
    along = 1 / 3 if width < 4 else float(max(1, round(width / 12)))
    across = max(1.0, width / 6)
    return np.array([along, across, across])


def _grid(prediction: Prediction, apart: Floats) -> tuple[Floats, Indices, float]:
    """Return the covariance that bounds the paths, how far they reach in units of `apart`, and the errors' part."""
    most = np.array([MOST_CHANNELS, MOST_STEPS * apart[1], MOST_BENDS * apart[2]]) / apart
    floor = np.diag((apart / (2 * MOST_SIGMA)) ** 2)
    for part in [*(2.0**-halvings for halvings in range(MOST_HALVINGS)), 0.0]:
        covariance = floor + part**2 * prediction.covariance if part else floor
        sigma = np.sqrt(np.diag(covariance))
        reach = np.minimum(MOST_SIGMA * sigma / apart, most).astype(np.int64)
        # The volume of the ellipsoid in cells of the grid; the box around it holds fewer where it is cut off.
        correlation = covariance / np.outer(sigma, sigma)
        share = math.sqrt(max(0.0, float(np.linalg.det(correlation))))
        volume = 4 / 3 * math.pi * float(np.prod(MOST_SIGMA * sigma / apart)) * share
        if min(float(np.prod(2.0 * reach + 1)), volume) <= MOST_PATHS:
            break
    return covariance, reach, part


def with_widths(trials: float, smears: Sequence[float] | Floats) -> float:
    """Return the number of independent paths, with those of another width."""
    return trials * (1 + FRESH_WIDTH * (len(smears) - 1))


def _fresh(correlation: float) -> float:
    """Return how often a sum exceeds `TRIALS_SNR` where its neighbour does not, relative to a sum without neighbours.

    A normal deviate above u exceeds it by 1 / u on average. Given that, one that correlates with it by r is below u
    with the probability P((u - r (u + 1 / u)) / sqrt(1 - r^2)).
    """
    apart = TRIALS_SNR - correlation * (TRIALS_SNR + 1 / TRIALS_SNR)
    spread = math.sqrt(max(1e-12, 1 - correlation**2))
    return 0.5 * (1 + math.erf(apart / spread / math.sqrt(2)))
