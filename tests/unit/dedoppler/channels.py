"""The ladder's kernels on channels instead of sums of `hop` channels."""

import numpy as np

from services.dedoppler.kernels import width_trial as ladder
from services.dedoppler.kernels.pair_sums import pair_sums
from services.dedoppler.search.coarse_search import SCREEN_STARTS
from shared.arrays import Indices, Power


def hop_sums(x: Power, first: int, hop: int) -> tuple[Power, int]:
    """Sums of `hop` channels of `x`, aligned to channel `first`, and the column of that channel in them."""
    skip = first % hop
    sums, at, done = np.ascontiguousarray(x[:, skip:]), first - skip, 1
    while done < hop:
        sums, at, done = ladder.halved(sums, 0, sums.shape[1] // 2), at // 2, 2 * done
    return sums, at


def rung_statistics(x: Power, first: int, count: int, width: int, hop: int, drifts: Indices) -> Power:
    """Statistics of a rung: (drifts, count), start `i` at channel first + i * hop."""
    sums, at = hop_sums(x, first, hop)
    return ladder.rung_statistics(sums, at, count, width // hop, hop, drifts)


def search_rung(x, first, n_starts, width, hop, drifts, threshold, hot):
    """Channels, steps and values of the maxima; `hot` has a flag for each channel of `x`."""
    sums, at = hop_sums(x, first, hop)
    pairs, paths = pair_sums(drifts, len(x), hop)
    suspect = np.ones((-(-n_starts // SCREEN_STARTS), len(drifts)), np.uint8)
    starts, steps, values = ladder.search_rung(
        sums, at, n_starts, width // hop, hop, drifts, pairs, paths, threshold, suspect, SCREEN_STARTS, hot[first:]
    )
    return first + starts * hop, steps, values
