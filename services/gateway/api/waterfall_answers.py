"""The answers about a waterfall."""

from pydantic import Field

from services.gateway.api.answers import Answer
from services.gateway.jobs.model import shown
from services.gateway.observations.selection import is_cheap_to_read
from services.gateway.observations.waterfall import Waterfall


class WaterfallInfo(Answer):
    """The grid of a waterfall, and at which resolutions it can be read."""

    n_channels: int = Field(description="Channels of the file.")
    first_channel_hz: float = Field(description="Frequency of the middle of channel 0, Hz.")
    channel_width_hz: float = Field(description="Frequency of channel 1 minus that of channel 0, Hz.")
    n_spectra: int = Field(description="Spectra of the file.")
    spectrum_s: float = Field(description="Length of a spectrum, s.")
    start_mjd: float | None = Field(default=None, description="Start of the first spectrum, MJD, UTC.")
    rows: int = Field(description="Rows of the waterfall: codes of a column of means.")
    spectra_per_row: int = Field(description="Spectra of the file that a row averages; the last row may have fewer.")
    spectra_per_average: int = Field(description="Spectra of the file that the search averaged before all else.")
    factors: list[int] = Field(description="Channels of a column, level by level, the finest first.")
    chunk_edges: list[int] = Field(
        description="First channel of each chunk, and the number of channels. Columns begin anew with each chunk."
    )
    noise_factor: int = Field(description="Channels that share one pair of level and sigma.")
    sigma_relative: float | None = Field(
        default=None, description="The noise's sigma of a sample over its level, in the middle of the band."
    )
    spectra_readable: bool = Field(description="Whether GET /jobs/{job_id}/spectra can read this file.")
    source_name: str | None = Field(default=None, description="The header's name of the source.")

    @classmethod
    def of(cls, waterfall: Waterfall) -> "WaterfallInfo":
        """Return how to read a waterfall, as the API shows it."""
        manifest = waterfall.manifest
        header, chunks = manifest.header, manifest.chunks_of_one_search
        return cls(
            n_channels=header.n_channels,
            first_channel_hz=header.frequency_hz(0),
            channel_width_hz=header.foff_hz,
            n_spectra=header.n_spectra,
            spectrum_s=header.tsamp_s,
            start_mjd=header.tstart_mjd or None,
            rows=manifest.rows,
            spectra_per_row=manifest.spectra_per_row,
            spectra_per_average=manifest.spectra_per_average,
            factors=list(manifest.factors),
            chunk_edges=[manifest.plan.edge(chunk) for chunk in range(chunks + 1)],
            noise_factor=manifest.noise_factor,
            sigma_relative=waterfall.sigma_relative,
            spectra_readable=is_cheap_to_read(header),
            source_name=shown(header.source_name) or None,
        )
