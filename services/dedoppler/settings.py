"""Settings of the dedoppler service."""

import os

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and the number of threads of a search."""

    port: int = Field(default=8082, description="Port that the HTTP server listens on.")
    memory_limit_mb: int | None = Field(
        default=8000,
        ge=256,
        description="Memory that the process may reserve, MB (VmData); what needs more fails. None: no limit. A search "
        "of a chunk of 2^27 samples, while the next one is read, takes about 2,000.",
    )
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Threads of one search; the hits do not depend on it.",
    )
