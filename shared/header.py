"""The header of an observation: its grid of channels and spectra, and its origin."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.event_fields import PLAIN

GREEN_BANK_TELESCOPE_ID = 6
MAX_CHANNELS = 2**34
# The largest file of the largest tier, 53.7 GB, unpacks to at most 2,000 bytes for each of its own: 1.1e14 samples.
MAX_SAMPLES = 2**50
# A value outside is in a wrong unit or damaged, and would overflow in later arithmetic.
MIN_CHANNEL_WIDTH_MHZ, MAX_CHANNEL_WIDTH_MHZ = 1e-12, 1e6
MIN_TSAMP_S, MAX_TSAMP_S = 1e-12, 1e7
MAX_FREQUENCY_MHZ = 1e9
MAX_SOURCE_NAME = 256
# The SIGPROC reader looks no further for the end of a header.
MAX_HEADER_BYTES = 2**20

Frequency = Annotated[float, Field(ge=-MAX_FREQUENCY_MHZ, le=MAX_FREQUENCY_MHZ)]


class Header(BaseModel):
    """The grid and the origin of one filterbank file of any format.

    The frequency of channel `c` is `fch1_mhz + c * foff_mhz` (its centre); `foff_mhz` may have either sign.
    `data_offset_bytes` is where the samples start in a SIGPROC file, and 0 for HDF5.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    file_format: Literal["fil", "h5"]
    n_spectra: int = Field(ge=2, le=MAX_SAMPLES)
    n_channels: int = Field(ge=1, le=MAX_CHANNELS)
    n_ifs: int = Field(ge=1, le=MAX_SAMPLES)
    n_bits: int = Field(ge=1, le=128)
    signed: bool = False
    data_offset_bytes: int = Field(default=0, ge=0, le=MAX_HEADER_BYTES)
    fch1_mhz: Frequency
    foff_mhz: float = Field(ge=-MAX_CHANNEL_WIDTH_MHZ, le=MAX_CHANNEL_WIDTH_MHZ)
    tsamp_s: float = Field(ge=MIN_TSAMP_S, le=MAX_TSAMP_S)
    tstart_mjd: float = 0.0
    source_name: str = Field(default="", max_length=MAX_SOURCE_NAME, pattern=PLAIN)
    ra_hours: float | None = Field(default=None, ge=0, le=24)
    dec_deg: float | None = Field(default=None, ge=-90, le=90)
    telescope_id: int = Field(default=0, ge=-(2**62), le=2**62)
    coarse_channel_width: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CHANNELS,
        description="Fine channels per coarse channel, or None if the file has no such structure.",
    )
    has_dc_spike: bool = Field(
        default=False,
        description="Whether the middle channel of each coarse channel contains the digitiser's DC spike.",
    )

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        if abs(self.foff_mhz) < MIN_CHANNEL_WIDTH_MHZ:
            raise ValueError(f"foff_mhz is {self.foff_mhz}; no channel is that narrow")
        if self.n_spectra * self.n_ifs * self.n_channels > MAX_SAMPLES:
            raise ValueError(f"more than {MAX_SAMPLES} samples")
        return self

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
