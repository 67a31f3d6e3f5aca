"""Settings of the classify service."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, how many hits objects are read at once, and how many hits a job lists."""

    port: int = Field(default=8083, description="Port that the HTTP server listens on.")
    concurrent_reads: int = Field(default=8, ge=1, description="Hits objects read from S3 at the same time.")
    max_hits: int = Field(
        default=10_000,
        ge=1,
        description="Most hits of a job; the strongest are listed. Time and memory of two services grow with it.",
    )
    jobs_at_once: int = Field(
        default=8,
        ge=1,
        description="Jobs of one partition that are in hand at the same time, so that small ones pass large ones.",
    )
