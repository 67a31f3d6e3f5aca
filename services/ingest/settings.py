"""Settings of the ingest service."""

from pydantic import Field

from shared.event_fields import MAX_CHUNK_SAMPLES
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of every service, the largest chunk, and how many chunks of a job run at the same time."""

    port: int = Field(default=8081, description="Port that the HTTP server listens on.")
    max_chunk_samples: int = Field(
        default=2**27,
        ge=2**16,
        le=MAX_CHUNK_SAMPLES,
        description="Most samples of a chunk (spectra times channels, overlap included), held as float32 by a search.",
    )
    lanes: int | None = Field(
        default=None,
        ge=1,
        description="Chunks of one job searched at the same time; by default, one per partition of chunk.ready.",
    )
