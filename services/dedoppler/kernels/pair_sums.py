"""Which partial sums the paths of a rung have in common.

Over two spectra in a row all paths take the same few pairs of boxes, but for where they start. So each such pair is
summed once for all starts, and a path is the sum of one pair per two spectra: half of the work, and still the plain sum
over the path's own boxes. (Sums over four spectra would be shared by so few paths that at T = 16 they save nothing.)
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Indices = npt.NDArray[np.int64]
# There may be many: one per path and two spectra.
Parts = npt.NDArray[np.int32]


@njit(cache=True, nogil=True)
def path_offset(steps: int, t: int, n_spectra: int, hop: int) -> int:
    """Nearest integer to steps * t / ((T - 1) * hop), halves away from zero, so that it is odd in `steps`."""
    divisor = 2 * (n_spectra - 1) * hop
    if steps >= 0:
        return (2 * steps * t + (n_spectra - 1) * hop) // divisor
    return -((-2 * steps * t + (n_spectra - 1) * hop) // divisor)


@njit(cache=True, nogil=True)
def pair_sums(drifts: Indices, n_spectra: int, hop: int) -> tuple[Indices, Parts]:
    """The pairs of boxes that paths are made of.

    Args:
        drifts: int64, steps of the paths.
        n_spectra: T, at least 2.
        hop: channels between starts; offsets count in hops.

    Returns:
        pairs: int64 (pairs, 4), each (t, shift, lowest, highest): the box of spectrum t, and `shift` further on that of
            spectrum t + 1 (none where t is the last), which paths need at the offsets from `lowest` to `highest` from
            their start; in order of t.
        paths: int32 (drifts, ceil(T / 2), 2), each (pair, offset): what to add up for a path.
    """
    n_parts = (n_spectra + 1) // 2
    pairs, known = np.empty((8 * n_parts, 4), np.int64), 0
    paths = np.empty((len(drifts), n_parts, 2), np.int32)
    for part in range(n_parts):
        t, first = 2 * part, known
        for d in range(len(drifts)):
            offset, shift = path_offset(drifts[d], t, n_spectra, hop), 0
            if t + 1 < n_spectra:
                shift = path_offset(drifts[d], t + 1, n_spectra, hop) - offset
            k = first
            while k < known and pairs[k, 1] != shift:
                k += 1
            if k == known:
                if known == len(pairs):
                    pairs = np.concatenate((pairs, np.empty_like(pairs)))
                pairs[k, 0], pairs[k, 1], pairs[k, 2], pairs[k, 3] = t, shift, offset, offset
                known += 1
            pairs[k, 2], pairs[k, 3] = min(pairs[k, 2], offset), max(pairs[k, 3], offset)
            paths[d, part, 0], paths[d, part, 1] = k, offset
    return pairs[:known].copy(), paths
