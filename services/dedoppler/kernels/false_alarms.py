"""The number of places in which noise alone makes a box of a given SNR."""

import math

import numpy as np
from numba import njit

from shared.arrays import Floats


@njit(nogil=True, cache=True)
def gamma_tail(shape: float, snr: float) -> float:
    """Return the probability that a gamma variable lies `snr` of its standard deviations above its mean, or more.

    The saddlepoint approximation of Lugannani and Rice (1980, Advances in Applied Probability 12), whose error is
    below 1 % here for a shape of 1 or more.

    Parameters
    ----------
    shape : float
        Of the gamma distribution.
    snr : float
        Positive.
    """
    above = snr / math.sqrt(shape)
    # -log1p(above) + above loses its digits where `above` is small; its series doesn't.
    exponent = shape * (above - math.log1p(above)) if above > 1e-4 else shape * above**2 * (0.5 - above / 3)
    w = math.sqrt(2 * exponent)
    density = math.exp(-exponent) / math.sqrt(2 * math.pi)
    return max(0.0, 0.5 * math.erfc(w / math.sqrt(2)) + density * (1 / snr - 1 / w))


@njit(nogil=True, cache=True)
def last_of_its_clump(level: float) -> float:
    """Return the share of the boxes above a level that no later box of their row exceeds: x^2 nu(x) / 2.

    nu is the correction for discrete steps of Siegmund and Yakir (2007, The Statistics of Gene Mapping).

    Parameters
    ----------
    level : float
        The level times the standard deviation of the statistic's change from one box to the next.
    """
    half = level / 2
    below = 0.5 * math.erfc(-half / math.sqrt(2))
    density = math.exp(-half * half / 2) / math.sqrt(2 * math.pi)
    return level * (below - 0.5) / (half * below + density)


@njit(nogil=True, cache=True)
def hits_per_channel(snr: Floats, drifts_of_width: Floats, samples_per_channel: float) -> Floats:
    """Return the expected number of hits of each SNR or above that start in one channel of noise: float64 (n,).

    Parameters
    ----------
    snr : float64 (n,)
        Positive.
    drifts_of_width : float64 (widest,)
        Number of drifts at which the search finds boxes of 1, 2, ... channels, times the share of clumps that become
        hits of their own.
    samples_per_channel : float
        Samples of noise in one channel: spectra times the samples averaged in each.
    """
    expected = np.zeros(len(snr))
    for i in range(len(snr)):
        for k in range(len(drifts_of_width)):
            clumps = last_of_its_clump(snr[i] / math.sqrt(k + 1.0)) ** 3
            expected[i] += drifts_of_width[k] * clumps * gamma_tail(samples_per_channel * (k + 1), snr[i])
    return expected
