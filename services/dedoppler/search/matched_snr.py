"""The SNR of one path whose spectra are not alike: some samples are lost, or the noise changes with time."""

import math

import numpy as np

from services.dedoppler.kernels.gains import Weighting, path_profile
from shared.arrays import Floats, Indices, Power


class MatchedSnr:
    """Computes the SNR of paths from what each of their spectra holds."""

    def __init__(self, x: Power, power: Power, pad: int, weighting: Weighting | None) -> None:
        """Prepare to compute SNRs.

        Parameters
        ----------
        x : float32 (T, channels + 2 * pad)
            Normalised power times the weights, 0 where a sample is lost.
        power : float32 (T, channels)
            Raw power, NaN or Inf where a sample is lost.
        pad : int
            Columns of `x` before the first channel.
        weighting : Weighting or None
            The weights; None if all are 1.
        """
        self._x, self._power, self._pad = x, power, pad
        self._weighting = weighting

    def __call__(self, column: int, steps: int, width: int) -> float:
        """Return the SNR of a box and its path.

        With u_t the sum over a box's n_t samples in spectrum t, in units of sigma, and a_t the signal's expected share,

            SNR = sum_t a_t u_t / sqrt(sum_t a_t^2 n_t)

        is of sigma 1 in noise, and largest where a_t is the signal's true strength in units of that spectrum's noise:
        constant if the gain changes, 1 / noise_t if noise is added. The noise alone does not tell the two apart, so the
        larger SNR is taken. Noise exceeds a threshold at most twice as often for it.

        Parameters
        ----------
        column, steps, width : int
            Column of `x` in the first spectrum, drift steps, channels.
        """
        total, samples = path_profile(self._x, self._power, self._pad, (column, steps, width))
        if self._weighting is None:
            return _snr(total, samples, np.ones(len(total)))
        middle = column + steps // 2 + width // 2 - self._pad
        edges = self._weighting.edges
        block = int(np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, len(edges) - 2))
        added, weight = self._weighting.share[:, block], self._weighting.weight[:, block]
        total = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
        return max(_snr(total, samples, share) for share in (np.sign(added), added))


def _snr(total: Floats, samples: Indices, share: Floats) -> float:
    variance = float(np.sum(share**2 * samples))
    return float(np.sum(share * total)) / math.sqrt(variance) if variance > 0 else 0.0
