"""Measurements of tracks as dedoppler makes them, from the true SNR of emitters: no samples are simulated."""

import numpy as np

from shared.tracks import MEASURED, MEASUREMENT_DTYPE, OUTSIDE
from tests.unit.classify.cadence.example_scans import BAND_HZ, CHANNEL_HZ

# The track is looked for within so many of its errors.
REACH_ERRORS = 3.0


def measure(joined, emitters, *, rng=None):
    """Return by scan the measurements of all tracks.

    Within the errors of a track (and one channel), the strongest of the noise and of the emitters' lines is measured.
    The noise is left out without `rng`.
    """
    return {scan.index: _in_scan(joined, scan, emitters, rng) for scan in joined.scans if scan.has_results}


def _in_scan(joined, scan, emitters, rng):
    frequency, drift, covariance = joined.association.fits.at(scan.first_s)
    reach = np.maximum(REACH_ERRORS * np.sqrt(covariance[:, 0, 0]), CHANNEL_HZ)
    turn = np.maximum(REACH_ERRORS * np.sqrt(covariance[:, 1, 1]), scan.drift_step_hz_s)
    trials = np.maximum(1.0, reach / CHANNEL_HZ) * np.maximum(1.0, turn / scan.drift_step_hz_s)
    snr = np.zeros(len(joined))
    if rng is not None:
        snr = np.array([rng.normal(size=min(int(many), 2000)).max() for many in trials])
    number = int(scan.file_name.split(".")[0])
    for f, d, c, of_scans in emitters:
        if of_scans[number] <= 0:
            continue
        t = scan.first_s
        here, there = f + d * t + c * t * t / 2, d + c * t
        seen = of_scans[number] + (rng.normal(size=len(joined)) if rng is not None else 0.0)
        on_path = (np.abs(here - frequency) <= reach) & (np.abs(there - drift) <= turn) & (seen > snr)
        snr = np.where(on_path, seen, snr)
        frequency, drift = np.where(on_path, here, frequency), np.where(on_path, there, drift)
    rows = np.zeros(len(joined), MEASUREMENT_DTYPE)
    unit = np.sqrt(CHANNEL_HZ / scan.duration_s)
    rows["track"], rows["trials"] = np.arange(len(joined)), trials
    rows["state"], rows["coverage"] = MEASURED, 1.0
    rows["snr"], rows["snr_error"], rows["snr_limit"] = snr, 1.0, np.maximum(snr, 0.0) + 3.0
    rows["strength_hz"], rows["strength_error_hz"] = snr * unit, unit
    rows["frequency_hz"], rows["frequency_error_hz"] = frequency, CHANNEL_HZ / 2
    rows["drift_rate_hz_s"], rows["drift_rate_error_hz_s"] = drift, scan.drift_step_hz_s
    outside = (frequency < BAND_HZ[0]) | (frequency > BAND_HZ[1])
    rows["state"][outside], rows["snr"][outside] = OUTSIDE, np.nan
    return rows
