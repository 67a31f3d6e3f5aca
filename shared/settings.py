"""Settings that every service has, read from the environment (`WATERHOLE_…`)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(lambda level: str(level).upper())]


class ServiceSettings(BaseSettings):
    """Where the servers are and how this process behaves; each service adds its own fields."""

    model_config = SettingsConfigDict(env_prefix="WATERHOLE_", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address that the HTTP server listens on.")
    port: int = Field(default=8080, description="Port that the HTTP server listens on.")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port[,…].")
    kafka_session_timeout_ms: int = Field(
        default=10_000, description="How long a silent consumer keeps its partitions, ms."
    )

    kafka_fetch_max_wait_ms: int = Field(
        default=100, description="How long the broker may hold a fetch that finds nothing, ms."
    )

    s3_endpoint: str | None = Field(default=None, description="S3 endpoint URL; none means Amazon's own.")
    s3_public_endpoint: str | None = Field(
        default=None, description="Endpoint that presigned URLs name, where clients reach S3 by another address."
    )
    s3_region: str = Field(default="us-east-1", description="S3 region.")
    s3_access_key: SecretStr | None = Field(default=None, description="S3 access key; none: the SDK's own chain.")
    s3_secret_key: SecretStr | None = Field(default=None, description="S3 secret key.")
    uploads_bucket: str = Field(default="waterhole-uploads", description="Bucket of uploaded observations.")
    results_bucket: str = Field(default="waterhole-results", description="Bucket of hits and artefacts.")
