"""The header of an observation: its grid of channels and spectra, and its origin."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

GREEN_BANK_TELESCOPE_ID = 6


class Header(BaseModel):
    """The grid and the origin of one filterbank file of any format.

    The frequency of channel `c` is `fch1_mhz + c * foff_mhz` (its centre); `foff_mhz` may have either sign.
    `data_offset_bytes` is where the samples start in a SIGPROC file, and 0 for HDF5.
    """

    model_config = ConfigDict(frozen=True)

    file_format: Literal["fil", "h5"]
    n_spectra: int = Field(ge=2)
    n_channels: int = Field(ge=1)
    n_ifs: int = Field(ge=1)
    n_bits: int
    signed: bool = False
    data_offset_bytes: int = Field(default=0, ge=0)
    fch1_mhz: float
    foff_mhz: float
    tsamp_s: float = Field(gt=0)
    tstart_mjd: float = 0.0
    source_name: str = ""
    ra_hours: float | None = None
    dec_deg: float | None = None
    telescope_id: int = 0
    coarse_channel_width: int | None = Field(
        default=None, description="Fine channels per coarse channel, or None if the file has no such structure."
    )
    has_dc_spike: bool = Field(
        default=False,
        description="Whether the middle channel of each coarse channel contains the digitiser's DC spike.",
    )

    @property
    def foff_hz(self) -> float:
        """Signed channel width, Hz."""
        return self.foff_mhz * 1e6

    @property
    def duration_s(self) -> float:
        """Time from the start of the first spectrum to the end of the last, s."""
        return self.n_spectra * self.tsamp_s

    @property
    def drift_resolution_hz_s(self) -> float:
        """Drift rate of a path that moves one channel from the first spectrum to the last, Hz/s, unsigned."""
        return abs(self.foff_hz) / ((self.n_spectra - 1) * self.tsamp_s)

    def frequency_hz(self, channel: float) -> float:
        """Return the frequency of the centre of a (fractional) channel, Hz."""
        return (self.fch1_mhz + channel * self.foff_mhz) * 1e6

    @property
    def band_hz(self) -> tuple[float, float]:
        """Lower and upper end of the band, Hz."""
        ends = (self.frequency_hz(-0.5), self.frequency_hz(self.n_channels - 0.5))
        return min(ends), max(ends)

    def drift_rate_hz_s(self, steps: float) -> float:
        """Return the sky drift rate, Hz/s, of a path of `steps` channels from the first spectrum to the last."""
        return steps * self.foff_hz / ((self.n_spectra - 1) * self.tsamp_s)

    def max_drift_steps(self, max_drift_rate_hz_s: float) -> int:
        """Return the largest number of steps with at most `max_drift_rate_hz_s`, limited to the band."""
        return min(int(max_drift_rate_hz_s / self.drift_resolution_hz_s + 1e-9), self.n_channels)
