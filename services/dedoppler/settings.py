"""Settings of the dedoppler service."""

import os

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and the number of threads of a search."""

    port: int = Field(default=8082, description="Port that the HTTP server listens on.")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Threads of one search; the hits do not depend on it.",
    )
