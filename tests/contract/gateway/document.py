"""Check answers against the API's document: nothing in an answer may be undocumented."""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from services.gateway.api.document.openapi import make_openapi
from services.gateway.api.document.operations import OPERATIONS

DOCUMENT: dict[str, Any] = json.loads(json.dumps(make_openapi("1.2.3")))


def _closed(node: Any) -> Any:
    """Return the schemas, changed so that they allow no undocumented fields."""
    if isinstance(node, list):
        return [_closed(child) for child in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(child) for name, child in node.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed["additionalProperties"] = False
    return closed


_COMPONENTS = {**DOCUMENT["components"], "schemas": _closed(copy.deepcopy(DOCUMENT["components"]["schemas"]))}
_TEMPLATES = [(one.method, one.path, re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path))) for one in OPERATIONS]


def operation_of(method: str, path: str) -> tuple[str, str] | None:
    """Return the method and path template of a request, or None if the document has no such operation."""
    bare = path.partition("?")[0]
    return next(
        ((one, template) for one, template, form in _TEMPLATES if one == method.lower() and form.fullmatch(bare)), None
    )


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Fail unless the document describes the answer. A request that matches no operation must be refused.

    `body` is decoded JSON, text, or None.
    """
    found = operation_of(method, path)
    if found is None:
        assert status in {404, 405}, f"{method} {path}: {status} of an operation that is not documented"
        return
    responses = DOCUMENT["paths"][found[1]][found[0]]["responses"]
    assert str(status) in responses, f"{method} {path}: {status} is not documented"
    response = responses[str(status)]
    assert "X-Request-Id" in headers
    if "Retry-After" in response["headers"]:
        assert int(headers["Retry-After"]) > 0
    kind = headers.get("Content-Type", "").partition(";")[0]
    content = response.get("content", {})
    if not content:
        assert body in (None, "", b"")
        return
    assert kind in content, f"{method} {path}: {kind} is not documented"
    contents = events_of(body) if kind == "text/event-stream" else [body]
    for one in contents:
        jsonschema_rs.validate({**content[kind]["schema"], "components": _COMPONENTS}, one)


def events_of(text: str) -> list[dict[str, str]]:
    """Return the server-sent events in a text, without comments and `retry` fields."""
    blocks = [[line.partition(": ") for line in block.splitlines() if line] for block in text.split("\n\n")]
    events = [{name: value for name, _, value in block if name} for block in blocks]
    return [event for event in events if "data" in event]
