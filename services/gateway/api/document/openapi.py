"""The OpenAPI 3.1 document, generated from the operations and from the models of bodies and answers."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from services.gateway.api import answers
from services.gateway.api.document.operation import JSON, Operation, Parameter, Success
from services.gateway.api.document.operations import OPERATIONS
from services.gateway.api.rate_limit_fields import EXEMPT_PATHS, LIMIT_HEADER, POLICY_HEADER
from services.gateway.api.session_auth import CSRF_HEADER
from services.gateway.api.session_cookie import NAME as COOKIE
from services.gateway.api.session_cookie import TLS_PREFIX

REF_TEMPLATE = "#/components/schemas/{model}"
DESCRIPTION = """Search radio observations for technosignatures: upload a filterbank file, start an analysis, and get a
ranked list of drifting narrowband signals with labels, plots and catalogues.

Authenticate with an API key in `x-api-key`, or with a token in `Authorization: Bearer`. Pages of this service sign in
with `POST /session` and a cookie; with it, methods other than GET need the header `X-CSRF-Token`. Every error has the
form `{"error": {"code", "message"}}`; the code is stable. Every answer has an `X-Request-Id`, which you may choose."""

# Errors of every route, in addition to its own.
COMMON_ERRORS: Mapping[int, tuple[str, ...]] = {500: ("internal_error",), 503: ("temporarily_unavailable",)}
ACCESS_ERRORS: Mapping[int, tuple[str, ...]] = {
    403: (
        "missing_api_key",
        "invalid_api_key",
        "revoked_api_key",
        "expired_api_key",
        "invalid_token",
        "expired_token",
        "tokens_not_accepted",
        "ambiguous_credentials",
        "session_ended",
        "csrf_token_missing",
        "csrf_token_wrong",
        "cross_site_request",
    ),
}
LIMIT_ERRORS: Mapping[int, tuple[str, ...]] = {429: ("too_many_requests",)}
QUERY_ERRORS: Mapping[int, tuple[str, ...]] = {400: ("unknown_parameter", "repeated_parameter")}
BODY_ERRORS: Mapping[int, tuple[str, ...]] = {
    400: ("invalid_json", "missing_field", "invalid_field", "unknown_field"),
    408: ("request_timeout",),
    413: ("request_too_large",),
    415: ("unsupported_content_encoding",),
}
RETRY_STATUSES = frozenset({429, 503})


class _AnswerSchema(GenerateJsonSchema):
    """The schema of what is sent: a field with the default None is left out or has a value, any other is always sent.

    A default is an input's business, so the schema of an answer shows none.
    """

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = schema["schema"]
        if schema.get("default", ...) is None and inner["type"] == "nullable":
            return self.generate_inner(inner["schema"])
        return self.generate_inner(inner)

    def field_is_required(
        self, field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField, total: bool
    ) -> bool:
        schema = field["schema"]
        if schema["type"] == "default":
            # A field that is left out for some value is not always there.
            return schema.get("default", ...) is not None and "serialization_exclude_if" not in field
        return super().field_is_required(field, total)


def _answer_types(operations: Iterable[Operation]) -> dict[str, Any]:
    types: dict[str, Any] = {"error": answers.Error}
    for operation in operations:
        for success in operation.successes:
            for media_type, model in success.content.items():
                types[_answer_name(operation, success, media_type)] = model
    return types


def _answer_name(operation: Operation, success: Success, media_type: str) -> str:
    return f"{operation.method} {operation.path} {success.status} {media_type}"


def _schemas(
    types: Mapping[str, Any], mode: JsonSchemaMode, generator: type[GenerateJsonSchema]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schemas by name, and the definitions that they refer to."""
    inputs = [(name, mode, TypeAdapter(model)) for name, model in types.items()]
    by_key, definitions = TypeAdapter.json_schemas(inputs, ref_template=REF_TEMPLATE, schema_generator=generator)
    return {name: schema for (name, _), schema in by_key.items()}, definitions.get("$defs", {})


def _id(operation: Operation) -> str:
    words = operation.path.replace("{", "").replace("}", "").replace("-", "/").replace(".", "/").replace("_", "/")
    return operation.method + "".join(word.capitalize() for word in words.split("/"))


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    return described if parameter.example is None else {**described, "example": parameter.example}


def _errors(operation: Operation) -> dict[int, tuple[str, ...]]:
    groups = [COMMON_ERRORS] if operation.path in EXEMPT_PATHS else [COMMON_ERRORS, LIMIT_ERRORS]
    if not operation.is_public:
        groups += [ACCESS_ERRORS, QUERY_ERRORS]
    if operation.body is not None:
        groups.append(BODY_ERRORS)
    groups.append(operation.errors)
    codes: dict[int, tuple[str, ...]] = {}
    for group in groups:
        for status, more in group.items():
            codes[status] = (*codes.get(status, ()), *more)
    return dict(sorted(codes.items()))


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def _error_answer(status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    listed = ", ".join(f"`{code}`" for code in codes)
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if status in RETRY_STATUSES:
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    example = {"error": {"code": codes[0], "message": "A sentence that says what to do."}}
    return {
        "description": f"{HTTPStatus(status).phrase}. Codes: {listed}.",
        "headers": headers,
        "content": {JSON: {"schema": {"$ref": REF_TEMPLATE.format(model="Error")}, "example": example}},
    }


def _answers(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for success in operation.successes:
        headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
        headers |= {name: _header(meaning) for name, meaning in success.headers.items()}
        content = {media: {"schema": schemas[_answer_name(operation, success, media)]} for media in success.content}
        responses[str(success.status)] = {"description": success.description, "headers": headers}
        if content:
            responses[str(success.status)]["content"] = content
    for status, codes in _errors(operation).items():
        responses[str(status)] = _error_answer(status, codes)
    if operation.path not in EXEMPT_PATHS:
        stated = {name: {"$ref": f"#/components/headers/{name}"} for name in (POLICY_HEADER, LIMIT_HEADER)}
        for response in responses.values():
            response["headers"] |= stated
    return responses


def _operation(operation: Operation, bodies: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _answers(operation, schemas),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.is_public:
        described["security"] = []
    if operation.body is not None:
        content: dict[str, Any] = {"schema": bodies[_id(operation)]}
        if operation.body_example is not None:
            content["example"] = dict(operation.body_example)
        described["requestBody"] = {"required": operation.is_body_required, "content": {JSON: content}}
    return described


def make_openapi(version: str, operations: Iterable[Operation] = OPERATIONS) -> dict[str, Any]:
    """Return the document of all operations."""
    operations = tuple(operations)
    body_types = {_id(operation): operation.body for operation in operations if operation.body is not None}
    bodies, body_definitions = _schemas(body_types, "validation", GenerateJsonSchema)
    schemas, answer_definitions = _schemas(_answer_types(operations), "serialization", _AnswerSchema)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, bodies, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Waterhole", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/", "description": "The server of this document."}],
        "security": [{"apiKey": []}, {"bearer": []}, {"cookieAuth": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": {**body_definitions, **answer_definitions},
            "headers": {
                "X-Request-Id": _header("Id of the request; name it in questions about the request."),
                "Retry-After": _header("Seconds after which a retry may succeed.", "integer"),
                POLICY_HEADER: _header("The rate limit that counts: `q` requests in `w` seconds."),
                LIMIT_HEADER: _header("What is left of it: `r` requests now, all of them in `t` seconds."),
            },
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookieAuth": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"A browser's session; over TLS the name is {TLS_PREFIX}{COOKIE}. Methods other "
                    f"than GET need the header {CSRF_HEADER} with csrf_token of GET /session.",
                },
            },
        },
    }
