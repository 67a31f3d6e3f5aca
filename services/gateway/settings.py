"""Settings of the gateway."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

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


TokenAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


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

    api_keys_per_user: int = Field(
        default=10, ge=1, le=100, description="API keys that one user may have at a time; dead ones don't count."
    )

    user_cache_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="How long a key and its user, once read, are believed without asking MongoDB again, s; 0: not at "
        "all. A key revoked, or a tier changed, through this gateway counts at once; through another gateway, or by "
        "the command line, it counts here within this time. Expiry is to the second in any case.",
    )

    oidc_issuer: str | None = Field(
        default=None,
        min_length=1,
        description="OpenID Connect issuer whose tokens open the door, to the letter; none: API keys alone do.",
    )
    oidc_audience: str | None = Field(
        default=None, min_length=1, description="What the audience of a token must be, or must hold."
    )
    oidc_jwks_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Where the issuer publishes its keys; https but on one machine.",
    )
    oidc_algorithms: tuple[TokenAlgorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="Signatures that are accepted; never a shared secret."
    )
    oidc_clock_skew_s: float = Field(
        default=60.0, ge=0, le=600, description="How far the issuer's clock may be from ours, s."
    )
    oidc_keys_lifetime_s: float = Field(
        default=3600.0, gt=0, description="Age at which the issuer's keys are fetched again, s."
    )
    oidc_keys_max_age_s: float = Field(
        default=21_600.0, gt=0, description="Age up to which its keys are used while the issuer is away, s."
    )
    oidc_fetch_interval_s: float = Field(
        default=30.0, gt=0, description="Least time between two fetches, whatever tokens name, s."
    )
    oidc_fetch_timeout_s: float = Field(default=3.0, gt=0, description="How long a fetch may take, s.")
    oidc_tier: str = Field(default="free", description="Tier of a user who comes with a token for the first time.")

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
    outbox_interval_s: float = Field(default=2.0, gt=0, description="Time between two looks into the outbox, s.")
    outbox_stale_s: float = Field(
        default=2.0, gt=0, description="How long an event that the bus did not take waits for the next try, s."
    )
    outbox_silence_s: float = Field(
        default=60.0,
        gt=0,
        description="Silence about an open job after which it is first submitted again, s; so long "
        "waits a job, too, whose gateway dies in the very moment between storing and publishing it.",
    )
    outbox_silence_max_s: float = Field(
        default=3600.0, gt=0, description="The silence doubles with each submission of a job, up to this, s."
    )

    sweep_interval_s: float = Field(
        default=30.0, gt=0, description="Time between two looks for jobs that expired, and for what jobs left, s."
    )
    sweep_storage_interval_s: float = Field(
        default=3600.0, gt=0, description="Time between two looks through the uploads bucket, s."
    )
    slot_grace_s: float = Field(
        default=120.0, gt=0, description="Age of a slot without a job that is given back; longer than any request, s."
    )
    unused_upload_s: float = Field(
        default=86_400.0, gt=0, description="Age at which uploads that no job uses, or nobody completed, go, s."
    )
    removed_job_s: float = Field(
        default=604_800.0,
        ge=86_400,
        description="How long objects of a removed job are looked for; as long as Kafka keeps an event, s.",
    )

    request_timeout_s: float = Field(
        default=30.0, gt=0, description="How long a request may take before it is answered with 503, s."
    )
    drain_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long requests are still answered after SIGTERM, while /ready has load balancers send them "
        "elsewhere, s; longer than those take to notice.",
    )
    cors_origins: list[str] = Field(
        default=[], description='Origins of web pages that may read answers, such as ["https://example.org"]; or ["*"].'
    )
    events_poll_s: float = Field(
        default=2.0, gt=0, description="Time between two looks at a job whose events are streamed, s."
    )
    events_keep_alive_s: float = Field(
        default=15.0, gt=0, description="Silence of an event stream after which a comment is sent, s."
    )
    events_max_s: float = Field(
        default=900.0, gt=0, description="How long an event stream lasts before its client must come back, s."
    )
    events_per_user: int = Field(default=10, ge=1, description="Event streams that one user may have open here.")

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> Self:
        if self.oidc_issuer is not None and (self.oidc_audience is None or self.oidc_jwks_url is None):
            raise ValueError("oidc_issuer needs oidc_audience and oidc_jwks_url")
        if not self.oidc_fetch_interval_s <= self.oidc_keys_lifetime_s <= self.oidc_keys_max_age_s:
            raise ValueError(
                "oidc_fetch_interval_s, oidc_keys_lifetime_s and oidc_keys_max_age_s must grow in this order"
            )
        if self.oidc_tier not in self.tiers:
            raise ValueError("oidc_tier must be one of the tiers")
        return self
