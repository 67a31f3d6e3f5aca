"""From `chunk.ready` to `chunk.searched`: repeats, wrong events, and the number of chunks in memory."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from science.measure.search import chunk_plan, rows, search, tone
from science.simulator import Scene, make_header, simulate
from services.dedoppler import handlers
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import (
    ChunkPlan,
    ChunkReady,
    ChunkSearched,
    JobProgress,
    SearchParameters,
    Upload,
    decode,
)
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise
from shared.object_keys import hits_key, waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import Manifest

JOB = "a1b2c3d4-0000-4000-8000-000000000001"
HEADER = make_header(2**13)
CHUNKS = chunk_plan(HEADER, [0, 4096, 8192])


class MemoryBlobs:
    """A bucket in memory."""

    def __init__(self):
        self.objects = {}

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body


def ready(index=0, plan=None):
    return ChunkReady.make(
        job_id=JOB,
        producer="ingest",
        step=str(index),
        upload=Upload(
            file_key="uploads/u/1/o.fil",
            file_name="v.fil",
            file_size=1,
            source_name="Voyager 1",
            submitted_at=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        parameters=SearchParameters(snr_threshold=12.0, max_drift_rate_hz_s=4.0),
        header=HEADER,
        chunk=plan.chunk(index) if plan else CHUNKS[index % 2],
        plan=plan,
        warnings=("the last spectrum is cut off",),
    )


@pytest.fixture(scope="module")
def power():
    return simulate(Scene(HEADER, (tone(HEADER, 2000, 37, 40.0), tone(HEADER, 4100, -20, 30.0))))


@pytest.fixture
def read_power(power):
    async def read(event):
        chunk = event.chunk
        return np.ascontiguousarray(power[:, chunk.read_start_channel : chunk.read_stop_channel])

    return read


def gist(events):
    return [(event.event_id, event.model_dump(exclude={"occurred_at"})) for event in events]


async def test_hits_are_stored_and_announced(power, read_power, pool):
    blobs = MemoryBlobs()
    (event,) = await Handler(read_power, blobs, pool, Scratch()).handle(ready(0))
    assert isinstance(event, ChunkSearched)
    assert event.hits_key == hits_key(JOB, 0)
    assert event.n_hits == 1
    assert event.producer == "dedoppler"
    assert event.warnings == ("the last spectrum is cut off",)
    assert (event.chunk, event.header, event.upload) == (CHUNKS[0], HEADER, ready(0).upload)
    assert decode(event.to_bytes()) == event
    stored = ChunkHits.from_bytes(blobs.objects[event.hits_key])
    assert rows(stored) == rows(search(power, HEADER, pool, chunk=CHUNKS[0], snr_threshold=12.0))


async def test_a_repeat_gives_the_same_bytes_and_events(read_power, pool):
    blobs = MemoryBlobs()
    handler = Handler(read_power, blobs, pool, Scratch())
    first = await handler.handle(ready(1))
    stored = dict(blobs.objects)
    assert gist(await handler.handle(ready(1))) == gist(first)
    assert gist(await Handler(read_power, blobs, pool, Scratch()).handle(ready(1))) == gist(first)
    assert blobs.objects == stored


async def test_chunks_share_memory_and_give_the_same_bytes(read_power, pool):
    blocks, fresh, shared, read = Scratch(), MemoryBlobs(), MemoryBlobs(), []

    async def read_into_lent_memory(event):
        power = await read_power(event)
        block = blocks.block(power.shape)
        block[...] = power
        read.append(block)
        return block

    plain, lent = (
        Handler(read_power, fresh, pool, Scratch()),
        Handler(read_into_lent_memory, shared, pool, Scratch(), blocks),
    )
    for index in range(2):
        assert gist(await lent.handle(ready(index))) == gist(await plain.handle(ready(index)))
    assert shared.objects == fresh.objects
    assert np.shares_memory(*read)


PLAN = ChunkPlan(n_channels=2**13, count=4, stride_channels=2**11, parts=1, overlap_channels=200, lanes=2)


async def test_the_next_chunk_of_the_lane_is_announced_and_none_at_its_end(read_power, pool):
    handler = Handler(read_power, MemoryBlobs(), pool, Scratch())
    events = {index: await handler.handle(ready(index, PLAN)) for index in range(4)}
    for index in (0, 1):
        searched, following = events[index]
        assert isinstance(searched, ChunkSearched)
        assert searched.plan == PLAN
        # Equal to ingest's event, except for sender and time.
        sent_by_ingest = ready(index + 2, PLAN).model_dump(exclude={"occurred_at", "producer"})
        assert following.model_dump(exclude={"occurred_at", "producer"}) == sent_by_ingest
        assert following.lane == index
        assert decode(following.to_bytes()) == following
    assert [len(events[index]) for index in (2, 3)] == [1, 1]


@pytest.mark.parametrize("wide", [HEADER.n_channels + 1, 2**34])
async def test_a_chunk_that_is_not_of_its_file_is_refused_before_it_is_read(pool, wide):
    async def read(_event):
        raise AssertionError("the chunk was read")

    event = ready()
    chunk = event.chunk.model_copy(update={"read_stop_channel": wide, "stop_channel": wide})
    # One is beyond the band, the other has more samples than a search holds.
    header = event.header.model_copy(update={"n_channels": wide - wide % 2})
    with pytest.raises(PermanentError) as caught:
        await Handler(read, MemoryBlobs(), pool, Scratch()).handle(
            event.model_copy(update={"chunk": chunk, "header": header})
        )
    assert caught.value.code == "inconsistent_event"


async def test_a_lane_leads_from_its_first_chunk_through_all_of_them(read_power, pool):
    blobs = MemoryBlobs()
    handler, waiting, searched = Handler(read_power, blobs, pool, Scratch()), [ready(0, PLAN), ready(1, PLAN)], []
    while waiting:
        # However often an event comes: what follows on it has the same id.
        for _ in range(2):
            outputs = await handler.handle(waiting[0])
        searched.append(outputs[0].chunk.index)
        waiting = [*waiting[1:], *outputs[1:]]
    assert searched == [0, 1, 2, 3]
    keys = [key(JOB, index) for index in range(4) for key in (hits_key, waterfall_key, waterfall_samples_key)]
    assert sorted(blobs.objects) == sorted([*keys, waterfall_manifest_key(JOB)])


async def test_the_waterfall_is_stored_before_the_hits_and_is_the_same_after_a_crash_between_them(read_power, pool):
    class Crashing(MemoryBlobs):
        crashes = True

        async def put(self, key, body, content_type="application/octet-stream"):
            if self.crashes and key == hits_key(JOB, 0):
                raise ConnectionError(key)
            await super().put(key, body, content_type)

    blobs = Crashing()
    handler = Handler(read_power, blobs, pool, Scratch())
    with pytest.raises(ConnectionError):
        await handler.handle(ready(0, PLAN))
    stored = dict(blobs.objects)
    assert sorted(stored) == sorted([waterfall_key(JOB, 0), waterfall_samples_key(JOB, 0), waterfall_manifest_key(JOB)])
    blobs.crashes = False
    await handler.handle(ready(0, PLAN))
    assert {key: blobs.objects[key] for key in stored} == stored
    manifest = Manifest.model_validate_json(stored[waterfall_manifest_key(JOB)])
    assert (manifest.header, manifest.plan.count) == (HEADER, PLAN.count)
    assert len(stored[waterfall_key(JOB, 0)]) == manifest.layout(0).size
    assert any(stored[waterfall_key(JOB, 0)])


async def test_a_chunk_that_an_early_version_searched_stays_without_a_waterfall(read_power, pool):
    blobs = MemoryBlobs()
    await Handler(read_power, blobs, pool, Scratch()).handle(ready(1, PLAN))
    del blobs.objects[waterfall_key(JOB, 1)], blobs.objects[waterfall_samples_key(JOB, 1)]
    before = dict(blobs.objects)

    async def fails(_event):
        raise AssertionError("read again")

    assert len(await Handler(fails, blobs, pool, Scratch()).handle(ready(1, PLAN))) == 2
    assert blobs.objects == before


async def test_a_chunk_whose_hits_are_stored_is_not_searched_again(read_power, pool):
    blobs = MemoryBlobs()
    first = await Handler(read_power, blobs, pool, Scratch()).handle(ready(1, PLAN))
    stored = dict(blobs.objects)

    async def fails(_event):
        raise AssertionError("read again")

    assert gist(await Handler(fails, blobs, pool, Scratch()).handle(ready(1, PLAN))) == gist(first)
    assert blobs.objects == stored


async def test_hits_of_another_cut_of_the_channels_are_replaced(read_power, pool):
    blobs = MemoryBlobs()
    other = ChunkPlan(n_channels=2**13, count=4, stride_channels=2**11 + 8, parts=1, overlap_channels=200, lanes=2)
    for index in (0, 1):
        await Handler(read_power, blobs, pool, Scratch()).handle(ready(index, other))
        await Handler(read_power, blobs, pool, Scratch()).handle(ready(index, PLAN))
        stored = ChunkHits.from_bytes(blobs.objects[hits_key(JOB, index)])
        assert stored.channels == range(index * 2**11, (index + 1) * 2**11)


async def test_chunks_have_their_own_events_and_objects(read_power, pool):
    blobs = MemoryBlobs()
    handler = Handler(read_power, blobs, pool, Scratch())
    events = [event for index in (0, 1) for event in await handler.handle(ready(index))]
    assert len({event.event_id for event in events}) == 2
    assert set(blobs.objects) == {hits_key(JOB, 0), hits_key(JOB, 1)}


async def test_other_events_are_refused(read_power, pool):
    blobs = MemoryBlobs()
    stranger = JobProgress.make(job_id=JOB, producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError, match=r"job\.progress"):
        await Handler(read_power, blobs, pool, Scratch()).handle(stranger)
    assert blobs.objects == {}


async def test_a_failed_read_leaves_room_for_the_next(read_power, pool):
    async def fails(event):
        raise OSError("no such object")

    handler = Handler(fails, MemoryBlobs(), pool, Scratch())
    for _ in range(2 * handlers.CHUNKS_IN_HAND):
        with pytest.raises(OSError, match="no such object"):
            await handler.handle(ready())


async def test_two_chunks_in_hand_and_one_search_at_a_time(pool, monkeypatch):
    lock, now, most = threading.Lock(), {"hand": 0, "search": 0}, {"hand": 0, "search": 0}

    def count(what, by):
        with lock:
            now[what] += by
            most[what] = max(most[what], now[what])

    async def read(event):
        count("hand", 1)
        await asyncio.sleep(0.002)
        return np.zeros((16, 8), np.float32)

    def slow_search(*_):
        count("search", 1)
        time.sleep(0.01)
        count("search", -1)
        count("hand", -1)
        return ChunkHits(np.empty(0, HIT_DTYPE), [], None, ChunkNoise(), np.zeros((1, 1), np.float32))

    monkeypatch.setattr(handlers, "search_chunk", slow_search)
    blobs = MemoryBlobs()
    handler = Handler(read, blobs, pool, Scratch())
    results = await asyncio.gather(*(handler.handle(ready(index)) for index in range(8)))
    assert len(results) == 8
    assert most == {"hand": 2, "search": 1}
    assert now == {"hand": 0, "search": 0}


async def test_the_event_loop_goes_on_while_a_search_runs(pool, monkeypatch):
    """Heartbeats must not wait for kernels."""
    release = threading.Event()

    def blocked_search(*_):
        assert release.wait(5)
        return ChunkHits(np.empty(0, HIT_DTYPE), [], None, ChunkNoise(), np.zeros((1, 1), np.float32))

    async def read(event):
        return np.zeros((16, 8), np.float32)

    monkeypatch.setattr(handlers, "search_chunk", blocked_search)
    running = asyncio.create_task(Handler(read, MemoryBlobs(), pool, Scratch()).handle(ready()))
    for _ in range(5):
        await asyncio.sleep(0.005)
    assert not running.done()
    release.set()
    assert len(await running) == 1
