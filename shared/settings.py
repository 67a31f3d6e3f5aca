"""Settings that every service has, read from the environment (`WATERHOLE_…`)."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnparsableSettingError

PREFIX = "WATERHOLE_"

LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(lambda level: str(level).upper())]


class ServiceSettings(BaseSettings):
    """Addresses of the servers and behaviour of this process; each service adds its own fields."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    host: str = Field(default="127.0.0.1", description="Address that the HTTP server listens on.")
    port: int = Field(default=8080, description="Port that the HTTP server listens on.")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    memory_limit_mb: int | None = Field(
        default=4000,
        ge=256,
        description="Memory that the process may reserve, MB (VmData); what needs more fails. None: no limit.",
    )

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port[,…].")
    kafka_session_timeout_ms: int = Field(
        default=10_000, description="Time after which Kafka gives the partitions of a silent consumer to another, ms."
    )

    kafka_fetch_max_wait_ms: int = Field(
        default=100, description="Longest time that the broker waits for a message before it answers a fetch, ms."
    )

    s3_endpoint: str | None = Field(default=None, description="S3 endpoint URL; without it, Amazon S3.")
    s3_public_endpoint: str | None = Field(
        default=None, description="Endpoint in presigned URLs, if clients reach S3 at another address than services do."
    )
    s3_region: str = Field(default="us-east-1", description="S3 region.")
    s3_access_key: SecretStr | None = Field(
        default=None, description="S3 access key; without it, boto3 looks for credentials."
    )
    s3_secret_key: SecretStr | None = Field(default=None, description="S3 secret key.")
    uploads_bucket: str = Field(default="waterhole-uploads", description="Bucket of uploaded observations.")
    results_bucket: str = Field(default="waterhole-results", description="Bucket of hits and artefacts.")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class SettingsError(Exception):
    """Environment variables are missing or not valid; the message names each and says what it is."""


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings from the environment.

    Raises
    ------
    SettingsError
        A variable is missing or its value is not valid. The message is one sentence without values,
        since they may be secrets.
    """
    try:
        return kind()
    except ValidationError as error:
        problems = list(_problems(kind, error))
    except UnparsableSettingError as error:
        # The variable should hold JSON and doesn't. The message of the library names the field.
        (name,) = re.findall(r'field "(\w+)"', str(error))
        problems = [_problem(kind, name, "not valid JSON")]
    raise SettingsError(f"These environment variables are missing or not valid: {'; '.join(problems)}.")


def _problems(kind: type[ServiceSettings], error: ValidationError) -> Iterator[str]:
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            # A rule about several settings together; its message names them.
            yield message
            continue
        name, *inside = map(str, detail["loc"])
        problem = "missing" if detail["type"] == "missing" else message
        if inside:
            problem = f"{'.'.join(inside)}: {problem}"
        yield _problem(kind, name, problem)


def _problem(kind: type[ServiceSettings], name: str, problem: str) -> str:
    description = (kind.model_fields[name].description or "").rstrip(".")
    return f"{PREFIX}{name.upper()}: {problem} ({description})"
