"""The API's document: every route has its operation, and every example and schema is valid."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from services.gateway.api import bodies, cadence_bodies
from services.gateway.api.document.openapi import make_openapi
from services.gateway.api.document.operations import OPERATIONS
from services.gateway.api.upload_bodies import ResumeUploadBody
from services.gateway.api.upload_names import clean_file_name

DOCUMENT = json.loads(json.dumps(make_openapi("1.2.3")))
SOURCES = Path(bodies.__file__).parents[1]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


def with_components(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": DOCUMENT["components"]}


def test_each_method_and_path_has_one_operation_with_a_unique_id() -> None:
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(set(ids)) == len(ids) == len(OPERATIONS)


def test_every_reference_can_be_resolved() -> None:
    for node in nodes(DOCUMENT):
        reference = node.get("$ref")
        if reference is not None:
            found: Any = DOCUMENT
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
            assert found


def test_every_schema_is_valid() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=lambda one: one if isinstance(one, str) else "")
def test_examples_are_valid(name: str, operation: dict[str, Any]) -> None:
    media = [operation.get("requestBody", {}), *operation["responses"].values()]
    for content in (content for one in media for content in one.get("content", {}).values()):
        if "example" in content:
            jsonschema_rs.validate(with_components(content["schema"]), content["example"])
    for parameter in operation["parameters"]:
        assert parameter["description"].endswith(".")
        if "example" in parameter:
            jsonschema_rs.validate(parameter["schema"], parameter["example"])
    for schema in DOCUMENT["components"]["schemas"].values():
        if "example" in schema:
            jsonschema_rs.validate(with_components(schema), schema["example"])


def test_path_parameters_match_the_path() -> None:
    for operation in OPERATIONS:
        named = {part.strip("{}") for part in operation.path.split("/") if part.startswith("{")}
        assert named == {one.name for one in operation.parameters if one.where == "path"}


def test_operations_that_need_a_key_document_403_500_and_503() -> None:
    for name, operation in operations():
        responses = set(operation["responses"])
        assert {"500", "503"} <= responses, name
        if operation.get("security") == []:
            assert ("403" in responses) == ("/session" in name), name
        else:
            assert "403" in responses, name
        for status in responses & {"429", "503"}:
            assert "Retry-After" in operation["responses"][status]["headers"]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert DOCUMENT["security"] == [{name: []} for name in schemes]


def test_answers_contain_no_nulls() -> None:
    job = DOCUMENT["components"]["schemas"]["Job"]
    assert job["properties"]["completed_at"]["type"] == "integer"
    assert "completed_at" not in job["required"]
    assert {"job_id", "status", "exports_ready"} <= set(job["required"])


def schema_of(model: type[bodies.Body]) -> dict[str, Any]:
    return with_components({"$ref": f"#/components/schemas/{model.__name__}"})


def test_every_body_model_is_documented() -> None:
    documented = {
        model
        for operation in OPERATIONS
        if operation.body is not None
        for model in (get_args(operation.body) or (operation.body,))
    }
    parts = {bodies.PartBody, cadence_bodies.ScanBody, cadence_bodies.CadenceParametersBody}
    assert documented | parts == set(subclasses(bodies.Body))


def subclasses(model: type) -> Iterator[type]:
    for child in model.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize(
    ("model", "content", "is_valid"),
    [
        (bodies.AnalyzeBody, {"file_key": "k", "source_name": None}, True),
        (bodies.AnalyzeBody, {"file_key": "k", "snr_threshold": 5}, True),
        (bodies.AnalyzeBody, {"file_key": "k", "snr": 20}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "snr_threshold": 4.9}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "max_drift_rate_hz_s": 50.1}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "filename": "a\u0007"}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "filename": "a\u0085"}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "filename": "é☃"}, True),
        (bodies.AnalyzeBody, {"file_key": "k", "filename": "a\u2028"}, False),
        (bodies.AnalyzeBody, {"file_key": "k", "source_name": "a\u2029"}, False),
        (bodies.UploadUrlBody, {"filename": "a/b c.FIL"}, True),
        (bodies.UploadUrlBody, {"filename": "a.h5", "file_size": 2**63}, False),
        (bodies.UploadUrlBody, {"filename": "a.h5", "file_size": 1.5}, False),
        (bodies.UploadUrlBody, {"filename": "a.h5", "part_numbers": [1, 10_000]}, True),
        (bodies.UploadUrlBody, {"filename": "a.h5", "part_numbers": []}, False),
        (bodies.UploadUrlBody, {"filename": "a.h5", "part_numbers": [0]}, False),
        (ResumeUploadBody, {"file_key": "k", "upload_id": "u"}, True),
        (ResumeUploadBody, {"file_key": "k", "upload_id": "u", "filename": "a.h5"}, False),
        (ResumeUploadBody, {"upload_id": "u"}, False),
        (bodies.UploadUrlBody, {"filename": "a.txt"}, False),
        (bodies.UploadUrlBody, {"filename": "a/.fil"}, False),
        (bodies.UploadUrlBody, {"filename": "...fil"}, False),
        (
            bodies.CompleteUploadBody,
            {"file_key": "k", "upload_id": "u", "parts": [{"partNumber": 0, "etag": "a"}]},
            False,
        ),
    ],
)
def test_schemas_accept_what_the_models_accept(
    model: type[bodies.Body], content: dict[str, Any], is_valid: bool
) -> None:
    assert jsonschema_rs.is_valid(schema_of(model), content) == is_valid
    assert is_accepted(model, content) == is_valid


def is_accepted(model: type[bodies.Body], content: dict[str, Any]) -> bool:
    try:
        body = model.model_validate(content)
        if isinstance(body, bodies.UploadUrlBody):
            clean_file_name(body.filename)
    except ValueError:
        return False
    return True


def test_codes_in_the_document_occur_in_the_sources() -> None:
    """Check that every error code in the document is raised somewhere."""
    sources = "".join(
        path.read_text() for path in SOURCES.rglob("*.py") if not path.name.endswith(("operations.py", "openapi.py"))
    )
    sources += (SOURCES.parents[1] / "shared/errors.py").read_text() + (
        SOURCES.parents[1] / "shared/blobs/errors.py"
    ).read_text()
    for operation in OPERATIONS:
        for code in (code for codes in operation.errors.values() for code in codes):
            assert f'"{code}"' in sources, code
