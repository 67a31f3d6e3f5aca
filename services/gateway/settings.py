"""Settings of the gateway."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.settings import ServiceSettings

MEBIBYTE = 1024 * 1024


class Tier(BaseModel):
    """What users of one tier may do."""

    model_config = ConfigDict(frozen=True)

    files_per_month: int = Field(ge=0, description="Jobs that may be started in one calendar month, UTC.")
    max_file_mb: int = Field(ge=1, description="Largest observation, MB of 1024 * 1024 bytes.")
    price: str = Field(description="What it costs, as users read it.")
    retention_days: int = Field(ge=1, description="How long a finished job and its files are kept, days.")
    history_jobs: int = Field(ge=1, description="Finished and open jobs kept per user; the oldest finished ones go.")
    concurrent_jobs: int = Field(default=5, ge=1, description="Jobs that may be open at the same time.")
    api_keys: bool = Field(default=True, description="Whether its users may make and revoke API keys themselves.")

    @property
    def max_file_bytes(self) -> int:
        """Largest observation, bytes."""
        return self.max_file_mb * MEBIBYTE


DEFAULT_TIERS = {
    "free": Tier(files_per_month=10, max_file_mb=100, price="$0", retention_days=30, history_jobs=10, api_keys=False),
    "researcher": Tier(files_per_month=500, max_file_mb=1024, price="$99 USD/mo", retention_days=90, history_jobs=50),
    "institution": Tier(
        files_per_month=5000, max_file_mb=10_240, price="$499 USD/mo", retention_days=180, history_jobs=200
    ),
    "enterprise": Tier(
        files_per_month=50_000, max_file_mb=51_200, price="$1,999 USD/mo", retention_days=365, history_jobs=500
    ),
}


class Settings(ServiceSettings):
    """What every service has, and MongoDB, keys, uploads, tiers and the outbox."""

    mongodb_url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017/?directConnection=true"),
        description="MongoDB connection string; it may hold a password.",
    )
    mongodb_database: str = Field(default="waterhole", description="MongoDB database.")
    mongodb_timeout_s: float = Field(default=3.0, gt=0, description="How long a request waits for MongoDB, s.")

    api_key_pepper: SecretStr = Field(
        min_length=16,
        description="Secret that API keys are hashed with; with another one, no key that was issued works any more.",
    )

    upload_expires_s: int = Field(default=3600, ge=1, description="How long presigned upload URLs work, s.")
    download_expires_s: int = Field(default=3600, ge=1, description="How long presigned download URLs work, s.")
    multipart_threshold_bytes: int = Field(
        default=50 * MEBIBYTE, ge=1, description="Files larger than this are uploaded in parts, bytes."
    )
    part_size_bytes: int = Field(
        default=10_485_760,
        ge=5 * MEBIBYTE,
        description="Size of all parts but the last, bytes; S3 takes no less than 5 MB.",
    )
    tiers: dict[str, Tier] = Field(default=DEFAULT_TIERS, description="What users of each tier may do.")

    publish_timeout_s: float = Field(
        default=1.5, gt=0, description="How long a submission waits for the bus before the outbox takes it over, s."
    )
    outbox_interval_s: float = Field(default=1.0, gt=0, description="Time between two looks into the outbox, s.")
    outbox_stale_s: float = Field(default=2.0, gt=0, description="Age of an unpublished event that is overdue, s.")
    outbox_silence_s: float = Field(
        default=60.0, gt=0, description="Silence about an open job after which it is first submitted again, s."
    )
    outbox_silence_max_s: float = Field(
        default=3600.0, gt=0, description="The silence doubles with each submission of a job, up to this, s."
    )
