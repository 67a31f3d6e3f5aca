"""The tracks of a cadence in every scan: measured in its samples, or listed among its hits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.classify.cadence.association import hits_on_tracks
from services.classify.cadence.joining import Joined
from services.classify.cadence.lines import lines_of, strength_hz
from services.classify.cadence.scans import Scan
from shared.arrays import Floats, Indices
from shared.cadence_document import ScanState
from shared.tracks import LOST, MEASURED, OUTSIDE, Measurements

STATES: tuple[ScanState, ...] = ("hit", "measured", "listed", "outside", "lost", "silent", "missing")
IN_HIT, IN_MEASURED, IN_LISTED, IN_OUTSIDE, IN_LOST, IN_SILENT, IN_MISSING = range(len(STATES))

# Fields of a measurement that are kept as they are.
_VALUES = (
    "snr",
    "snr_error",
    "snr_limit",
    "strength_hz",
    "strength_error_hz",
    "frequency_hz",
    "frequency_error_hz",
    "drift_rate_hz_s",
    "drift_rate_error_hz_s",
    "trials",
)


@dataclass(frozen=True)
class Observed:
    """All arrays are (tracks, scans), scans in order of time.

    `state` is a place in `STATES`; `hit` the place of a hit among those of the scan, -1 for none. The values are those
    of `shared.tracks.MEASUREMENT_DTYPE`, or those of the hit where nothing was measured, else NaN. `predicted_hz` is
    where the track is in the middle of the first spectrum.
    """

    state: npt.NDArray[np.int8]
    hit: Indices
    snr: Floats
    snr_error: Floats
    snr_limit: Floats
    strength_hz: Floats
    strength_error_hz: Floats
    frequency_hz: Floats
    frequency_error_hz: Floats
    drift_rate_hz_s: Floats
    drift_rate_error_hz_s: Floats
    trials: Floats
    predicted_hz: Floats

    @property
    def is_measured(self) -> npt.NDArray[np.bool_]:
        """Where the samples of a scan were measured along a track."""
        return np.isin(self.state, (IN_HIT, IN_MEASURED))

    @property
    def has_hit(self) -> npt.NDArray[np.bool_]:
        """Where the hit list of a scan has a hit on a track."""
        return np.greater_equal(self.hit, 0)


def observed(joined: Joined, measured: Mapping[int, Measurements] | None) -> Observed:
    """Return the tracks in every scan.

    Parameters
    ----------
    joined
        The tracks.
    measured
        By the place of a scan: rows of `MEASUREMENT_DTYPE`, in any order and any number; None if there are no samples.
    """
    shape = (len(joined), len(joined.scans))
    state, hit = np.full(shape, IN_MISSING, np.int8), np.full(shape, -1, np.int64)
    predicted = np.full(shape, np.nan)
    values = {name: np.full(shape, np.nan) for name in _VALUES}
    for scan in joined.scans:
        if not scan.has_results:
            continue
        at = scan.index
        predicted[:, at] = joined.association.fits.at(scan.first_s)[0]
        hit[:, at] = _hits_of(joined, scan)
        rows = (measured or {}).get(at)
        if rows is None:
            inside = (predicted[:, at] >= scan.band_hz[0]) & (predicted[:, at] <= scan.band_hz[1])
            # A table doesn't say where its band ends.
            inside |= scan.header is None
            state[:, at] = np.where(hit[:, at] >= 0, IN_LISTED, np.where(inside, IN_SILENT, IN_OUTSIDE))
            _of_hits(scan, hit[:, at], values)
        else:
            state[:, at] = _of_measurements(rows, hit[:, at], values, at)
    return Observed(state=state, hit=hit, predicted_hz=predicted, **values)


def _hits_of(joined: Joined, scan: Scan) -> Indices:
    """Return the place, among the hits of a scan, of the one on each track: that of the association for ON scans."""
    for on, joined_scan in enumerate(joined.ons):
        if joined_scan.index == scan.index:
            member = joined.association.members[:, on]
            return np.where(member >= 0, joined.lines.place[member], -1)
    lines = lines_of([scan], joined.parameters.snr_threshold)
    found = hits_on_tracks(lines, 0, joined.association.fits)
    return np.where(found >= 0, lines.place[found], -1) if len(lines.place) else found


def _of_hits(scan: Scan, hit: Indices, values: dict[str, Floats]) -> None:
    """Fill in the values of hits."""
    tracks, hits = np.flatnonzero(hit >= 0), hit[hit >= 0]
    of = scan.hits
    unit = strength_hz(scan, np.ones(len(hits)), of.bandwidth_hz[hits])
    for name, value in (
        ("snr", of.snr[hits]),
        ("snr_error", np.ones(len(hits))),
        ("strength_hz", of.snr[hits] * unit),
        ("strength_error_hz", unit),
        ("frequency_hz", of.frequency_hz[hits]),
        ("frequency_error_hz", of.frequency_error_hz[hits]),
        ("drift_rate_hz_s", of.drift_rate_hz_s[hits]),
        ("drift_rate_error_hz_s", of.drift_rate_error_hz_s[hits]),
        ("trials", np.ones(len(hits))),
    ):
        values[name][tracks, scan.index] = value


def _of_measurements(rows: Measurements, hit: Indices, values: dict[str, Floats], scan: int) -> npt.NDArray[np.int8]:
    """Fill in the measured values of a scan, and return the state of each track; one that no row names is lost."""
    state = np.full(len(hit), IN_LOST, np.int8)
    tracks = rows["track"]
    known = (tracks >= 0) & (tracks < len(hit))
    rows, tracks = rows[known], tracks[known]
    for name in _VALUES:
        values[name][tracks, scan] = rows[name]
    state[tracks] = np.select(
        [rows["state"] == MEASURED, rows["state"] == OUTSIDE, rows["state"] == LOST],
        [IN_MEASURED, IN_OUTSIDE, IN_LOST],
        IN_LOST,
    )
    state[(state == IN_MEASURED) & (hit >= 0)] = IN_HIT
    return state
