"""Tracks of simulated tones, and their measurement as the handler does it."""

import numpy as np

from services.dedoppler.threads import ThisThread
from services.dedoppler.tracks.measurement import Measurement, measure_window, not_measured
from services.dedoppler.tracks.prediction import ScanGrid
from services.dedoppler.tracks.windows import plan_track, plan_windows
from shared.header import Header
from shared.tracks import OUTSIDE, SECONDS_PER_DAY, TRACK_DTYPE, Tracks

EPOCH_MJD = 57650.78209490741 - 0.01


def track_through(
    header: Header,
    places: list[tuple[float, float]],
    channel_error: float = 0.05,
    steps_error: float = 0.1,
    bandwidth: float = 1.0,
    bend: float = 0.0,
) -> Tracks:
    """Return tracks through places (channel in the first spectrum, steps to the last); errors in the scan's middle.

    `bend` is the distance of the curve from its chord in the middle of the scan, channels.
    """
    length = (header.n_spectra - 1) * header.tsamp_s
    middle = (header.tstart_mjd - EPOCH_MJD) * SECONDS_PER_DAY + header.tsamp_s / 2 + length / 2
    # f and f' in the middle from those at the epoch, and the other way round.
    to_epoch = np.array([[1, -middle, middle**2 / 2], [0, 1, -middle], [0, 0, 1]])
    in_middle = np.diag([channel_error**2, (steps_error / length) ** 2, 0.0]) * header.foff_hz**2
    tracks = np.zeros(len(places), TRACK_DTYPE)
    for i, (channel, steps) in enumerate(places):
        values = np.array(
            [
                header.frequency_hz(channel + steps / 2 - bend),
                header.drift_rate_hz_s(steps),
                8 * bend * header.foff_hz / length**2,
            ]
        )
        at_epoch = to_epoch @ values
        tracks[i]["id"] = 100 + i
        tracks[i]["frequency_hz"], tracks[i]["drift_rate_hz_s"], tracks[i]["drift_change_hz_s2"] = at_epoch
        tracks[i]["covariance"] = to_epoch @ in_middle @ to_epoch.T
        tracks[i]["bandwidth_hz"] = bandwidth * abs(header.foff_hz)
    return tracks


def moved(tracks: Tracks, header: Header, rng: np.random.Generator, channel_error: float) -> Tracks:
    """Return tracks that miss their places by a normal error."""
    off = tracks.copy()
    off["frequency_hz"] += rng.normal(0, channel_error * abs(header.foff_hz), len(tracks))
    return off


def measure(power, header: Header, tracks: Tracks, per_average: int = 1, ifs: int = 1) -> list[Measurement]:
    """Return the measurement of each track in a scan, float32 (averages, channels)."""
    grid = ScanGrid.of(header, per_average, EPOCH_MJD)
    plans = [plan_track(track, grid) for track in tracks]
    found = [Measurement(not_measured(plan.prediction, grid, OUTSIDE), None) for plan in plans]
    for window in plan_windows(plans, grid.header.n_spectra):
        part = np.ascontiguousarray(power[:, window.first : window.stop])
        own = [plans[i] for i in window.tracks]
        for i, one in zip(window.tracks, measure_window(part, grid, window, own, ifs, ThisThread()), strict=True):
            found[i] = one
    return found


def values(measurements: list[Measurement], name: str) -> np.ndarray:
    """Return one value of all measurements."""
    return np.array([one.values[name] for one in measurements])
