"""Weighted least squares of tracks f(t) = f + d t + c t^2 / 2 to the hits that belong to them."""

from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt

from services.classify.kernels.chains import ScanLines
from shared.arrays import Floats
from shared.cadence import CadenceParameters

# The rotation of the Earth, rad/s: what bounds the change of drift turns at this rate, so the change itself changes by
# at most so much of it a second.
EARTH_RATE_RAD_S = 2 * pi / 86_164.1


@dataclass(frozen=True)
class Bounds:
    """How much drift rates may change.

    `change_variance`, Hz^2/s^4: the bound as a prior. A change anywhere between -bound and +bound has a variance of
    bound^2 / 3. `jerk_hz_s3`: how fast the change itself may change.
    """

    change_variance: float
    jerk_hz_s3: float


def bounds_of(parameters: CadenceParameters) -> Bounds:
    """Return the bounds that follow from the parameters."""
    bound = parameters.max_drift_change_hz_s2
    # A bound of 0 is exact; a variance of 0 could not be inverted. 1e-9 Hz/s^2 moves nothing by 1 Hz within 12 hours.
    return Bounds(max(bound**2 / 3, 1e-18), bound * EARTH_RATE_RAD_S)


@dataclass(frozen=True)
class Fits:
    """Tracks, (n,): their values at the epoch, in Hz and powers of seconds, and the covariance (n, 3, 3).

    `chi_squared` is that of the hits and of the prior; with two values for each hit, `degrees_of_freedom` is twice the
    number of hits minus 2. The covariance is larger by chi squared per degree of freedom where that is above 1: then
    the hits' errors are stated too small.
    """

    value: Floats
    covariance: Floats
    chi_squared: Floats
    degrees_of_freedom: npt.NDArray[np.int64]

    def at(self, time_s: float, bow_s2: float = 0.0) -> tuple[Floats, Floats, Floats]:
        """Return frequency, drift rate and covariance (n, 2, 2) of both at a time after the epoch.

        With `bow_s2`, the frequency is that of the straight line through a scan around the time, see `ScanLines`.
        """
        rows = np.array([[1.0, time_s, time_s**2 / 2 + bow_s2], [0.0, 1.0, time_s]])
        values = self.value @ rows.T
        return values[:, 0], values[:, 1], rows @ self.covariance @ rows.T


def fit(lines: ScanLines, members: npt.NDArray[np.int32], bounds: Bounds) -> Fits:
    """Fit a track to each row of `members`: the index in `lines` of its hit in each scan, -1 for none.

    Each hit gives two values, the frequency in the middle of its scan and the drift rate, with independent errors. The
    bound on the change of drift is a third kind of value: a change of 0 with its variance. What the jerk may move a
    track by, seen from the middle of its hits, adds to the errors.

    Parameters
    ----------
    lines : ScanLines
        The hits.
    members : int32 (n, scans)
        At least one hit in each row.
    bounds : Bounds
        On the change of drift.

    Returns
    -------
    Fits
        At time 0 of `lines`.
    """
    is_in = members >= 0
    count = is_in.sum(axis=1)
    centre_s = (is_in @ lines.time_s) / np.maximum(count, 1)
    first = np.where(is_in, members, np.iinfo(np.int32).max).min(axis=1)
    origin_hz = lines.middle_hz[first] if len(members) else np.empty(0)
    normal, right, squares = np.zeros((len(members), 3, 3)), np.zeros((len(members), 3)), np.zeros(len(members))
    normal[:, 2, 2] = 1 / bounds.change_variance
    for scan, time_s in enumerate(lines.time_s):
        rows = np.flatnonzero(is_in[:, scan])
        hits = members[rows, scan]
        after = time_s - centre_s[rows]
        position = np.stack([np.ones(len(rows)), after, after**2 / 2 + lines.bow_s2[scan]], axis=1)
        slope = np.stack([np.zeros(len(rows)), np.ones(len(rows)), after], axis=1)
        bend, turn = bounds.jerk_hz_s3 * abs(after) ** 3 / 6, bounds.jerk_hz_s3 * after**2 / 2
        for design, seen, variance in (
            (position, lines.middle_hz[hits] - origin_hz[rows], lines.middle_variance[hits] + bend**2),
            (slope, lines.drift_hz_s[hits], lines.drift_variance[hits] + turn**2),
        ):
            normal[rows] += design[:, :, None] * design[:, None, :] / variance[:, None, None]
            right[rows] += design * (seen / variance)[:, None]
            squares[rows] += seen**2 / variance
    covariance = _inverse(normal)
    value = np.einsum("nij,nj->ni", covariance, right)
    chi_squared = np.maximum(squares - np.einsum("ni,ni->n", value, right), 0.0)
    freedom = 2 * count - 2
    scale = np.where(freedom > 0, np.maximum(1.0, chi_squared / np.maximum(freedom, 1)), 1.0)
    to_epoch = np.tile(np.eye(3), (len(members), 1, 1))
    to_epoch[:, 0, 1], to_epoch[:, 0, 2], to_epoch[:, 1, 2] = -centre_s, centre_s**2 / 2, -centre_s
    value = np.einsum("nij,nj->ni", to_epoch, value)
    value[:, 0] += origin_hz
    covariance = to_epoch @ (covariance * scale[:, None, None]) @ to_epoch.transpose(0, 2, 1)
    return Fits(value, covariance, chi_squared, freedom.astype(np.int64))


def _inverse(normal: Floats) -> Floats:
    """Return the inverses of normal matrices whose diagonals differ by many orders of magnitude."""
    scale = 1 / np.sqrt(np.einsum("nii->ni", normal))
    scaled = normal * scale[:, :, None] * scale[:, None, :]
    inverse: Floats = np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :] if len(normal) else normal
    return inverse
