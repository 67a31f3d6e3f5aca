"""Settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from shared.events import JobLimits
from shared.settings import ServiceSettings

MEBIBYTE = 1024 * 1024


class Tier(BaseModel):
    """The limits of one tier."""

    model_config = ConfigDict(frozen=True)

    files_per_month: int = Field(
        ge=0, description="Jobs that a user may start in one calendar month, UTC, those of cadences included."
    )
    max_file_mb: int = Field(ge=1, description="Largest observation, MB of 1024 * 1024 bytes.")
    price: str = Field(description="Price, as users read it.")
    retention_days: int = Field(ge=1, description="How long a job and its files are kept, days.")
    history_jobs: int = Field(
        ge=1, description="Jobs kept per user, and as many cadences; beyond that, the oldest finished ones are removed."
    )
    concurrent_jobs: int = Field(
        default=5,
        ge=1,
        description="Jobs that a user may have open at the same time; a cadence counts as one, with all its jobs.",
    )
    open_uploads: int = Field(
        default=10, ge=1, description="Uploads that a user may have open: with valid URLs, and not analyzed yet."
    )
    stored_mb: int | None = Field(
        default=None,
        ge=1,
        description="MB that a user's uploads may take; none: the largest file for each job of the history and each "
        "open upload.",
    )
    api_keys: bool = Field(default=True, description="Whether users may create and revoke API keys.")
    processor_s_per_mb: float = Field(
        default=0.6,
        gt=0,
        description="Processor time that one job may take, s for each MB of max_file_mb. A plain file takes 0.01.",
    )

    @property
    def max_file_bytes(self) -> int:
        """Largest observation, bytes."""
        return self.max_file_mb * MEBIBYTE

    @property
    def max_stored_mb(self) -> int:
        """MB that a user's uploads may take."""
        all_full = (self.history_jobs + self.open_uploads) * self.max_file_mb
        return all_full if self.stored_mb is None else self.stored_mb

    @property
    def max_stored_bytes(self) -> int:
        """Bytes that a user's uploads may take."""
        return self.max_stored_mb * MEBIBYTE

    @property
    def job_limits(self) -> JobLimits:
        """What the tier allows for one job."""
        return JobLimits(
            max_unpacked_bytes=self.max_file_bytes, max_processor_s=self.processor_s_per_mb * self.max_file_mb
        )


class Example(BaseModel):
    """An observation to try the service with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$", description="Name in the API.")
    key: str = Field(pattern=r"^examples/.", description="Object in the uploads bucket, at most 5 GB.")
    filename: str = Field(pattern=r"^[\w.+-]+\.(fil|h5)$", description="Name of the file, as users see it.")
    description: str = Field(description="A sentence for users.")


DEFAULT_TIERS = {
    "free": Tier(
        files_per_month=10,
        max_file_mb=100,
        price="$0",
        retention_days=30,
        history_jobs=10,
        open_uploads=8,
        api_keys=False,
    ),
    "researcher": Tier(files_per_month=500, max_file_mb=1024, price="$99 USD/mo", retention_days=90, history_jobs=50),
    "institution": Tier(
        files_per_month=5000,
        max_file_mb=10_240,
        price="$499 USD/mo",
        retention_days=180,
        history_jobs=200,
        open_uploads=20,
    ),
    "enterprise": Tier(
        files_per_month=50_000,
        max_file_mb=51_200,
        price="$1,999 USD/mo",
        retention_days=365,
        history_jobs=500,
        open_uploads=50,
    ),
}


class Rate(BaseModel):
    """How many requests are allowed: `burst` at once, and `per_minute` in the long run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: int = Field(ge=1, le=10**9, description="Requests allowed at once.")
    per_minute: float = Field(gt=0, le=10**9, description="Requests allowed per minute after that.")

    def share(self, of: int) -> "Rate":
        """Return what one of so many gateways allows."""
        return Rate(burst=-(-self.burst // of), per_minute=self.per_minute / of)


class RateLimitSettings(BaseModel):
    """The rate limits; null turns one off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Rate | None = Field(default=Rate(burst=600, per_minute=3000), description="Requests of one user.")
    key: Rate | None = Field(default=Rate(burst=400, per_minute=2400), description="Requests with one API key.")
    address: Rate | None = Field(
        default=Rate(burst=300, per_minute=600), description="Requests without a user from one address."
    )
    failed_sign_ins: Rate | None = Field(
        default=Rate(burst=20, per_minute=10), description="Wrong keys and tokens from one address."
    )
    # A program that sends a hundred files at once is no attack: the open uploads of its tier limit what it takes.
    uploads: Rate | None = Field(default=Rate(burst=150, per_minute=120), description="New uploads of one user.")
    reports: Rate | None = Field(default=Rate(burst=10, per_minute=6), description="Reports of one user.")

    def share(self, of: int) -> "RateLimitSettings":
        """Return what one of so many gateways allows."""
        rates = {name: getattr(self, name) for name in type(self).model_fields}
        return RateLimitSettings(**{name: rate and rate.share(of) for name, rate in rates.items()})


UNLIMITED_RATES = RateLimitSettings(**dict.fromkeys(RateLimitSettings.model_fields))

TokenAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Settings(ServiceSettings):
    """The settings of every service, and those of MongoDB, keys, uploads, tiers, the outbox and the sweeper."""

    mongodb_url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017/?directConnection=true"),
        description="MongoDB connection string; it may hold a password.",
    )
    mongodb_database: str = Field(default="waterhole", description="MongoDB database.")
    mongodb_timeout_s: float = Field(default=3.0, gt=0, description="How long a request waits for MongoDB, s.")

    api_key_pepper: SecretStr = Field(
        min_length=16,
        description="Secret that API keys are hashed with. If it changes, every issued key stops working.",
    )

    api_keys_per_user: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Usable API keys that one user may have; revoked and expired ones do not count.",
    )

    user_cache_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="How long a key and its user are cached, s; 0 turns the cache off. A key revoked, or a tier "
        "changed, through this gateway takes effect at once. Through another gateway, or the command line, it takes "
        "effect here within this time. A key's own expiry takes effect to the second in any case.",
    )

    oidc_issuer: str | None = Field(
        default=None,
        min_length=1,
        description="OpenID Connect issuer whose tokens are accepted, spelled as in them; none: keys only.",
    )
    oidc_audience: str | None = Field(
        default=None, min_length=1, description="Value that the audience of a token must be, or must contain."
    )
    oidc_jwks_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="URL of the issuer's keys; use https unless the issuer runs on the same machine.",
    )
    oidc_algorithms: tuple[TokenAlgorithm, ...] = Field(
        default=("RS256", "ES256"),
        min_length=1,
        description="Signature algorithms that are accepted; none with a shared secret.",
    )
    oidc_clock_skew_s: float = Field(
        default=60.0, ge=0, le=600, description="How far the issuer's clock may differ from this machine's, s."
    )
    oidc_keys_lifetime_s: float = Field(
        default=3600.0, gt=0, description="Age at which the issuer's keys are fetched again, s."
    )
    oidc_keys_max_age_s: float = Field(
        default=21_600.0, gt=0, description="Age up to which the issuer's keys are used while it is unavailable, s."
    )
    oidc_fetch_interval_s: float = Field(
        default=30.0, gt=0, description="Shortest time between two fetches of the issuer's keys, s."
    )
    oidc_fetch_timeout_s: float = Field(
        default=3.0, gt=0, description="How long a fetch of the issuer's keys may take, s."
    )
    oidc_tier: str = Field(default="free", description="Tier of a user who is created by a token.")

    oidc_client_id: str | None = Field(
        default=None, min_length=1, description="Client id with which browsers sign in at the issuer; none: they can't."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Secret of that client; none for a public client, which only has its code's proof."
    )
    oidc_authorization_url: str | None = Field(
        default=None, pattern=r"^https?://", description="The issuer's authorization endpoint; needed with a client id."
    )
    oidc_token_url: str | None = Field(
        default=None, pattern=r"^https?://", description="The issuer's token endpoint; needed with a client id."
    )
    oidc_scopes: str = Field(
        default="openid", pattern=r"^(.* )?openid( .*)?$", description="Scopes that a sign-in asks the issuer for."
    )

    session_idle_s: float = Field(
        default=28_800.0, gt=0, description="How long a browser's session lasts without a use, s."
    )
    session_absolute_s: float = Field(
        default=604_800.0, gt=0, description="How long a browser's session lasts in any case, s."
    )
    sign_in_link_s: float = Field(
        default=3600.0, gt=0, description="How long a link that signs a user in once is valid, s."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\\\s]+/?$",
        description="URL at which browsers reach the gateway, such as https://waterhole.example; none: the Host of "
        "each request.",
    )

    upload_expires_s: int = Field(default=3600, ge=1, description="How long presigned upload URLs are valid, s.")
    download_expires_s: int = Field(default=3600, ge=1, description="How long presigned download URLs are valid, s.")
    multipart_threshold_bytes: int = Field(
        default=50 * MEBIBYTE, ge=1, description="Files larger than this are uploaded in parts, bytes."
    )
    part_size_bytes: int = Field(
        default=10_485_760,
        ge=5 * MEBIBYTE,
        description="Size of all parts but the last, bytes; S3 requires at least 5 MiB.",
    )
    examples: tuple[Example, ...] = Field(
        default=(), description="Observations that users may copy to their uploads to try the service."
    )
    tiers: dict[str, Tier] = Field(default=DEFAULT_TIERS, description="Limits of each tier, by its name.")

    publish_timeout_s: float = Field(
        default=1.5,
        gt=0,
        description="How long a submission waits for the bus; after that, the outbox publishes the event later, s.",
    )
    outbox_interval_s: float = Field(default=2.0, gt=0, description="Time between two sweeps of the outbox, s.")
    outbox_stale_s: float = Field(
        default=2.0, gt=0, description="How long an event that the bus refused waits for the next retry, s."
    )
    outbox_silence_s: float = Field(
        default=60.0,
        gt=0,
        description="How long a job may be without news before its event is published again, s. A job waits as long if "
        "its gateway dies after storing it and before publishing its event.",
    )
    outbox_silence_max_s: float = Field(
        default=3600.0, gt=0, description="The wait doubles with each publication of a job's event, up to this, s."
    )

    sweep_interval_s: float = Field(
        default=30.0,
        gt=0,
        description="Time between two sweeps for expired jobs, unused slots and objects of removed jobs, s.",
    )
    sweep_storage_interval_s: float = Field(
        default=3600.0, gt=0, description="Time between two sweeps of the uploads bucket, s."
    )
    slot_grace_s: float = Field(
        default=120.0, gt=0, description="Age at which a slot without a job is freed, s; longer than any request."
    )
    unused_upload_s: float = Field(
        default=86_400.0, gt=0, description="Age at which unused and incomplete uploads are deleted, s."
    )
    removed_job_s: float = Field(
        default=604_800.0,
        ge=86_400,
        description="How long late objects of a removed job are purged, s; as long as Kafka keeps an event.",
    )

    request_timeout_s: float = Field(
        default=30.0, gt=0, description="How long a request may take before it is answered with 503, s."
    )
    drain_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long requests are still answered after SIGTERM, s. Meanwhile /ready fails; this must be "
        "longer than load balancers take to notice that.",
    )
    rate_limits: RateLimitSettings = Field(
        default=RateLimitSettings(), description="Rate limits of requests; those that are left out keep their defaults."
    )
    gateway_replicas: int = Field(
        default=1, ge=1, le=1000, description="Gateways that share the requests; each allows its share of a rate limit."
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default=[],
        description='Networks of the proxies before the gateway, such as ["10.0.0.0/8"]. Only their X-Forwarded-For '
        "and X-Forwarded-Proto are believed.",
    )
    tls: bool = Field(
        default=False,
        description="Whether all users reach the gateway over TLS, through a proxy; browsers are told to use nothing "
        "else.",
    )
    cors_origins: list[str] = Field(
        default=[], description='Origins of web pages that may read answers, such as ["https://example.org"]; or ["*"].'
    )
    bucket_origins: list[str] | None = Field(
        default=None,
        description='Origins of web pages that may use presigned URLs, such as ["https://example.org"]; the gateway '
        "tells the buckets at its start. None: that of public_url, or any. []: the rules of the buckets stay.",
    )
    events_poll_s: float = Field(
        default=2.0, gt=0, description="Time between two reads of a job whose events are streamed, s."
    )
    events_keep_alive_s: float = Field(
        default=15.0, gt=0, description="Time without events after which a stream sends a comment, s."
    )
    events_max_s: float = Field(
        default=900.0, gt=0, description="How long an event stream lasts before its client must reconnect, s."
    )
    events_per_user: int = Field(
        default=10,
        ge=1,
        description="Event streams that one user may have open at one gateway: as many of single jobs and cadences, "
        "and as many of all changes.",
    )
    changes_poll_s: float = Field(
        default=0.5,
        gt=0,
        description="Time between two reads of what has changed, while a stream of all changes of a user is open, s.",
    )

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> Self:
        if self.oidc_issuer is not None and (self.oidc_audience is None or self.oidc_jwks_url is None):
            raise ValueError("oidc_issuer needs oidc_audience and oidc_jwks_url")
        if not self.oidc_fetch_interval_s <= self.oidc_keys_lifetime_s <= self.oidc_keys_max_age_s:
            raise ValueError(
                "oidc_fetch_interval_s, oidc_keys_lifetime_s and oidc_keys_max_age_s must grow in this order"
            )
        needed = (self.oidc_issuer, self.oidc_authorization_url, self.oidc_token_url, self.public_url)
        if self.oidc_client_id is not None and None in needed:
            raise ValueError("oidc_client_id needs oidc_issuer, oidc_authorization_url, oidc_token_url and public_url")
        if self.oidc_tier not in self.tiers:
            raise ValueError("oidc_tier must be one of the tiers")
        return self
