"""The statistics of a width trial by channel, whatever its stride."""

import numpy as np

from services.dedoppler.kernels.pair_sums import pair_sums
from services.dedoppler.kernels.width_trial import Starts, Trial, halved, width_trial_statistics
from services.dedoppler.search.width_trials import WidthTrial
from shared.arrays import Power


def planned(trial: WidthTrial, n_spectra: int) -> Trial:
    """Return a width trial as its kernels take it."""
    pairs, paths = pair_sums(trial.steps, n_spectra, trial.stride)
    return Trial(trial.width // trial.stride, trial.stride, trial.steps, pairs, paths)


def stride_sums(x: Power, first: int, stride: int) -> tuple[Power, int]:
    """Return sums of `stride` channels of `x`, aligned to channel `first`, and the column of that channel in them."""
    skip = first % stride
    sums, at, done = np.ascontiguousarray(x[:, skip:]), first - skip, 1
    while done < stride:
        sums, at, done = halved(sums, 0, sums.shape[1] // 2), at // 2, 2 * done
    return sums, at


def trial_statistics(x: Power, first: int, count: int, trial: WidthTrial) -> Power:
    """Return the statistics of a width trial: float32 (drifts, count), start `i` at channel first + i * stride.

    Parameters
    ----------
    x : float32 (T, channels)
        Normalised power, wide enough for every path.
    first, count : int
        Channel of the first start, and number of starts.
    trial : WidthTrial
        Boxes and drifts.
    """
    sums, at = stride_sums(x, first, trial.stride)
    statistics: Power = width_trial_statistics(Starts(sums, at, count), planned(trial, len(x)))
    return statistics
