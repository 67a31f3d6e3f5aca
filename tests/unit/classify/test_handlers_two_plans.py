"""A job that was cut in two ways is finished with the chunks of one cut, never with some of each."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.classify.handlers import Handler
from services.classify.model import load_model
from shared.errors import ObjectNotFoundError
from shared.events import ChunkPlan, ChunkSearched, JobProgress, ObservationClassified, SearchParameters, Upload
from shared.object_keys import artefact_key, hits_key

MODEL = load_model()
JOB = "job"
SUBMITTED = datetime(2026, 1, 2, tzinfo=UTC)
CHANNELS = 2**20


class MemoryBlobs:
    def __init__(self):
        self.objects = {}

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def get_range(self, key, start, length):
        return (await self.get(key))[start : start + length]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body

    async def list_keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))


def plan_of(count, lanes=1):
    return ChunkPlan(
        n_channels=CHANNELS, count=count, stride_channels=CHANNELS // count, parts=1, overlap_channels=9, lanes=lanes
    )


FOUR, EIGHT = plan_of(4), plan_of(8)


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def store(blobs, observation):
    """Stores the hits object of one chunk of a plan, as dedoppler does: with the chunk's edges."""

    async def stored(plan, *indices):
        for index in indices:
            chunk, found = plan.chunk(index), observation.chunk([])
            await blobs.put(hits_key(JOB, index), replace(found, channels=chunk.channels).to_bytes())

    return stored


@pytest.fixture
def handle(blobs, header):
    """Handles the event of one chunk of a plan; the types of what is published."""
    handler = Handler(blobs, model=MODEL, now=lambda: SUBMITTED)

    async def handled(plan, index):
        event = ChunkSearched.make(
            job_id=JOB,
            producer="dedoppler",
            step=str(index),
            upload=Upload(
                file_key="uploads/v", file_name="v.fil", file_size=1, source_name="v", submitted_at=SUBMITTED
            ),
            parameters=SearchParameters(),
            header=header,
            chunk=plan.chunk(index),
            plan=plan,
            hits_key=hits_key(JOB, index),
            n_hits=0,
        )
        published = await handler.handle(event)
        assert all(one.plan == plan for one in published if isinstance(one, ObservationClassified))
        return [type(one) for one in published]

    return handled


FINISHED = [JobProgress, JobProgress, ObservationClassified]


async def test_with_chunks_of_one_plan_a_job_is_finished(blobs, store, handle):
    await store(FOUR, 0, 1, 2, 3)
    assert await handle(FOUR, 3) == FINISHED
    noise = json.loads(blobs.objects[artefact_key(JOB, "results.json")])["noise"]
    assert [(one["start_channel"], one["stop_channel"]) for one in noise] == [
        (index * CHANNELS / 4, (index + 1) * CHANNELS / 4) for index in range(4)
    ]


@pytest.mark.parametrize("stranger", range(8))
async def test_a_job_is_not_finished_until_the_chunk_of_another_plan_is_replaced(blobs, store, handle, stranger):
    await store(EIGHT, *range(8))
    # Of four chunks there are but the first four; of sixteen there is one at each place.
    await store(plan_of(16), stranger)
    for _ in range(2):
        assert await handle(EIGHT, 7) == [JobProgress]
    assert artefact_key(JOB, "results.json") not in blobs.objects
    await store(EIGHT, stranger)
    assert await handle(EIGHT, 7) == FINISHED


async def test_the_first_half_of_smaller_chunks_does_not_finish_a_job(store, handle):
    await store(EIGHT, *range(8))
    assert await handle(FOUR, 3) == [JobProgress]
    assert await handle(EIGHT, 7) == FINISHED


async def test_chunks_that_do_not_state_their_channels_are_accepted(blobs, observation, handle):
    for index in range(4):
        await blobs.put(hits_key(JOB, index), observation.chunk([]).to_bytes())
    assert await handle(FOUR, 3) == FINISHED


async def test_a_job_finished_with_a_longer_plan_is_finished_again_with_a_shorter_one(store, handle):
    """The word that it was finished may be lost, and the plan with it: the next cut has no chunk of that number."""
    await store(EIGHT, *range(8))
    assert ObservationClassified in await handle(EIGHT, 7)
    await store(FOUR, *range(4))
    assert ObservationClassified in await handle(FOUR, 3)
