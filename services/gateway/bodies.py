"""What clients send: the bodies of requests, checked field by field."""

import json
import unicodedata
from typing import Annotated, Any, NoReturn, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.gateway.errors import ApiError
from shared.events import SearchParameters

MAX_PARTS = 10_000

BodyT = TypeVar("BodyT", bound=BaseModel)


def _no_control_characters(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("it must not hold control characters")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_no_control_characters)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_no_control_characters)]
# S3's ETags, with the quotes that belong to them in HTTP or without.
ETag = Annotated[str, StringConstraints(pattern=r'^"?[0-9A-Za-z+/=_.-]{1,200}"?$')]


class Body(BaseModel):
    """A request's body: no number for a text, no text for a number; fields of a later version pass."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class UploadUrlBody(Body):
    """POST /upload-url."""

    # Longer than a name may be in the end: a path is cut down to its last part.
    filename: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    file_size: int | None = Field(default=None, ge=1)


class AbortUploadBody(Body):
    """POST /abort-upload."""

    file_key: Key
    upload_id: Key


class PartBody(Body):
    """One part of a multipart upload."""

    part_number: int = Field(alias="partNumber", ge=1, le=MAX_PARTS)
    etag: ETag


class CompleteUploadBody(AbortUploadBody):
    """POST /complete-upload."""

    parts: list[PartBody] = Field(min_length=1, max_length=MAX_PARTS)


class AnalyzeBody(Body):
    """POST /analyze. `snr_threshold` and `max_drift_rate_hz_s` are checked as search parameters."""

    file_key: Key
    filename: Name | None = None
    source_name: Name | None = None
    snr_threshold: float | None = None
    max_drift_rate_hz_s: float | None = None

    def search_parameters(self) -> SearchParameters:
        """The parameters of the search, defaults where the user named none.

        Raises:
            ApiError: 400, one is out of range.
        """
        given = self.model_dump(include={"snr_threshold", "max_drift_rate_hz_s"}, exclude_none=True)
        try:
            return SearchParameters(**given)
        except ValidationError as error:
            _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        raise ApiError(400, "missing_field", f"The field {field!r} is required.") from error
    reason = first["msg"].removeprefix("Value error, ")
    raise ApiError(400, "invalid_field", f"The field {field!r} is not valid: {reason}.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


async def read_body(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's body.

    Raises:
        ApiError: 400, it is not a JSON object, or a field is missing or wrong.
    """
    raw = await request.read()
    try:
        content: Any = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "invalid_json", "The request body is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ApiError(400, "invalid_json", "The request body must be a JSON object.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        _refuse(error)
