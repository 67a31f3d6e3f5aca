"""Settings of the export service."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service has, and how fast objects are read."""

    port: int = Field(default=8084, description="Port that the HTTP server listens on.")
    concurrent_reads: int = Field(default=8, ge=1, description="Hits objects read from S3 at the same time.")
    hash_input: bool = Field(
        default=True,
        description="Read each observation once more and state its SHA-256 in the catalogues. Costs one read of the "
        "object and about 1 s of one core per GB, while the pictures are drawn.",
    )
    hash_input_max_bytes: int = Field(
        default=8 * 2**30,
        ge=0,
        description="Larger observations are not read for their SHA-256; the artefacts would be late.",
    )
    jobs_at_once: int = Field(
        default=8,
        ge=1,
        description="Jobs of one partition that are in hand at the same time, so that small ones pass large ones.",
    )
