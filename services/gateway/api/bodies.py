"""The bodies of requests, validated field by field."""

import asyncio
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.gateway.api.errors import ApiError, unsupported_encoding
from shared.event_fields import Sha256
from shared.events import MaxDriftRate, SearchParameters, SnrThreshold
from shared.polarisations import IfChoice, PolType

MAX_PARTS = 10_000
# Characters shown of a name that the client chose.
MAX_SHOWN = 100
# The largest integer that every store and programming language supports.
MAX_INTEGER = 2**63 - 1
# More digits than any number that is accepted.
MAX_DIGITS = 25
MAX_DEPTH = 32
# Content-Encodings of a body: none, and what aiohttp decodes.
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
# How long to wait for the rest of a body, s.
BODY_TIMEOUT_S = 15.0

BodyT = TypeVar("BodyT", bound=BaseModel)

# Unicode's categories Cc, Zl, Zp and Cs: control characters, line and paragraph separators, halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def no_control_characters(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("it must not hold control characters or line separators")
    return text


# Patterns for the API's document, equivalent to the rules below and in `upload_names`.
_FILE_NAME = Field(json_schema_extra={"pattern": r"[^./\\][^/\\]*\.([Ff][Ii][Ll]|[Hh]5)$"})
PRINTABLE = Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"})

Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(no_control_characters), PRINTABLE]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(no_control_characters), PRINTABLE]
# S3's ETags, with or without the quotes that HTTP requires.
ETag = Annotated[str, StringConstraints(pattern=r'^"?[0-9A-Za-z+/=_.-]{1,200}"?$')]


class Body(BaseModel):
    """The body of a request. Types are not converted, and unknown fields are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


PartNumbers = Annotated[list[Annotated[int, Field(ge=1, le=MAX_PARTS)]], Field(min_length=1, max_length=MAX_PARTS)]


class UploadUrlBody(Body):
    """POST /upload-url, for a new upload."""

    # May be longer than a file name: only the last part of a path is used.
    filename: Annotated[str, StringConstraints(min_length=1, max_length=4096), _FILE_NAME]
    file_size: int | None = Field(
        default=None,
        ge=1,
        le=MAX_INTEGER,
        description="Bytes of the file. If it is given, S3 accepts an upload of exactly this size.",
    )
    part_numbers: PartNumbers | None = Field(
        default=None,
        description="Which parts of a multipart upload get URLs; all by default. Ask for the others later, with "
        "file_key and upload_id. Numbers of no part are ignored.",
    )


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
    """POST /analyze."""

    file_key: Key
    filename: Name | None = None
    source_name: Name | None = None
    snr_threshold: SnrThreshold | None = Field(
        default=None, description="Lowest signal-to-noise ratio of a hit; 10 by default."
    )
    max_drift_rate_hz_s: MaxDriftRate | None = Field(
        default=None, description="Largest drift rate that is searched, Hz/s; 4 by default."
    )
    ifs: IfChoice | None = Field(
        default=None,
        description="Which IFs (polarisations) are searched: `first`, the default; `all` that are powers, each by "
        "itself; `stokes_i`, the sum of the two polarisations' powers.",
    )
    pol_type: PolType | None = Field(
        default=None,
        description="What the file's IFs are, for it doesn't say, named as in PSRFITS. Needed for `all` and `stokes_i` "
        "of a file with four IFs; two are taken for powers (AABB).",
    )
    chirps: bool | None = Field(
        default=None,
        description="Whether signals whose drift rate changes are searched for too; false by default. It takes up to "
        "twice the time.",
    )

    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the file, in lower-case hexadecimal. The catalogues state it as given; without it, the "
        "service reads the file once more to compute it.",
    )

    def search_parameters(self) -> SearchParameters:
        """Return the parameters of the search, with defaults for those that the user left out."""
        given = self.model_dump(include=set(SearchParameters.model_fields), exclude_none=True)
        return SearchParameters(**given)


class CreateKeyBody(Body):
    """POST /api-keys."""

    name: Name = "Default"
    ttl_days: int = Field(default=90, ge=1, le=365)


class SignInBody(Body):
    """POST /session: exactly one of the two."""

    api_key: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="An API key; the session ends when the key does."
    )
    link_token: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="The token of a link that signs in once."
    )


class ReportBody(Body):
    """POST /reports."""

    job_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="The job, or the cadence, that the report is about."
    )
    error_type: Literal["pipeline_failure", "user_report"] = "user_report"
    description: Annotated[str, StringConstraints(max_length=5000)] = ""
    metadata: dict[str, Any] = Field(default_factory=dict)


def _refuse(error: ValidationError) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        raise ApiError(400, "missing_field", f"The field {field!r} is required.") from error
    if first["type"] == "extra_forbidden":
        raise ApiError(400, "unknown_field", f"The field {field[:MAX_SHOWN]!r} is unknown.") from error
    reason = first["msg"].removeprefix("Value error, ")
    raise ApiError(400, "invalid_field", f"The field {field!r} is not valid: {reason}.") from error


class _NumberError(ValueError):
    """A number that is no JSON, such as NaN."""


def _no_constant(name: str) -> NoReturn:
    raise _NumberError(f"{name} is no JSON number")


def _integer(digits: str) -> float:
    """Return an integer, or infinity for more digits than any store accepts: `int` is slow for thousands of them."""
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. JSON leaves open which of two fields of one name counts, so they are refused."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _BadBodyError(f"The field {_shown(name)} is given more than once.")
        content[name] = value
    return content


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_object)


class _BadBodyError(Exception):
    """A body that is not accepted; the text is a sentence for the user."""


class _BadFieldError(Exception):
    """A field, by its path, whose value no store or reader can handle, and why."""

    def __init__(self, path: Sequence[str], reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def _check_tree(node: Any, path: tuple[str, ...] = ()) -> None:
    """Raise for what some store or reader cannot handle: NUL, lone surrogates, deep nesting, numbers out of range."""
    if isinstance(node, str):
        _check_text(node, path)
    elif isinstance(node, int | float):
        _check_number(node, path)
    elif isinstance(node, dict | list):
        if len(path) >= MAX_DEPTH:
            raise _BadFieldError(path[:1], f"it must not be nested deeper than {MAX_DEPTH} levels")
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            inside = (*path, str(name))
            if isinstance(name, str):
                _check_text(name, inside)
            _check_tree(child, inside)


def _check_text(text: str, path: tuple[str, ...]) -> None:
    if "\0" in text:
        raise _BadFieldError(path, "it must not hold NUL characters")
    if _SURROGATE.search(text):
        raise _BadFieldError(path, "it must not hold halves of surrogate pairs")


def _check_number(number: float, path: tuple[str, ...]) -> None:
    if isinstance(number, int):
        if not -MAX_INTEGER <= number <= MAX_INTEGER:
            raise _BadFieldError(path, f"integers must be from -{MAX_INTEGER} to {MAX_INTEGER}")
    elif not math.isfinite(number):
        raise _BadFieldError(path, "the number is out of range")


def _shown(name: str) -> str:
    return repr(name[:MAX_SHOWN])


def _decoded_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in the bytes. A byte order mark is ignored, as RFC 8259, section 8.1, allows."""
    if not raw:
        raise _BadBodyError("The request body is empty; it must be a JSON object.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _BadBodyError(f"The request body is not valid UTF-8: see byte {error.start + 1}.") from error
    try:
        content = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _BadBodyError(f"The request body is not valid JSON: {error.msg}, at {place}.") from error
    except _NumberError as error:
        raise _BadBodyError(f"The request body is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise _BadBodyError(f"The request body must not be nested deeper than {MAX_DEPTH} levels.") from error
    if not isinstance(content, dict):
        raise _BadBodyError("The request body must be a JSON object.")
    return content


def parse_json_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in the bytes of a request's body.

    Raises
    ------
    ApiError
        400, the bytes are not UTF-8, not JSON, not an object, name a field twice, or contain NUL, lone surrogates,
        numbers out of range, or more than 32 levels of nesting.
    """
    try:
        content = _decoded_object(raw)
        _check_tree(content)
    except _BadBodyError as error:
        raise ApiError(400, "invalid_json", str(error)) from error
    except _BadFieldError as error:
        field = _shown(".".join(error.path))
        raise ApiError(400, "invalid_field", f"The field {field} is not valid: {error.reason}.") from error
    return content


def _require_known_encoding(request: web.Request) -> None:
    """Raise unless the body's Content-Encoding is one that is decoded before the body is read."""
    given = ", ".join(request.headers.getall(hdrs.CONTENT_ENCODING, []))
    if given.strip().lower() not in ENCODINGS:
        raise unsupported_encoding()


async def read_body(request: web.Request, model: type[BodyT]) -> BodyT:
    """Return the request's body.

    Raises
    ------
    ApiError
        400, the body is not a JSON object, or a field is missing, unknown or not valid; 408, the body did not
        arrive in time; 415, its Content-Encoding is not supported.
    """
    return validated(await read_object(request), model)


def validated(content: Mapping[str, Any], model: type[BodyT]) -> BodyT:
    """Return a body of this kind.

    Raises
    ------
    ApiError
        400, a field is missing, unknown or not valid.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        _refuse(error)


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Raises
    ------
    ApiError
        400, the body is not a JSON object; 408, it did not arrive in time; 415, its Content-Encoding is not supported.
    """
    _require_known_encoding(request)
    try:
        if request.content.is_eof():
            # The whole body has arrived, as is usual for small ones.
            raw = await request.read()
        else:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                raw = await request.read()
    except TimeoutError as error:
        raise ApiError(408, "request_timeout", "The request body did not arrive in time.") from error
    except web.RequestPayloadError as error:
        raise ApiError(
            400, "invalid_json", "The request body does not match its Content-Encoding or its length."
        ) from error
    return parse_json_object(raw)
