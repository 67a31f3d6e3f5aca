"""Measurements of tracks as dedoppler makes them, from the true SNR of emitters: no samples are simulated."""

import numpy as np

from shared.tracks import MEASURED, MEASUREMENT_DTYPE, OUTSIDE
from tests.unit.classify.cadence.example_scans import BAND_HZ, CHANNEL_HZ

# The track is looked for within so many of its errors.
REACH_ERRORS = 3.0


def measure(joined, emitters, *, rng=None, signal_errors=4.0):
    """Return by scan the measurements of all tracks.

    Within the errors of a track (and one channel), the strongest of the noise and of the emitters' lines is measured.
    """
    return {scan.index: _in_scan(joined, scan, emitters, rng) for scan in joined.scans if scan.has_results}


def _in_scan(joined, scan, emitters, rng):
    fits = joined.association.fits
    frequency, drift, covariance = fits.at(scan.first_s)
    reach = REACH_ERRORS * np.sqrt(covariance[:, 0, 0])
    turn = REACH_ERRORS * np.sqrt(covariance[:, 1, 1]) * scan.drift_span_s
    rows = np.zeros(len(joined), MEASUREMENT_DTYPE)
    rows["track"] = np.arange(len(joined))
    rows["trials"] = np.maximum(1.0, 2 * reach / CHANNEL_HZ) * np.maximum(1.0, 2 * turn / CHANNEL_HZ)
    unit = np.sqrt(CHANNEL_HZ / scan.duration_s)
    for place, row in enumerate(rows):
        noise, at, slope = 0.0, frequency[place], drift[place]
        if rng is not None:
            noise = rng.normal(size=min(int(row["trials"]), 2000)).max()
        snr = noise
        for emitter in emitters:
            f, d, c = emitter[:3]
            t = scan.first_s
            here, there = f + d * t + c * t * t / 2, d + c * t
            full = emitter.snr[scan.index] + (rng.normal() if rng is not None else 0.0)
            on_path = abs(here - at) <= max(reach[place], CHANNEL_HZ) and abs(
                there - drift[place]
            ) * scan.drift_span_s <= max(turn[place], CHANNEL_HZ)
            if emitter.snr[scan.index] > 0 and on_path and full > snr:
                snr, at_signal, slope = full, here, there
                at = at_signal
        row["state"], row["coverage"] = MEASURED, 1.0
        row["snr"], row["snr_error"], row["snr_limit"] = snr, 1.0, max(snr, 0.0) + 3.0
        row["strength_hz"], row["strength_error_hz"] = snr * unit, unit
        row["frequency_hz"], row["frequency_error_hz"] = at, CHANNEL_HZ / 2
        row["drift_rate_hz_s"], row["drift_rate_error_hz_s"] = slope, scan.drift_step_hz_s
    outside = (frequency < BAND_HZ[0]) | (frequency > BAND_HZ[1])
    rows["state"][outside] = OUTSIDE
    rows["snr"][outside] = np.nan
    return rows
