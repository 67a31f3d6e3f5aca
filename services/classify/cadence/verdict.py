"""Which tracks are events: in enough ON scans, in no OFF scan, and not standing still."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.classify.cadence.joining import Joined, needed_on_scans
from services.classify.cadence.observed import IN_LISTED, IN_SILENT, Observed
from services.classify.cadence.ownership import of_another_track
from services.classify.cadence.presence import (
    LEAST_PART,
    presence_probability,
    shown_together,
    threshold,
    weighted_mean,
)
from shared.arrays import Floats, Indices

# An ON scan shows a track with hits in several scans from this measured SNR on, as an OFF scan does: noise gets there
# once in 4300 paths. At 4.0, one emitter in ten whose SNR is 4 to 9 in one ON scan is lost, at 3.5 one in 25.
PRESENT_SNR = 3.5
# A track of one hit is looked for over many paths in all other scans, where the wings of a wandering line pass for it:
# noise gets there once in 30,000 paths.
PRESENT_SNR_OF_ONE_HIT = 4.0
# Upper limits are at three sigma.
LIMIT_ERRORS = 3.0
# A track stands still if chi squared of drift rate and change, two values, is at most this: 1 in 100 that stand still
# is beyond.
STILL = 9.2
# Rejected tracks are listed up to this number, the strongest first.
MOST_REJECTED = 1000


@dataclass(frozen=True)
class Judgement:
    """What the rule says of every track; arrays of scans are (tracks, scans).

    `present`: the scan shows the track. `taken`: what was measured is the line of another track. `counted`: the scan
    could have shown it. `ratio` is its strength in units of that in the ON scans that show it, with its error and upper
    limit; `probability` that of at least `LEAST_PART` of it, for events and the `MOST_REJECTED` first of `rejected`,
    the tracks that are no events by strength. `snr` is that of all ON scans together. `drift_hz_s`,
    `drift_error_hz_s` are those in the middle of the cadence. `double_of` is the event on whose line a track is, -1 for
    none; see `doubles`.
    """

    present: npt.NDArray[np.bool_]
    taken: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    ratio: Floats
    ratio_error: Floats
    ratio_limit: Floats
    probability: Floats
    snr: Floats
    drift_hz_s: Floats
    drift_error_hz_s: Floats
    stands_still: npt.NDArray[np.bool_]
    on_present: npt.NDArray[np.int64]
    off_present: npt.NDArray[np.int64]
    off_together: npt.NDArray[np.bool_]
    needed: npt.NDArray[np.int64]
    is_event: npt.NDArray[np.bool_]
    rejected: Indices
    double_of: Indices


def middle_s(joined: Joined) -> float:
    """Return the middle of the cadence: the mean of the middles of its ON scans, s since the epoch."""
    return float(np.mean([scan.middle_s for scan in joined.ons]))


def stands_still(joined: Joined) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return the drift rates in the middle of the cadence, their errors, and which tracks stand still."""
    fits = joined.association.fits
    at = np.array([[0.0, 1.0, middle_s(joined)], [0.0, 0.0, 1.0]])
    value, covariance = fits.value @ at.T, at @ fits.covariance @ at.T
    inverse = np.linalg.inv(covariance) if len(value) else covariance
    chi2 = np.einsum("ni,nij,nj->n", value, inverse, value)
    return value[:, 0], np.sqrt(covariance[:, 0, 0]), chi2 <= STILL


def judged(joined: Joined, seen: Observed) -> Judgement:
    """Return what the rule says of every track.

    An ON scan shows a track if its SNR along the track is significant, with the number of paths that were tried, and at
    least `LEAST_PART` of the strength elsewhere within three errors; or if its hit list has a hit on it, where nothing
    could be measured of at least the SNR threshold. The line of another track shows that one alone. An OFF scan shows
    it from `off_snr` on, likewise; several may show it together, though none does alone.
    """
    is_on = np.array([scan.role == "on" for scan in joined.scans])
    parameters, measured = joined.parameters, seen.is_measured
    taken = of_another_track(joined, seen)
    significant = measured & (seen.snr >= _least_snr(joined, seen)) & ~taken
    listed_on = (seen.state == IN_LISTED) & (seen.snr >= parameters.snr_threshold)
    on_there = (significant | (measured & seen.has_hit) | listed_on) & is_on
    on_there &= ~_is_faint(seen, on_there)
    leaks = measured & (seen.snr >= threshold(parameters.off_snr, seen.trials))
    listed_off = (seen.state == IN_LISTED) & (seen.snr >= parameters.off_snr)
    present = on_there | ((leaks | listed_off) & ~is_on)
    counted = measured | (seen.state == IN_LISTED) | (seen.state == IN_SILENT)
    mean, mean_error = weighted_mean(seen.strength_hz, seen.strength_error_hz, on_there)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = seen.strength_error_hz / seen.snr_error
        ratio = seen.strength_hz / mean[:, None]
        error = np.hypot(seen.strength_error_hz, ratio * mean_error[:, None]) / mean[:, None]
        limit = seen.snr_limit * unit / mean[:, None]
        full_snr = mean[:, None] / unit
    drift, drift_error, still = stands_still(joined)
    on_present, off_present = (present & is_on).sum(axis=1), (present & ~is_on).sum(axis=1)
    needed = np.full(len(joined), needed_on_scans(joined))
    if joined.parameters.min_on_scans is None:
        # All ON scans that could show it, but not fewer than two.
        able = (counted & is_on).sum(axis=1)
        needed = np.maximum(able, min(2, len(joined.ons)))
    off_together = shown_together(seen.snr, seen.trials, measured & ~is_on, parameters.off_snr)
    is_event = (on_present >= needed) & (off_present == 0) & ~off_together & ~still
    snr = _together(seen, is_on & counted)
    rejected = by_strength(~is_event, np.where(np.isfinite(snr), snr, joined.snr))
    listed = np.concatenate([np.flatnonzero(is_event), rejected[:MOST_REJECTED]])
    return Judgement(
        present=present,
        taken=taken,
        counted=counted,
        ratio=ratio,
        ratio_error=error,
        ratio_limit=limit,
        probability=_probability(seen, full_snr, listed),
        snr=snr,
        drift_hz_s=drift,
        drift_error_hz_s=drift_error,
        stands_still=still,
        on_present=on_present,
        off_present=off_present,
        off_together=off_together,
        needed=needed,
        is_event=is_event,
        rejected=rejected,
        double_of=np.full(len(joined), -1, np.int64),
    )


def _least_snr(joined: Joined, seen: Observed) -> Floats:
    """Return the SNR from which an ON scan shows a track, with the number of paths that were tried."""
    several = (joined.association.members >= 0).sum(axis=1) > 1
    return np.where(
        several[:, None], threshold(PRESENT_SNR, seen.trials), threshold(PRESENT_SNR_OF_ONE_HIT, seen.trials)
    )


def by_strength(use: npt.NDArray[np.bool_], strength: Floats) -> Indices:
    """Return some tracks, the strongest first."""
    tracks = np.flatnonzero(use)
    return tracks[np.lexsort((tracks, -strength[tracks]))]


def _probability(seen: Observed, full_snr: Floats, listed: Indices) -> Floats:
    """Return how likely the scans hold the signals of some tracks; NaN for the others, and where nothing was measured.

    It takes 0.1 ms for each track and scan: only those that are listed have it.
    """
    probability = np.full(seen.snr.shape, np.nan)
    for scan in range(seen.snr.shape[1]):
        rows = listed[seen.is_measured[listed, scan]]
        probability[rows, scan] = presence_probability(
            seen.snr[rows, scan], full_snr[rows, scan], seen.trials[rows, scan]
        )
    return probability


def _is_faint(seen: Observed, there: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return where a track is surely fainter than `LEAST_PART` of its strength in the ON scans that show it."""
    mean, _ = weighted_mean(seen.strength_hz, seen.strength_error_hz, there)
    with np.errstate(invalid="ignore"):
        faint = seen.strength_hz + LIMIT_ERRORS * seen.strength_error_hz < LEAST_PART * mean[:, None]
    return np.asarray(faint, np.bool_)


def _together(seen: Observed, use: npt.NDArray[np.bool_]) -> Floats:
    """Return the SNR of several scans together: that of the sum of their powers, weighted by their noise."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.abs(seen.strength_hz / seen.snr)
        unit = np.where(np.isfinite(unit) & (unit > 0), unit, seen.strength_error_hz)
    good = use & np.isfinite(seen.strength_hz) & (unit > 0)
    weight = np.where(good, 1 / np.where(good, unit, 1.0) ** 2, 0.0)
    total = weight.sum(axis=1)
    summed = (weight * np.where(good, seen.strength_hz, 0.0)).sum(axis=1)
    snr: Floats = summed / np.sqrt(np.where(total > 0, total, 1.0))
    return np.where(total > 0, snr, np.nan)
