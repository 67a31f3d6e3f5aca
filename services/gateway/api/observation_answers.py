"""The part of a job's answer that tells of its observation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.jobs.model import shown
from shared.header import Header
from shared.telescopes import telescope_name


class Observation(BaseModel):
    """What the header of a searched file says."""

    model_config = ConfigDict(frozen=True)

    file_format: Literal["fil", "h5"]
    n_channels: int
    n_spectra: int
    n_ifs: int
    n_bits: int = Field(description="Bits of a sample.")
    first_channel_hz: float = Field(description="Frequency of the middle of channel 0, Hz.")
    channel_width_hz: float = Field(description="Frequency of channel 1 minus that of channel 0, Hz.")
    spectrum_s: float = Field(description="Length of a spectrum, s.")
    start_mjd: float | None = Field(default=None, description="Start of the first spectrum, MJD, UTC.")
    telescope: str | None = None
    source_name: str | None = Field(default=None, description="The header's name of the source.")
    ra_hours: float | None = Field(default=None, description="Right ascension, hours.")
    dec_deg: float | None = Field(default=None, description="Declination, degrees.")

    @classmethod
    def of(cls, header: Header) -> "Observation":
        """Return a header as the API shows it."""
        return cls(
            file_format=header.file_format,
            n_channels=header.n_channels,
            n_spectra=header.n_spectra,
            n_ifs=header.n_ifs,
            n_bits=header.n_bits,
            first_channel_hz=header.frequency_hz(0),
            channel_width_hz=header.foff_hz,
            spectrum_s=header.tsamp_s,
            # Writers that do not know them write 0.
            start_mjd=header.tstart_mjd or None,
            telescope=telescope_name(header.telescope_id) if header.telescope_id else None,
            source_name=shown(header.source_name) or None,
            ra_hours=header.ra_hours,
            dec_deg=header.dec_deg,
        )
