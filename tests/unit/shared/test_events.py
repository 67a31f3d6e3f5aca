"""The events on the bus are a public contract: events of earlier versions stay readable with the same meaning."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.events import (
    TOPICS,
    Artefact,
    Chunk,
    ChunkPlan,
    ChunkReady,
    ChunkSearched,
    Event,
    JobFailed,
    JobLimits,
    JobProgress,
    JobReopened,
    ObservationClassified,
    ObservationExported,
    ObservationSubmitted,
    ResultsSummary,
    SearchParameters,
    TopCandidate,
    UndecodableEventError,
    Upload,
    decode,
)
from shared.header import Header

GOLDEN = Path(__file__).parents[2] / "data" / "events"

JOB_ID = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11"
UPLOAD = Upload(
    file_key="uploads/u-42/8d7c7a52-3f0f-4b58-9a55-3b1f3f0c9c7e/Voyager1 Größe.h5",
    file_name="Voyager1 Größe.h5",
    file_size=50_496_512,
    source_name="Voyager 1",
    submitted_at=datetime(2026, 4, 7, 12, 0, 0, 250_000, tzinfo=UTC),
)
PARAMETERS = SearchParameters(snr_threshold=12.5, max_drift_rate_hz_s=4.0)
HEADER = Header(
    file_format="h5",
    n_spectra=16,
    n_channels=1_048_576,
    n_ifs=1,
    n_bits=32,
    fch1_mhz=8421.386717353016,
    foff_mhz=-2.7939677238464355e-06,
    tsamp_s=18.253611008,
    tstart_mjd=57650.78209490741,
    source_name="Voyager1",
    ra_hours=17.167773333,
    dec_deg=12.183,
    telescope_id=6,
    coarse_channel_width=1_048_576,
    has_dc_spike=True,
)
CHUNK = Chunk(
    index=3,
    count=64,
    start_channel=3_145_728,
    stop_channel=4_194_304,
    read_start_channel=3_145_336,
    read_stop_channel=4_194_696,
)
WARNINGS = ("The last spectrum is cut short and was left out.",)


def common(event_id: str, producer: str) -> dict:
    at = datetime(2026, 4, 7, 12, 0, 1, tzinfo=UTC)
    return {"event_id": uuid.UUID(event_id), "job_id": JOB_ID, "occurred_at": at, "producer": producer}


EXPECTED = [
    ObservationSubmitted(
        **common("a2bb189e-8bf9-5888-9912-ace4e6543002", "gateway"), upload=UPLOAD, parameters=PARAMETERS
    ),
    ChunkReady(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c01", "ingest"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk=CHUNK,
        warnings=WARNINGS,
    ),
    ChunkSearched(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c02", "dedoppler"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk=CHUNK,
        warnings=WARNINGS,
        hits_key=f"jobs/{JOB_ID}/hits/00003.npz",
        n_hits=5,
    ),
    ObservationClassified(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c03", "classify"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk_count=64,
        results_key=f"jobs/{JOB_ID}/results.json",
        summary=ResultsSummary(
            raw_hits=12,
            filtered_hits=5,
            candidates=3,
            processing_time_seconds=8.25,
            top_candidates=(
                TopCandidate(
                    frequency_hz=8419297027.867,
                    drift_rate=-0.377557,
                    snr=1013.2,
                    classification="CANDIDATE_ET",
                    interestingness=0.91,
                    rfi_source="",
                    source="drift_search",
                ),
            ),
        ),
    ),
    ObservationExported(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c04", "export"),
        artefacts=(
            Artefact(
                format="fits",
                key=f"jobs/{JOB_ID}/catalog.fits",
                filename="catalog.fits",
                content_type="application/fits",
                size=8640,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ),
    ),
    JobProgress(**common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c05", "dedoppler"), stage="dedoppler", done=3, total=64),
    JobFailed(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c06", "ingest"),
        stage="ingest",
        code="bad_observation",
        message="The file 'Voyager1 Größe.h5' has no dataset 'data'; it is no filterbank file.",
    ),
    JobReopened(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c09", "operator"),
        operator="ada",
        dead_letter="chunk.ready.dlq/2:17",
    ),
]

# Like EXPECTED[3], but from a version that sends the plan.
CLASSIFIED_WITH_PLAN = EXPECTED[3].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c07"),
        "plan": ChunkPlan(
            n_channels=1_048_576, count=64, stride_channels=1_048_576, parts=64, overlap_channels=392, lanes=2
        ),
    }
)
# Like EXPECTED[3], from a version whose summary has warnings.
CLASSIFIED_WITH_WARNINGS = EXPECTED[3].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c08"),
        "summary": EXPECTED[3].summary.model_copy(update={"warnings": WARNINGS}),
    }
)
# Like EXPECTED[0], but from a version that pins the object.
SUBMITTED_WITH_ETAG = EXPECTED[0].model_copy(
    update={
        "event_id": uuid.UUID("a2bb189e-8bf9-5888-9912-ace4e6543003"),
        "upload": UPLOAD.model_copy(update={"etag": '"546abf2c5f7cb5279fa9079387898219-5"'}),
    }
)
# The same, from a version that states the limits of the tier.
SUBMITTED_WITH_LIMITS = SUBMITTED_WITH_ETAG.model_copy(
    update={
        "event_id": uuid.UUID("a2bb189e-8bf9-5888-9912-ace4e6543004"),
        "upload": SUBMITTED_WITH_ETAG.upload.model_copy(update={"sha256": "9f86d081884c7d65" * 4}),
        "limits": JobLimits(max_unpacked_bytes=1073741824, max_processor_s=614.4),
    }
)
# Like EXPECTED[1], but of a search of the sum of two IFs.
READY_WITH_IFS = EXPECTED[1].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c09"),
        "parameters": PARAMETERS.model_copy(update={"ifs": "stokes_i", "pol_type": "AABBCRCI"}),
        "chunk": CHUNK.model_copy(update={"ifs": (0, 1)}),
        "plan": ChunkPlan(
            n_channels=67_108_864,
            count=64,
            stride_channels=1_048_576,
            parts=1,
            overlap_channels=392,
            lanes=2,
            searches=((0, 1),),
        ),
    }
)
# Events of a version that has more fields, by what their examples are named after.
VARIANTS = {
    "plan": CLASSIFIED_WITH_PLAN,
    "warnings": CLASSIFIED_WITH_WARNINGS,
    "etag": SUBMITTED_WITH_ETAG,
    "limits": SUBMITTED_WITH_LIMITS,
    "ifs": READY_WITH_IFS,
}
ALL_EVENTS = [*EXPECTED, *VARIANTS.values()]


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
def test_the_key_is_the_job_except_for_chunks_shared_by_workers(event):
    assert event.partition_key == (f"{JOB_ID}:3" if isinstance(event, ChunkReady) else JOB_ID)


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
