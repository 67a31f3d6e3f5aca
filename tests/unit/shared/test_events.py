"""The events on the bus are a public contract: events of earlier versions stay readable with the same meaning."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from shared.events import (
    TOPICS,
    ChunkReady,
    Event,
    JobFailed,
    JobProgress,
    ResultsSummary,
    SearchParameters,
    TopCandidate,
    TrackReady,
    UndecodableEventError,
    decode,
)
from tests.unit.shared.example_events import ALL_EVENTS, EXPECTED, GOLDEN, JOB_ID, READY_WITH_IFS, VARIANTS


def golden_name(event: Event) -> str:
    variant = "".join(f".{name}" for name, other in VARIANTS.items() if other == event)
    return f"{event.type}.v{event.version}{variant}.json"


def golden_of(event: Event) -> bytes:
    return (GOLDEN / golden_name(event)).read_bytes()


def required_fields(value: object, place: tuple = ()) -> list[tuple]:
    """Return the places in an event's JSON whose fields its version requires."""
    found = []
    fields = getattr(type(value), "model_fields", {})
    for name, field in fields.items():
        if field.is_required():
            found.append((*place, name))
        part = getattr(value, name)
        parts = enumerate(part) if isinstance(part, tuple) else [(None, part)]
        for index, inner in parts:
            found += required_fields(inner, (*place, name) if index is None else (*place, name, index))
    return found


each_event = pytest.mark.parametrize("event", ALL_EVENTS, ids=golden_name)


def test_every_type_has_an_example_and_every_golden_file_is_an_example():
    assert [event.topic for event in EXPECTED] == list(TOPICS)
    assert [event.type for event in EXPECTED] == list(TOPICS)
    assert {path.name for path in GOLDEN.iterdir()} == {golden_name(event) for event in ALL_EVENTS}


@each_event
def test_a_golden_message_decodes_to_the_expected_event(event):
    assert decode(golden_of(event)) == event


@each_event
def test_events_are_encoded_as_in_earlier_versions(event):
    assert json.loads(event.to_bytes()) == json.loads(golden_of(event))
    assert decode(event.to_bytes()) == event


@each_event
def test_a_field_that_a_later_producer_adds_is_ignored(event):
    fields = json.loads(golden_of(event)) | {"added_later": {"deep": [1, 2]}}
    for part in ("upload", "header", "chunk", "parameters", "plan", "summary"):
        if part in fields:
            fields[part]["added_later"] = 1
    assert decode(json.dumps(fields).encode()) == event


@each_event
@pytest.mark.parametrize("change", [{"version": 2}, {"version": 0}, {"type": "observation.unheard_of"}, {"type": None}])
def test_an_unknown_type_or_version_does_not_decode(event, change):
    with pytest.raises(UndecodableEventError):
        decode(json.dumps(json.loads(golden_of(event)) | change).encode())


@each_event
@pytest.mark.parametrize("name", ["type", "version"])
def test_an_event_without_type_or_version_does_not_decode(event, name):
    fields = json.loads(golden_of(event))
    del fields[name]
    with pytest.raises(UndecodableEventError):
        decode(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("event", "place"),
    [pytest.param(event, place, id=f"{event.type}-{place}") for event in EXPECTED for place in required_fields(event)],
)
def test_a_missing_field_does_not_decode(event, place):
    fields = json.loads(golden_of(event))
    holder = fields
    for name in place[:-1]:
        holder = holder[name]
    del holder[place[-1]]
    with pytest.raises(UndecodableEventError):
        decode(json.dumps(fields).encode())


def test_required_fields_include_nested_ones():
    places = required_fields(EXPECTED[3])
    assert {("job_id",), ("upload", "file_key"), ("summary", "top_candidates", 0, "snr")} <= set(places)


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"17", b'"text"', b"{", b"\xff\xfe{}", b"[" * 200_000, b'{"a":' * 200_000, b"{}"]
)
def test_invalid_bytes_do_not_decode(raw):
    with pytest.raises(UndecodableEventError):
        decode(raw)


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": 17},
        {"event_id": "not-a-uuid"},
        {"occurred_at": "yesterday"},
        {"stage": "cleaning"},
        {"done": 1.5},
    ],
)
def test_a_field_of_the_wrong_kind_does_not_decode(change):
    progress = EXPECTED[5]
    with pytest.raises(UndecodableEventError):
        decode(json.dumps(json.loads(golden_of(progress)) | change).encode())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(number):
    summary = EXPECTED[3].summary
    with pytest.raises(ValidationError):
        ResultsSummary(**(summary.model_dump() | {"processing_time_seconds": number}))
    with pytest.raises(ValidationError):
        TopCandidate(**(summary.top_candidates[0].model_dump() | {"snr": number}))
    with pytest.raises(ValidationError):
        SearchParameters(snr_threshold=number)


@each_event
def test_events_can_not_be_changed(event):
    with pytest.raises(ValidationError):
        event.job_id = "another"


def progress_of(job_id=JOB_ID, producer="dedoppler", step="chunk/3", done=3):
    return JobProgress.make(job_id=job_id, producer=producer, step=step, stage="dedoppler", done=done, total=64)


def test_the_same_input_gives_the_same_id():
    assert progress_of().event_id == progress_of().event_id
    # The id depends neither on the producer nor on the outcome.
    assert progress_of().event_id == progress_of(producer="another", done=4).event_id
    # The id is the same in every process and version, because it is part of the contract.
    assert progress_of().event_id == uuid.uuid5(
        uuid.UUID("6f1f6f0e-52d5-5d0b-9b5b-1420405751a7"), f"{JOB_ID}/job.progress/chunk/3"
    )


def test_another_job_step_or_type_gives_another_id():
    failed = JobFailed.make(job_id=JOB_ID, producer="p", step="chunk/3", stage="dedoppler", code="c", message="m")
    ids = {
        progress_of().event_id,
        progress_of(job_id="another").event_id,
        progress_of(step="chunk/4").event_id,
        failed.event_id,
    }
    assert len(ids) == 4


def test_events_have_the_current_time_in_utc():
    before = datetime.now(UTC)
    assert before <= progress_of().occurred_at <= datetime.now(UTC)
    assert json.loads(progress_of().to_bytes())["occurred_at"].endswith("Z")


@each_event
def test_the_key_is_the_job_except_for_work_shared_by_workers(event):
    assert event.partition_key == (f"{JOB_ID}:3" if isinstance(event, ChunkReady | TrackReady) else JOB_ID)


@pytest.mark.parametrize(
    "values",
    [{"snr_threshold": 4.9}, {"snr_threshold": 2e6}, {"max_drift_rate_hz_s": -0.1}, {"max_drift_rate_hz_s": 51}],
)
def test_parameters_outside_their_range_are_refused(values):
    with pytest.raises(ValidationError):
        SearchParameters(**values)


def test_the_chunks_of_all_channels_repeat_for_each_search():
    plan = READY_WITH_IFS.plan.model_copy(update={"count": 128, "searches": ((0,), (1,))})
    assert READY_WITH_IFS.plan.chunk(3) == READY_WITH_IFS.chunk
    assert [plan.chunk(index).ifs for index in (0, 63, 64, 127)] == [(0,), (0,), (1,), (1,)]
    assert [plan.chunk(index).channels for index in range(64)] == [
        plan.chunk(64 + index).channels for index in range(64)
    ]
