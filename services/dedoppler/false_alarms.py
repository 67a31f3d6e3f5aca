"""How likely noise makes a hit: the number of false hits expected in the whole search."""

import functools

import numpy as np

from services.dedoppler.kernels.false_alarms import hits_per_channel
from services.dedoppler.search.boxes import MOST_BEND
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials
from shared.arrays import Floats, Hits
from shared.header import Header
from shared.hits import ChunkNoise

# The share of the clumps of chance boxes that become hits of their own, at these widths; between them a power law.
# Wide boxes overlap with narrower ones. Measured by `python -m science.measure.false_alarm_shares`, to about 15 %.
SHARE_WIDTHS = (1, 2, 4, 8, 16, 32)
SHARES = (1.0, 0.83, 0.8, 0.56, 0.43, 0.28)
# Bends of a curved track, to either side.
BENDS = 2 * MOST_BEND + 1
# More samples in a mean than this make its distribution normal.
MOST_AVERAGED = 1e6


def averaged_samples(noise: ChunkNoise) -> float:
    """Return how many samples of exponential noise each sample is the mean of: (level / sigma)^2, at least 1.

    If a mean was subtracted, so that the level is zero or below, the noise counts as normal.
    """
    if not noise.level or not noise.sigma or noise.level <= 0:
        return MOST_AVERAGED
    return min(max(1.0, (noise.level / noise.sigma) ** 2), MOST_AVERAGED)


def drifts_found(trials: tuple[WidthTrial, ...]) -> Floats:
    """Return the number of drift steps at which the search finds a chance box of 1, 2, ... channels.

    A width trial finds boxes from half to twice as wide as its own. Trials of neighbouring widths cover neighbouring
    drifts, so those that find a box cover a range without gaps.

    Parameters
    ----------
    trials : tuple of WidthTrial
        The coarse search's.

    Returns
    -------
    float64 (widest,)
        For widths from 1 to twice the widest trial's.
    """
    count = np.zeros(2 * max(trial.width for trial in trials))
    for k in range(len(count)):
        near = [trial for trial in trials if trial.width <= 2 * (k + 1) and k + 1 <= 2 * trial.width]
        slowest = min(int(np.abs(trial.steps).min()) for trial in near)
        fastest = max(int(trial.steps.max()) for trial in near)
        count[k] = 2 * (fastest - slowest + 1) - (slowest == 0)
    return count


@functools.lru_cache(maxsize=16)
def _weighted_drifts(n_spectra: int, max_steps: int) -> Floats:
    drifts = drifts_found(plan_width_trials(n_spectra, max_steps))
    widths = np.arange(1, len(drifts) + 1)
    share = np.exp(np.interp(np.log(widths), np.log(SHARE_WIDTHS), np.log(SHARES)))
    weighted: Floats = drifts * share
    return weighted


def expected_false_hits(hits: Hits, header: Header, max_drift_rate_hz_s: float, noise: ChunkNoise) -> Floats:
    """Return how many hits like each noise alone would make in the whole search.

    That is the number of hits of its SNR or above; for a curved track, if that is fewer, the number of straight hits of
    the curve's SNR times the number of bends tried.
    """
    straight = expected_at(hits["snr"], header, max_drift_rate_hz_s, noise)
    curved = BENDS * expected_at(hits["curved_snr"], header, max_drift_rate_hz_s, noise)
    number: Floats = np.where(hits["curvature_hz_s2"] == 0, straight, np.minimum(straight, curved))
    return number


def expected_at(snr: Floats, header: Header, max_drift_rate_hz_s: float, noise: ChunkNoise) -> Floats:
    """Return how many hits of each SNR or above noise alone would make in the whole search.

    A box above the SNR comes in a clump of its neighbours, which make one hit. By the Poisson clumping heuristic
    (Aldous 1989, Probability Approximations via the Poisson Clumping Heuristic) the clumps number as many as the boxes
    that are the last of theirs in each direction. Three changes of a box count as independent: its left edge (T of its
    T * width samples), its right edge, and its drift (half of the spectra, at both edges). Each changes the statistic
    by a standard deviation of 1 / sqrt(width). So the number is

        channels * sum over widths of drifts(width) * share(width) * last(snr / sqrt(width))^3 * P(width, snr)

    where P is the tail of a gamma distribution, whose shape is the number of samples in the box, and the shares correct
    for what the heuristic counts too often. They come from importance sampling of the search itself.

    Parameters
    ----------
    snr : float64 (n,)
        SNR of the hits.
    header : Header
        Of the whole file.
    max_drift_rate_hz_s : float
        Of the search, in either direction.
    noise : ChunkNoise
        What was measured around the hits; the whole file counts as alike.

    Returns
    -------
    float64 (n,)
        0 where the number is too small for a float.
    """
    drifts = _weighted_drifts(header.n_spectra, header.max_drift_steps(max_drift_rate_hz_s))
    samples = header.n_spectra * averaged_samples(noise)
    per_channel: Floats = hits_per_channel(np.maximum(snr, 1.0), drifts, samples)
    return header.n_channels * per_channel
