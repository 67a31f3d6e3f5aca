"""The AsyncAPI document agrees with the event models, and the committed copy is up to date."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from services.gateway.api.document.asyncapi import FLOWS, make_asyncapi, text
from shared.events import TOPICS

REPOSITORY = Path(__file__).parents[5]
GOLDEN = sorted((REPOSITORY / "tests/data/events").glob("*.json"))
DOCUMENT = make_asyncapi("1.2.3")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def payload_schema(topic: str) -> dict[str, Any]:
    message = resolve(DOCUMENT["channels"][topic]["messages"][topic]["$ref"])
    return {**message["payload"], "components": DOCUMENT["components"]}


def test_the_committed_document_is_up_to_date() -> None:
    committed = (REPOSITORY / "docs/asyncapi.json").read_text()
    assert committed == text(), "run `python -m services.gateway.api.document.asyncapi > docs/asyncapi.json`"


def test_every_topic_and_its_dead_letters_have_a_channel() -> None:
    assert set(DOCUMENT["channels"]) == {*TOPICS, *(f"{topic}.dlq" for topic in TOPICS)}
    assert all(channel["address"] == name for name, channel in DOCUMENT["channels"].items())


def test_every_reference_can_be_resolved() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert resolve(reference)


def test_every_topic_is_sent_and_received() -> None:
    for topic in TOPICS:
        actions = {one["action"] for one in DOCUMENT["operations"].values() if topic in one["channel"]["$ref"]}
        assert actions == {"send", "receive"}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_events_are_as_documented(path: Path) -> None:
    event = json.loads(path.read_text())
    jsonschema_rs.validate(payload_schema(event["type"]), event)
    for field in ("type", "version", "job_id"):
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(payload_schema(event["type"]), {k: v for k, v in event.items() if k != field})


def test_keys_are_those_of_sent_events() -> None:
    events = {json.loads(path.read_text())["type"]: json.loads(path.read_text()) for path in GOLDEN}
    for flow in FLOWS:
        event = flow.event.model_validate(events[flow.event.topic])
        jsonschema_rs.validate(dict(flow.key), event.partition_key)
        assert ("pattern" in flow.key) == (event.partition_key != event.job_id)
