"""The tracks object and the measurements survive being written and read, and the same content gives the same bytes."""

import numpy as np

from shared.hits import Cutout
from shared.tracks import MEASUREMENT_DTYPE, TRACK_DTYPE, MeasuredTracks, TrackList


def test_tracks_are_read_as_written():
    rng = np.random.default_rng(1)
    tracks = np.zeros(3, TRACK_DTYPE)
    tracks["id"] = [7, 8, 9]
    tracks["covariance"] = rng.normal(size=(3, 3, 3))
    written = TrackList(57650.78209490741, tracks)
    found = TrackList.from_bytes(written.to_bytes())
    assert found.epoch_mjd == written.epoch_mjd
    assert np.array_equal(found.tracks, tracks)
    assert found.to_bytes() == written.to_bytes()


def test_measurements_are_read_as_written():
    rng = np.random.default_rng(2)
    measurements = np.zeros(2, MEASUREMENT_DTYPE)
    measurements["snr"] = [12.5, -0.5]
    shapes = [(16, 40), (8, 3)]
    cutouts = [Cutout(rng.normal(size=shape).astype(np.float32), 5 + shape[0], 2) for shape in shapes]
    written = MeasuredTracks(measurements, [7, 9], cutouts, ["Scan 2 has lost samples."], scan=2)
    found = MeasuredTracks.from_bytes(written.to_bytes())
    assert np.array_equal(found.measurements, measurements)
    assert (found.cutout_tracks, found.warnings, found.scan) == ([7, 9], ["Scan 2 has lost samples."], 2)
    for one, other in zip(found.cutouts, cutouts, strict=True):
        assert np.array_equal(one.power, other.power)
        assert (one.start_channel, one.spectra_per_row) == (other.start_channel, other.spectra_per_row)
    assert found.to_bytes() == written.to_bytes()


def test_no_measurements_are_read_as_written():
    found = MeasuredTracks.from_bytes(MeasuredTracks(np.zeros(0, MEASUREMENT_DTYPE)).to_bytes())
    assert len(found.measurements) == len(found.cutouts) == 0
