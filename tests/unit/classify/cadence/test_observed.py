"""What is known of each track in each scan: measured, listed, or neither."""

import numpy as np

from services.classify.cadence.joining import join
from services.classify.cadence.observed import STATES, observed
from services.classify.cadence.scans import failed_scan
from shared.cadence import CadenceParameters
from shared.tracks import LOST, MEASURED, MEASUREMENT_DTYPE, OUTSIDE
from tests.unit.classify.cadence.example_scans import Emitter, cadence

TRACK = Emitter(8420.5e6, -0.4, 0.0, (20.0, 0.0, 20.0, 12.0, 0.0, 0.0))


def states(seen, track=0):
    return [STATES[state] for state in seen.state[track]]


def rows(*values):
    made = np.zeros(len(values), MEASUREMENT_DTYPE)
    for row, (track, state, snr) in zip(made, values, strict=True):
        row["track"], row["state"], row["snr"], row["snr_error"] = track, state, snr, 1.0
    return made


def test_without_measurements_a_scan_lists_it_or_is_silent():
    scans = [*cadence([TRACK])[:5], failed_scan("off", "5.h5", "It is empty.")]
    seen = observed(join(scans, CadenceParameters()), None)
    assert states(seen) == ["listed", "silent", "listed", "listed", "silent", "missing"]
    assert seen.snr[0, [0, 2, 3]].tolist() == [20.0, 20.0, 12.0]
    assert np.isnan(seen.snr[0, 1])


def test_measurements_in_any_order_fill_in_their_tracks():
    other = TRACK._replace(frequency_hz=8420.9e6)
    joined = join(cadence([TRACK, other]), CadenceParameters())
    measured = {
        0: rows((1, MEASURED, 19.0), (0, MEASURED, 21.0)),
        1: rows((0, MEASURED, -0.5), (1, OUTSIDE, np.nan)),
        2: rows((0, LOST, np.nan)),
        4: rows((0, MEASURED, 7.0), (1, MEASURED, 1.0), (99, MEASURED, 50.0)),
    }
    seen = observed(joined, measured)
    assert states(seen, 0) == ["hit", "measured", "lost", "listed", "measured", "silent"]
    # A track that a scan's measurements leave out is lost there.
    assert states(seen, 1) == ["hit", "outside", "lost", "listed", "measured", "silent"]
    assert seen.snr[0, 0] == 21.0
    assert seen.snr[1, 0] == 19.0
    assert seen.snr[0, 3] == 12.0


def test_a_track_outside_the_band_of_a_scan_is_outside():
    leaving = Emitter(8419.0002e6, -0.9, 0.0, (20.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    seen = observed(join(cadence([leaving]), CadenceParameters()), None)
    assert states(seen) == ["listed", "outside", "outside", "outside", "outside", "outside"]
