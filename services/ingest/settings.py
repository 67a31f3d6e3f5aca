"""Settings of the ingest service."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service has, how large a chunk may be, and how many of a job are under way."""

    port: int = Field(default=8081, description="Port that the HTTP server listens on.")
    max_chunk_samples: int = Field(
        default=2**27,
        ge=2**16,
        description="Samples (spectra x channels, overlap included) of one chunk; a search holds them as float32.",
    )
    lanes: int | None = Field(
        default=None,
        ge=1,
        description="Chunks of one job that are under way at a time; none: as many as chunk.ready has partitions.",
    )
