"""Paths of drifting boxes, and the sums over two spectra that several paths share.

Over two consecutive spectra all paths use the same few pairs of boxes, only at different starts. Each such pair is
summed once for all starts, and a path is the sum of one pair per two spectra: half of the work, and still the plain sum
over the path's own boxes. (Sums over four spectra are shared by so few paths that at T = 16 they save nothing.)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.arrays import Indices

# int32 halves the memory: there is one part per path and two spectra.
Parts = npt.NDArray[np.int32]


class PairSums(NamedTuple):
    """The pairs of boxes that a set of paths consists of.

    Attributes
    ----------
    pairs : int64 (pairs, 4)
        Each (t, shift, lowest, highest), in order of t: the box of spectrum t plus the box of spectrum t + 1, `shift`
        strides further on (no second box where t is the last spectrum). Paths need the pair at the offsets from
        `lowest` to `highest` from their start, in strides.
    paths : int32 (paths, ceil(T / 2), 2)
        Each (pair, offset): the parts that add up to the path.
    """

    pairs: Indices
    paths: Parts


@njit(cache=True, nogil=True)
def path_offset(steps: int, t: int, n_spectra: int, stride: int) -> int:
    """Return the nearest integer to steps * t / ((T - 1) * stride), halves away from zero, so it is odd in `steps`."""
    divisor = 2 * (n_spectra - 1) * stride
    if steps >= 0:
        return (2 * steps * t + (n_spectra - 1) * stride) // divisor
    return -((-2 * steps * t + (n_spectra - 1) * stride) // divisor)


@njit(cache=True, nogil=True)
def pair_sums(steps: Indices, n_spectra: int, stride: int) -> PairSums:
    """Split paths into pairs of boxes.

    Parameters
    ----------
    steps : int64 (paths,)
        Drift steps of the paths, channels.
    n_spectra : int
        T, at least 2.
    stride : int
        Channels between starts.

    Returns
    -------
    PairSums
        Each pair occurs once.
    """
    n_parts = (n_spectra + 1) // 2
    pairs, known = np.empty((8 * n_parts, 4), np.int64), 0
    paths = np.empty((len(steps), n_parts, 2), np.int32)
    for part in range(n_parts):
        t, first = 2 * part, known
        for d in range(len(steps)):
            offset, shift = path_offset(steps[d], t, n_spectra, stride), 0
            if t + 1 < n_spectra:
                shift = path_offset(steps[d], t + 1, n_spectra, stride) - offset
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
    return PairSums(pairs[:known].copy(), paths)
