"""The fan-in: nothing before all chunks are in, the same bytes and events for every repeat."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.classify.handlers import Handler
from services.classify.model import load_model
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import (
    Chunk,
    ChunkPlan,
    ChunkSearched,
    JobProgress,
    ObservationClassified,
    SearchParameters,
    Upload,
    decode,
)
from shared.hits import ChunkNoise, GainChange, Gap
from shared.object_keys import artefact_key, hits_key

MODEL = load_model()
JOB = "a1b2c3d4-0000-4000-8000-000000000001"
SUBMITTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class MemoryBlobs:
    """A bucket in memory."""

    def __init__(self):
        self.objects = {}
        self.listings = 0

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def get_range(self, key, start, length):
        return (await self.get(key))[start : start + length]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body

    async def list_keys(self, prefix):
        self.listings += 1
        return sorted(key for key in self.objects if key.startswith(prefix))


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def clock():
    """A clock that moves ten seconds on at each reading, from twenty seconds after submission."""
    times = iter(range(20, 10_000, 10))
    return lambda: SUBMITTED + timedelta(seconds=next(times))


def plan_of(count, lanes):
    return ChunkPlan(n_channels=count, count=count, stride_channels=1, parts=1, overlap_channels=0, lanes=lanes)


def searched(header, index, count, n_hits=0, plan=None):
    return ChunkSearched.make(
        job_id=JOB,
        producer="dedoppler",
        step=str(index),
        upload=Upload(
            file_key="uploads/u/1/v.fil",
            file_name="v.fil",
            file_size=1,
            source_name="Voyager 1",
            submitted_at=SUBMITTED,
        ),
        parameters=SearchParameters(),
        header=header,
        chunk=Chunk(
            index=index,
            count=count,
            start_channel=0,
            stop_channel=1,
            read_start_channel=0,
            read_stop_channel=1,
        ),
        warnings=("two spectra were zero",),
        plan=plan,
        hits_key=hits_key(JOB, index),
        n_hits=n_hits,
    )


def gist(events):
    return [(event.event_id, event.model_dump(exclude={"occurred_at"})) for event in events]


async def test_waits_for_all_chunks(header, observation, blobs, clock):
    await blobs.put(hits_key(JOB, 1), observation.chunk([]).to_bytes())
    handler = Handler(blobs, model=MODEL, now=clock)
    first = await handler.handle(searched(header, 1, 3))
    again = await handler.handle(searched(header, 1, 3))
    assert gist(first) == gist(again)
    (progress,) = first
    assert isinstance(progress, JobProgress)
    assert (progress.stage, progress.done, progress.total) == ("dedoppler", 1, 3)
    assert artefact_key(JOB, "results.json") not in blobs.objects


async def test_lost_samples_and_gains_are_listed_and_named(header, observation, blobs, clock):
    chunk = observation.chunk([])
    noise = ChunkNoise(gaps=(Gap(0, 2**20, 3, 4, 2**20),), gain_changes=(GainChange(0, 2**20, 8, 16, 2.0),))
    await blobs.put(hits_key(JOB, 0), replace(chunk, noise=noise).to_bytes())
    await Handler(blobs, model=MODEL, now=clock).handle(searched(header, 0, 1))
    document = json.loads(blobs.objects[artefact_key(JOB, "results.json")])
    box = {"start_channel": 0, "stop_channel": 2**20}
    (record,) = document["noise"]
    assert record["gaps"] == [box | {"start_spectrum": 3, "stop_spectrum": 4, "samples": 2**20}]
    assert record["gain_changes"] == [box | {"start_spectrum": 8, "stop_spectrum": 16, "factor": 2.0}]
    assert document["warnings"][1:] == [
        "6.25 % of the samples are lost (NaN, zero or constant) and were left out.",
        "Spectrum 3 holds no signal and was not used.",
        "Spectra 8 to 15 (2 times) differed in gain; the gain was taken out.",
    ]


async def test_last_chunk_finishes_the_job_and_repeats_are_the_same(header, observation, voyager, blobs, clock):
    await blobs.put(hits_key(JOB, 0), observation.chunk([], warnings=["chunk 0 is flat"]).to_bytes())
    await blobs.put(hits_key(JOB, 1), voyager.to_bytes())
    handler = Handler(blobs, model=MODEL, now=clock)
    first = await handler.handle(searched(header, 1, 2))
    written = blobs.objects[artefact_key(JOB, "results.json")]
    assert gist(await handler.handle(searched(header, 1, 2))) == gist(first)
    assert blobs.objects[artefact_key(JOB, "results.json")] == written
    # The job was finished with the event of chunk 1: that of chunk 0 comes late, and changes nothing.
    (late,) = await handler.handle(searched(header, 0, 2))
    assert (late.stage, late.done, late.total) == ("dedoppler", 2, 2)
    assert blobs.objects[artefact_key(JOB, "results.json")] == written

    progress, done, classified = first
    assert (progress.stage, progress.done, progress.total) == ("dedoppler", 2, 2)
    assert (done.stage, done.done, done.total) == ("classify", 1, 1)
    assert isinstance(classified, ObservationClassified)
    assert classified.summary.processing_time_seconds == 20.0
    assert classified.summary.raw_hits == 8
    assert classified.summary.candidates == 5
    assert [c.source for c in classified.summary.top_candidates] == ["dedoppler_search"] * 5
    assert all(decode(event.to_bytes()) == event for event in first)

    document = json.loads(written)
    assert document["warnings"] == ["two spectra were zero", "chunk 0 is flat"]
    assert classified.summary.warnings == ("two spectra were zero", "chunk 0 is flat")
    assert document["noise"][1]["level"] is None
    assert len(document["raw_hits"]) == 8
    assert [c["frequency_hz"] for c in document["candidates"]] == [
        c.frequency_hz for c in classified.summary.top_candidates
    ]
    by_channel = {hit["channel"]: hit for hit in document["raw_hits"]}
    assert by_channel[747929]["frequency_hz"] == header.frequency_hz(747929)
    assert (by_channel[747929]["chunk"], by_channel[747929]["chunk_hit"]) == (1, 2)


async def finished(handler, blobs, chunk, header, order, count, plan):
    """Handle the events of a job's chunks in this order, as each is stored; what was published."""
    events = []
    for index in order:
        await blobs.put(hits_key(JOB, index), chunk)
        events += await handler.handle(searched(header, index, count, plan=plan))
    return events


@pytest.mark.parametrize("lanes", [1, 3, 4, 10, 20])
async def test_a_job_in_lanes_is_finished_once_in_whatever_order_they_run(header, observation, blobs, clock, lanes):
    chunk, plan, rng = observation.chunk([]).to_bytes(), plan_of(10, lanes), np.random.default_rng(lanes)
    lane_of = rng.permutation([index % lanes for index in range(10)])
    # Any order in which the chunks of one lane come one after another.
    queues = {lane: list(range(lane, 10, lanes)) for lane in range(lanes)}
    order = [queues[lane].pop(0) for lane in lane_of]
    handler = Handler(blobs, model=MODEL, now=clock)
    events = await finished(handler, blobs, chunk, header, order, 10, plan)
    assert [type(event) for event in events].count(ObservationClassified) == 1
    # All of them once more, as after a broker that lost its memory: the same one finishes it again, to the same bytes.
    written = dict(blobs.objects)
    again = await finished(handler, blobs, chunk, header, order, 10, plan)
    assert [gist([e]) for e in again if isinstance(e, ObservationClassified)] == [
        gist([e]) for e in events if isinstance(e, ObservationClassified)
    ]
    assert blobs.objects == written


async def test_a_job_that_comes_again_in_fewer_lanes_is_finished_again(header, observation, blobs, clock):
    chunk, handler = observation.chunk([]).to_bytes(), Handler(blobs, model=MODEL, now=clock)
    # With eight lanes chunk 5 may be the last to come in; with two it is followed by others.
    first = await finished(handler, blobs, chunk, header, [0, 1, 2, 3, 4, 6, 7, 8, 9, 5], 10, plan_of(10, 8))
    again = await finished(handler, blobs, chunk, header, range(10), 10, plan_of(10, 2))
    made = [[event for event in events if isinstance(event, ObservationClassified)] for events in (first, again)]
    assert [[event.plan for event in events] for events in made] == [[plan_of(10, 8)], [plan_of(10, 2)]]
    # But for the lanes, it is the same event.
    without_plan = [[event.model_copy(update={"plan": None}) for event in events] for events in made]
    assert gist(without_plan[0]) == gist(without_plan[1])


async def test_of_thousands_of_chunks_few_are_reported_and_few_make_a_listing(header, observation, blobs, clock):
    count, plan, handler = 2000, plan_of(2000, 4), Handler(blobs, model=MODEL, now=clock)
    for index in range(count - 1):
        await blobs.put(hits_key(JOB, index), b"not read")
    events = [
        event for index in range(count - 1) for event in await handler.handle(searched(header, index, count, plan=plan))
    ]
    assert {type(event) for event in events} == {JobProgress}
    assert len(events) == 100 + 3
    assert blobs.listings == len(events)


async def test_zero_hits(header, observation, blobs, clock):
    await blobs.put(hits_key(JOB, 0), observation.chunk([]).to_bytes())
    _, _, classified = await Handler(blobs, model=MODEL, now=clock).handle(searched(header, 0, 1))
    assert (classified.summary.raw_hits, classified.summary.filtered_hits, classified.summary.candidates) == (0, 0, 0)
    assert json.loads(blobs.objects[classified.results_key])["raw_hits"] == []


async def test_at_most_twenty_top_candidates(header, observation, blobs, clock):
    signals = [(5000 + 999 * k * k, 15 + 3 * k, 30.0, {}) for k in range(1, 26)]
    await blobs.put(hits_key(JOB, 0), observation.chunk(signals).to_bytes())
    _, _, classified = await Handler(blobs, model=MODEL, now=clock).handle(searched(header, 0, 1))
    assert classified.summary.candidates == 25
    assert len(classified.summary.top_candidates) == 20


async def test_a_clock_that_went_back_gives_no_negative_time(header, observation, blobs):
    await blobs.put(hits_key(JOB, 0), observation.chunk([]).to_bytes())
    handler = Handler(blobs, model=MODEL, now=lambda: SUBMITTED - timedelta(seconds=3))
    _, _, classified = await handler.handle(searched(header, 0, 1))
    assert classified.summary.processing_time_seconds == 0.0


@pytest.mark.parametrize(
    ("earlier", "seconds"),
    [
        (b'{"format_version": 3, "processing_time_seconds": 7.5, "unknown": []}', 7.5),
        (b'{"format_version": 2, "processing', 20.0),
        (b'{"processing_time_seconds": NaN}', 20.0),
    ],
)
async def test_an_earlier_document_of_any_version_is_replaced(header, observation, blobs, clock, earlier, seconds):
    """Only its time is kept, if it can be read."""
    await blobs.put(hits_key(JOB, 0), observation.chunk([]).to_bytes())
    await blobs.put(artefact_key(JOB, "results.json"), earlier)
    _, _, classified = await Handler(blobs, model=MODEL, now=clock).handle(searched(header, 0, 1))
    assert classified.summary.processing_time_seconds == seconds
    assert json.loads(blobs.objects[classified.results_key])["format_version"] == 2


async def test_other_events_are_refused(blobs, clock):
    stranger = JobProgress.make(job_id=JOB, producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError, match=r"job\.progress"):
        await Handler(blobs, model=MODEL, now=clock).handle(stranger)
