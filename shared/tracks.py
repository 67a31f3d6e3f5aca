"""The tracks of a cadence, which classify asks dedoppler to measure, and the measurements of one part of them.

A track is f(t) = frequency_hz + drift_rate_hz_s * t + drift_change_hz_s2 * t**2 / 2, with t in seconds since the epoch
of the cadence.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.hits import Cutout

SECONDS_PER_DAY = 86_400.0

TRACK_DTYPE = np.dtype(
    [
        ("id", np.int64),
        ("frequency_hz", np.float64),  # at the epoch
        ("drift_rate_hz_s", np.float64),  # at the epoch, sky sign
        ("drift_change_hz_s2", np.float64),
        # Of these three, in their order, Hz^2 and powers of seconds. It includes what the bound on the change of the
        # drift rate leaves open.
        ("covariance", np.float64, (3, 3)),
        ("bandwidth_hz", np.float64),  # of the emission itself, without the smear of its drift
        # Band of the cut-outs of all scans; both zero if none are wanted.
        ("view_low_hz", np.float64),
        ("view_high_hz", np.float64),
    ]
)

# Values of the field `state`.
MEASURED, OUTSIDE, LOST = 0, 1, 2

MEASUREMENT_DTYPE = np.dtype(
    [
        ("track", np.int64),  # id of the track
        ("state", np.uint8),  # MEASURED, OUTSIDE: the track is outside the scan's band; LOST: its samples are lost
        ("coverage", np.float64),  # part of the track's samples in this scan that is in the band and not lost, 0 to 1
        ("snr", np.float64),  # calibrated as that of a hit; may be negative; NaN unless measured
        ("snr_error", np.float64),
        ("snr_limit", np.float64),  # upper limit at three sigma (99.87 %)
        # Power of the signal in units of the noise's power per Hz, Hz: what an SNR becomes when the length and the
        # resolution of the scan are taken out of it. Scans of a cadence can be compared by it.
        ("strength_hz", np.float64),
        ("strength_error_hz", np.float64),
        ("frequency_hz", np.float64),  # where it was measured, at the middle of the scan's first spectrum
        ("frequency_error_hz", np.float64),  # from the data, or how far the track was uncertain
        ("drift_rate_hz_s", np.float64),
        ("drift_rate_error_hz_s", np.float64),
        ("offset_hz", np.float64),  # how far from the track the measured path is, in the middle of the scan
        ("trials", np.float64),  # independent paths of which the strongest was taken; 1 if the track left no choice
    ]
)

Tracks = npt.NDArray[np.void]
Measurements = npt.NDArray[np.void]


@dataclass(frozen=True)
class TrackList:
    """The tracks of a cadence. `tracks` has dtype `TRACK_DTYPE`; the epoch is the start of the first scan."""

    epoch_mjd: float
    tracks: Tracks

    def to_bytes(self) -> bytes:
        """Serialise as `.npz`; the same content gives the same bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, tracks=self.tracks, epoch_mjd=np.array([self.epoch_mjd]))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "TrackList":
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            return cls(float(archive["epoch_mjd"][0]), archive["tracks"])


@dataclass(frozen=True)
class MeasuredTracks:
    """The measurements of one part of the tracks in one scan.

    `measurements` has dtype `MEASUREMENT_DTYPE`. `cutouts[i]` shows the view of track `cutout_tracks[i]`, in units of
    the scan's own noise there (mean 0, sigma 1). `scan` is the place of the scan in the cadence.
    """

    measurements: Measurements
    cutout_tracks: Sequence[int] = ()
    cutouts: Sequence[Cutout] = ()
    warnings: list[str] = field(default_factory=list)
    scan: int = 0

    def to_bytes(self) -> bytes:
        """Serialise as `.npz`; the same content gives the same bytes."""
        layout = [
            (track, *cutout.power.shape, cutout.start_channel, cutout.spectra_per_row)
            for track, cutout in zip(self.cutout_tracks, self.cutouts, strict=True)
        ]
        powers = [cutout.power.astype(np.float32, copy=False).ravel() for cutout in self.cutouts]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            measurements=self.measurements,
            cutout_layout=np.array(layout, np.int64).reshape(-1, 5),
            cutout_power=np.concatenate(powers) if powers else np.empty(0, np.float32),
            metadata=np.frombuffer(json.dumps({"scan": self.scan, "warnings": self.warnings}).encode(), np.uint8),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "MeasuredTracks":
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            metadata: dict[str, Any] = json.loads(archive["metadata"].tobytes())
            power, tracks, cutouts, at = archive["cutout_power"], [], [], 0
            for track, rows, channels, start_channel, spectra_per_row in archive["cutout_layout"].tolist():
                block = power[at : at + rows * channels].reshape(rows, channels)
                cutouts.append(Cutout(block, start_channel, spectra_per_row))
                tracks.append(track)
                at += rows * channels
            return cls(archive["measurements"], tracks, cutouts, metadata["warnings"], metadata["scan"])
