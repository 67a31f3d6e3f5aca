"""The AsyncAPI 3.0 document of the Kafka topics, generated from the event models.

`python -m services.gateway.api.document.asyncapi` prints it.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from shared import service
from shared.events import (
    CadenceClassified,
    CadenceExported,
    CadenceReady,
    CadenceReviewed,
    ChunkReady,
    ChunkSearched,
    Event,
    JobFailed,
    JobProgress,
    JobReopened,
    ObservationClassified,
    ObservationExported,
    ObservationReviewed,
    ObservationSubmitted,
    ReviewExported,
    Stage,
    TrackMeasured,
    TrackReady,
)

BINDING = "0.5.0"
JSON = "application/json"
JOB_KEY = {"type": "string", "description": "The job_id: events of one job arrive in order, on one partition."}
CHUNK_KEY = {
    "type": "string",
    "pattern": "^.+:[0-9]+$",
    "description": "job_id:chunk: the chunks of one job are spread over the partitions.",
}
PART_KEY = CHUNK_KEY | {
    "description": "job_id:part: the tracks of one cadence are spread over the partitions.",
}
WORKERS: tuple[Stage, ...] = get_args(Stage)
DESCRIPTION = """The events that the services of Waterhole publish. Other programs may subscribe to them too.

Delivery is at least once. The same input gives the same `event_id`, so a reader can recognise a repeat. Fields may be
added within a version, so readers must ignore unknown fields; a change that would break a reader gets a new version.
Events contain pointers into object storage, never arrays. A message with a number or text beyond the bounds stated here
is not handled, nor is one with a key outside its job's `jobs/{job_id}/`, or an upload outside `uploads/`. A message
that could not be handled is on `<topic>.dlq`, with its bytes unchanged."""

DEAD_LETTER_HEADERS: Mapping[str, str] = {
    "error_code": "Stable code, for programs.",
    "error": "A sentence for people.",
    "origin_topic": "Topic of the message.",
    "origin_partition": "Partition of the message.",
    "origin_offset": "Offset of the message.",
    "group": "Consumer group that could not handle the message.",
}


@dataclass(frozen=True)
class Flow:
    """The services that send and receive the events of a topic."""

    event: type[Event]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    key: Mapping[str, Any]


FLOWS = (
    Flow(ObservationSubmitted, ("gateway",), ("ingest",), JOB_KEY),
    Flow(ChunkReady, ("ingest",), ("dedoppler",), CHUNK_KEY),
    Flow(ChunkSearched, ("dedoppler",), ("classify",), JOB_KEY),
    Flow(ObservationClassified, ("classify",), ("export", "gateway"), JOB_KEY),
    Flow(ObservationExported, ("export",), ("gateway",), JOB_KEY),
    Flow(JobProgress, WORKERS, ("gateway",), JOB_KEY),
    Flow(JobFailed, WORKERS, ("gateway",), JOB_KEY),
    Flow(JobReopened, ("operator",), ("gateway",), JOB_KEY),
    Flow(CadenceReady, ("gateway",), ("classify",), JOB_KEY),
    Flow(TrackReady, ("classify",), ("dedoppler",), PART_KEY),
    Flow(TrackMeasured, ("dedoppler",), ("classify",), JOB_KEY),
    Flow(CadenceClassified, ("classify",), ("export", "gateway"), JOB_KEY),
    Flow(CadenceExported, ("export",), ("gateway",), JOB_KEY),
    Flow(ObservationReviewed, ("gateway",), ("export",), JOB_KEY),
    Flow(CadenceReviewed, ("gateway",), ("export",), JOB_KEY),
    Flow(ReviewExported, ("export",), ("gateway",), JOB_KEY),
)


def _ref(*path: str) -> dict[str, str]:
    escaped = [part.replace("~", "~0").replace("/", "~1") for part in path]
    return {"$ref": "#/" + "/".join(escaped)}


def _versions(event: type[Event]) -> list[int]:
    return list(get_args(event.model_fields["version"].annotation))


def _channel(topic: str, message: str, description: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": description,
        "messages": {message: _ref("components", "messages", message)},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": BINDING}},
    }


def _message(flow: Flow) -> dict[str, Any]:
    about = (flow.event.__doc__ or "").strip()
    return {
        "name": flow.event.topic,
        "title": flow.event.__name__,
        "summary": about.splitlines()[0],
        "contentType": JSON,
        "payload": _ref("components", "schemas", flow.event.__name__),
        "bindings": {"kafka": {"key": dict(flow.key), "bindingVersion": BINDING}},
        "x-versions": _versions(flow.event),
    }


def _dead_letter() -> dict[str, Any]:
    properties = {name: {"type": "string", "description": meaning} for name, meaning in DEAD_LETTER_HEADERS.items()}
    return {
        "name": "dead-letter",
        "title": "DeadLetter",
        "summary": "A message that could not be handled, with its key and bytes unchanged.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": properties, "required": list(properties)},
        "payload": {"description": "Any bytes."},
        "bindings": {"kafka": {"bindingVersion": BINDING}},
    }


def _operations(flow: Flow) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    topic = flow.event.topic
    for action, services in (("send", flow.senders), ("receive", flow.receivers)):
        for name in services:
            operations[f"{name}.{action}.{topic}"] = {
                "action": action,
                "summary": f"{name} {action}s {topic}",
                "channel": _ref("channels", topic),
                "messages": [_ref("channels", topic, "messages", topic)],
                "tags": [{"name": name}],
            }
    return operations


def make_asyncapi(version: str) -> dict[str, Any]:
    """Return the document of all topics."""
    _, schemas = models_json_schema(
        [(flow.event, "serialization") for flow in FLOWS], ref_template="#/components/schemas/{model}"
    )
    for flow in FLOWS:
        # They have defaults for producers only: readers refuse a message without them.
        schemas["$defs"][flow.event.__name__]["required"] += ["type", "version"]
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for flow in FLOWS:
        topic = flow.event.topic
        channels[topic] = _channel(topic, topic, f"From {', '.join(flow.senders)} to {', '.join(flow.receivers)}.")
        operations |= _operations(flow)
    for flow in FLOWS:
        topic = f"{flow.event.topic}.dlq"
        channels[topic] = _channel(topic, "dead-letter", f"Messages of {flow.event.topic} that could not be handled.")
    messages = {flow.event.topic: _message(flow) for flow in FLOWS}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Waterhole events", "version": version, "description": DESCRIPTION},
        "defaultContentType": JSON,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The event bus; WATERHOLE_KAFKA_BOOTSTRAP of the services.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas["$defs"], "messages": {**messages, "dead-letter": _dead_letter()}},
    }


def text(version: str = service.VERSION) -> str:
    """Return the text of docs/asyncapi.json."""
    return json.dumps(make_asyncapi(version), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
