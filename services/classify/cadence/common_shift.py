"""Where the lines of a comb are to be expected in other scans: all of them move by one common shift.

Lines that are a few drift errors apart find wrong partners: over ten minutes, half a drift step moves a line by 3 Hz.
The shift of a comb as a whole is known far better, since most of its lines find the right partner.
"""

import numpy as np

from services.classify.kernels.chains import MOST_APART, Members, ScanLines
from shared.arrays import Floats, Indices

# So many pairs next to a hit, on both sides together, say how its comb moves; at least so many must be alike, and most
# of them must agree on the shift.
NEIGHBOURS, FEWEST, AGREE = 24, 5, 0.5
# Lines of one emitter are within this part of their frequency, see `families.REACH`.
REACH = 1e-4
# Values are alike within so many errors.
ALIKE_ERRORS = 3.0
# Shifts of more hits times scans than this are left out: they would take more than 160 MB.
MOST_VALUES = 20_000_000


def common_shifts(lines: ScanLines, members: Members) -> Floats:
    """Return where each hit is expected in the other scans, by the shift of like lines around it.

    Parameters
    ----------
    lines : ScanLines
        The hits.
    members : int32 (m, scans)
        Chains of hits, most of them right.

    Returns
    -------
    float64 (n, scans)
        Middle frequency, Hz; NaN where no common shift is seen. Of shape (n, 0) where none is seen anywhere.
    """
    n, n_scans = len(lines.middle_hz), len(lines.time_s)
    none = np.empty((n, 0))
    if n * n_scans > MOST_VALUES:
        return none
    expected = np.full((n, n_scans), np.nan)
    for one in range(n_scans):
        for other in range(max(0, one - MOST_APART), min(n_scans, one + MOST_APART + 1)):
            pairs = members[(members[:, one] >= 0) & (members[:, other] >= 0)][:, [one, other]]
            if one != other and len(pairs) >= FEWEST:
                hits = np.arange(lines.first[one], lines.first[one + 1])
                expected[hits, other] = _expected(lines, hits, pairs.astype(np.int64))
    return expected if np.isfinite(expected).any() else none


def _expected(lines: ScanLines, hits: Indices, pairs: Indices) -> Floats:
    """Return where the hits of one scan are expected in another; `pairs` are hits of both, (m, 2)."""
    pairs = pairs[np.argsort(pairs[:, 0])]
    place = np.searchsorted(pairs[:, 0], hits)
    around = place[:, None] + np.arange(-NEIGHBOURS // 2, NEIGHBOURS // 2)[None, :]
    inside = (around >= 0) & (around < len(pairs))
    near, far = pairs[np.clip(around, 0, len(pairs) - 1)].transpose(2, 0, 1)
    frequency = lines.middle_hz[hits]
    off = lines.drift_hz_s[near] - lines.drift_hz_s[hits][:, None]
    variance = lines.drift_variance[near] + lines.drift_variance[hits][:, None]
    alike = inside & (off**2 <= ALIKE_ERRORS**2 * variance)
    alike &= np.abs(lines.middle_hz[near] - frequency[:, None]) <= REACH * np.abs(frequency)[:, None]
    shift = (lines.middle_hz[far] - lines.middle_hz[near]) / lines.middle_hz[near] * frequency[:, None]
    error = np.sqrt(lines.middle_variance[near] + lines.middle_variance[far])
    enough = alike.sum(axis=1) >= FEWEST
    middle = np.full(len(hits), np.nan)
    middle[enough] = np.nanmedian(np.where(alike, shift, np.nan)[enough], axis=1)
    with np.errstate(invalid="ignore"):
        agree = alike & (np.abs(shift - middle[:, None]) <= ALIKE_ERRORS * error)
    is_common = agree.sum(axis=1) >= np.maximum(FEWEST, AGREE * alike.sum(axis=1))
    mean = np.where(agree, shift, 0.0).sum(axis=1) / np.maximum(agree.sum(axis=1), 1)
    return np.where(is_common, frequency + mean, np.nan)
