"""Where a track is in a scan, and how well that is known."""

import math
from dataclasses import dataclass

import numpy as np

from services.dedoppler.kernels.track_paths import MOST_SIGMA, Path
from shared.arrays import Floats
from shared.averaging import averaged_header
from shared.header import Header
from shared.tracks import SECONDS_PER_DAY, Tracks

# Where along the scan it is looked how far a track and its uncertainty reach.
PLACES = 9
# A path that bends by less is straight, as the paths of most hits are: the line of the same mean.
LEAST_BEND = 0.5


@dataclass(frozen=True)
class ScanGrid:
    """The spectra in which a scan is measured, averages of the file's or these themselves.

    Attributes
    ----------
    file : Header
        Of the file.
    header : Header
        Of the averages.
    first_s, middle_s : float
        Middle of the file's first spectrum, and middle of the averages, s since the epoch.
    """

    file: Header
    header: Header
    first_s: float
    middle_s: float

    @classmethod
    def of(cls, file: Header, per_average: int, epoch_mjd: float) -> "ScanGrid":
        """Return the grid of averages of `per_average` spectra."""
        header = averaged_header(file, per_average)
        start = (file.tstart_mjd - epoch_mjd) * SECONDS_PER_DAY
        return cls(file, header, start + file.tsamp_s / 2, start + header.duration_s / 2)

    @property
    def length_s(self) -> float:
        """Time from the middle of the first average to the middle of the last, s."""
        return (self.header.n_spectra - 1) * self.header.tsamp_s

    @property
    def first_u(self) -> float:
        """Time of the file's first spectrum, on the scale of paths: -1/2 for the first average, 1/2 for the last."""
        return (self.first_s - self.middle_s) / self.length_s


@dataclass(frozen=True)
class Prediction:
    """A track in a scan.

    Attributes
    ----------
    path : Path
        Channels of the file.
    covariance : float64 (3, 3)
        Of the path's centre, steps and bend, channels^2.
    bandwidth : float
        Channels of the emission itself.
    """

    path: Path
    covariance: Floats
    bandwidth: float

    def channel(self, u: float) -> float:
        """Return where the track is at time u, -1/2 to 1/2."""
        return self.path.centre + self.path.steps * u + 4 * self.path.bend * u * u

    def error(self, u: float) -> float:
        """Return the standard error of that, channels."""
        slope = np.array([1.0, u, 4 * u * u])
        return math.sqrt(max(0.0, float(slope @ self.covariance @ slope)))

    def smear(self, n_spectra: int) -> float:
        """Return how far the track moves within a spectrum, channels."""
        return abs(self.path.steps) / (n_spectra - 1)

    def reaches_beyond(self, channels: float) -> bool:
        """Return whether the track is known to no better than so many channels, in the middle of the scan."""
        return MOST_SIGMA * self.error(0.0) > channels

    def extent(self, most_reach: float) -> tuple[float, float]:
        """Return the lowest and the highest channel that the path may have, at most `most_reach` from the track."""
        places = np.linspace(-0.5, 0.5, PLACES).tolist()
        reach = [min(most_reach, MOST_SIGMA * self.error(u)) for u in places]
        channels = [self.channel(u) for u in places]
        return (
            min(channel - far for channel, far in zip(channels, reach, strict=True)),
            max(channel + far for channel, far in zip(channels, reach, strict=True)),
        )


def predict(track: Tracks, grid: ScanGrid) -> Prediction:
    """Return where a track is in a scan.

    With f(t) = f0 + f' t + f'' t^2 / 2, the middle of the scan at t and its length D, the path in channels is

        centre = (f(t) - fch1) / foff,  steps = D (f' + f'' t) / foff,  bend = D^2 f'' / (8 foff)

    and its covariance J C J^T, with J the derivatives of these three.

    Parameters
    ----------
    track : TRACK_DTYPE scalar
        The track.
    grid : ScanGrid
        The scan.
    """
    middle, length = grid.middle_s, grid.length_s
    foff_hz = grid.header.foff_hz
    values = np.array([track["frequency_hz"], track["drift_rate_hz_s"], track["drift_change_hz_s2"]])
    to_path = (
        np.array([[1.0, middle, middle**2 / 2], [0.0, length, length * middle], [0.0, 0.0, length**2 / 8]]) / foff_hz
    )
    # Only what differs from channel 0 is divided by the small width of a channel.
    origin = np.array([grid.header.frequency_hz(0), 0.0, 0.0])
    centre, steps, bend = (to_path @ (values - origin)).tolist()
    if abs(bend) < LEAST_BEND:
        # 4 bend u^2 is bend / 3 in the mean over u from -1/2 to 1/2.
        centre, bend = centre + bend / 3, 0.0
    return Prediction(
        Path(centre, steps, bend),
        to_path @ track["covariance"] @ to_path.T,
        float(track["bandwidth_hz"]) / abs(foff_hz),
    )
