"""Settings of the classify service."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and how many hits objects are read at once."""

    port: int = Field(default=8083, description="Port that the HTTP server listens on.")
    concurrent_reads: int = Field(default=8, ge=1, description="Hits objects read from S3 at the same time.")
