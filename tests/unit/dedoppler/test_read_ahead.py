"""The next chunk of a lane is read while this one is searched: what is read, when, and how much of it is in memory."""

import asyncio
import gc
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from science.measure.search import tone
from science.simulator import Scene, make_header, simulate
from services.dedoppler import handlers
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.read_ahead import ReadAhead
from shared.errors import BadObservationError, TransientError
from shared.events import ChunkPlan, ChunkReady, SearchParameters, Upload
from shared.hits import ChunkHits
from shared.object_keys import hits_prefix
from tests.unit.dedoppler.stand_ins import PATIENCE_S, MemoryBlobs, Reader, Search

CHANNELS, COUNT = 2**13, 4
HEADER = make_header(CHANNELS)
SUBMITTED_AT = datetime(2026, 1, 2, tzinfo=UTC)


def ready(index, lanes=1, job_id="job", file_key="k"):
    plan = ChunkPlan(
        n_channels=CHANNELS, count=COUNT, stride_channels=CHANNELS // COUNT, parts=1, overlap_channels=200, lanes=lanes
    )
    return ChunkReady.make(
        job_id=job_id,
        producer="test",
        step=str(index),
        upload=Upload(file_key=file_key, file_name="v.fil", file_size=1, source_name="v", submitted_at=SUBMITTED_AT),
        parameters=SearchParameters(snr_threshold=12.0, max_drift_rate_hz_s=4.0),
        header=HEADER,
        chunk=plan.chunk(index),
        plan=plan,
    )


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- what another thread does
            await asyncio.sleep(0.001)


def others():
    """Reads that were begun ahead and have not ended; the loop may hold tasks of other tests' servers too."""
    return {task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == ReadAhead._read.__qualname__}


@pytest.fixture
def no_collector():
    """Memory is free as soon as nothing leads to it, not when the garbage collector comes by."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def slow_search(monkeypatch):
    search = Search()
    monkeypatch.setattr(handlers, "search_chunk", search)
    yield search
    search.let_go(100)


@pytest.fixture
async def stack(pool, slow_search):
    """A handler, what it reads with, and the search."""
    reader = Reader()
    async with aclosing(Handler(reader.read, MemoryBlobs(), pool, Scratch())) as handler:
        yield handler, reader, slow_search
        slow_search.let_go(100)


# The class alone.


async def test_what_was_read_ahead_is_taken_and_not_read_again():
    reader = Reader()
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    await until(lambda: reader.ended)
    assert (await ahead.take(ready(1)))[0, 0] == 1
    assert reader.n_begun(1) == 1
    # It is given once.
    assert (await ahead.take(ready(1)))[0, 0] == 1
    assert reader.n_begun(1) == 2


async def test_a_read_that_is_under_way_is_waited_for():
    reader = Reader()
    go = reader.hold(1)
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    taking = asyncio.create_task(ahead.take(ready(1)))
    await until(lambda: reader.begun)
    assert not taking.done()
    go.set()
    assert (await taking)[0, 0] == 1
    assert reader.n_begun(1) == 1


async def test_at_most_one_block_is_read_ahead():
    reader = Reader()
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    ahead.begin(ready(2))
    await until(lambda: reader.ended)
    assert reader.begun == [("job", 1)]
    await ahead.close()


@pytest.mark.parametrize(
    "other", [ready(2), ready(1, job_id="other"), ready(1, file_key="other")], ids=["chunk", "job", "upload"]
)
@pytest.mark.parametrize("is_read", [True, False])
async def test_another_chunk_drops_it_before_it_is_read(other, is_read, no_collector):
    reader = Reader()
    go = reader.hold(1)
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    await until(lambda: reader.begun)
    if is_read:
        go.set()
        await until(lambda: reader.ended)
    reader.begun.clear()
    block = await ahead.take(other)
    assert block[0, 0] == other.chunk.index
    assert (reader.begun, reader.alive, reader.most) == ([(other.job_id, other.chunk.index)], 1, 1)
    assert not others()


@pytest.mark.parametrize("error", [TransientError("away"), BadObservationError("bad"), OSError("disk")])
async def test_what_can_not_be_read_ahead_is_read_again_and_reported_then(error):
    reader = Reader()
    reader.failures["job", 1] = error
    ahead = ReadAhead(reader.read)
    with capture_logs() as logs:
        ahead.begin(ready(1))
        await until(lambda: not others())
    assert [(line["event"], line["log_level"]) for line in logs] == [("reading ahead failed", "debug")]
    with pytest.raises(type(error)) as raised:
        await ahead.take(ready(1))
    assert raised.value is error
    assert reader.n_begun(1) == 2
    reader.failures.clear()
    ahead.begin(ready(1))
    assert (await ahead.take(ready(1)))[0, 0] == 1


async def test_a_failure_that_nobody_asks_for_is_no_complaint_of_the_event_loop():
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context["message"]))
    reader = Reader()
    reader.failures["job", 1] = TransientError("away")
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    await until(lambda: not others())
    await ahead.close()
    del ahead
    gc.collect()
    await asyncio.sleep(0)
    assert said == []


async def test_who_is_cancelled_while_taking_ends_the_read():
    reader = Reader()
    reader.hold(1)
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    taking = asyncio.create_task(ahead.take(ready(1)))
    await until(lambda: reader.begun)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert reader.cancelled == [("job", 1)]
    assert not others()


@pytest.mark.parametrize("is_read", [True, False])
async def test_closing_leaves_no_task_and_no_block(is_read, no_collector):
    reader = Reader()
    go = reader.hold(1)
    ahead = ReadAhead(reader.read)
    await ahead.close()
    ahead.begin(ready(1))
    await until(lambda: reader.begun)
    if is_read:
        go.set()
        await until(lambda: reader.ended)
    await ahead.close()
    assert not others()
    assert (reader.alive, len(reader.cancelled)) == (0, 0 if is_read else 1)


async def test_who_reads_waits_until_what_another_drops_has_ended(no_collector):
    reader = Reader()
    reader.hold(1)
    ahead = ReadAhead(reader.read)
    ahead.begin(ready(1))
    await until(lambda: reader.begun)
    await asyncio.gather(ahead.close(), ahead.take(ready(2)), ahead.take(ready(3)))
    assert reader.cancelled == [("job", 1)]
    assert reader.most == 2


# In the handler.


async def test_the_next_chunk_of_the_lane_is_read_while_this_one_is_searched(stack):
    handler, reader, search = stack
    waiting, indices = [ready(0)], []
    while waiting:
        index = waiting[0].chunk.index
        running = asyncio.create_task(handler.handle(waiting[0]))
        await until(lambda at=index: search.searched[-1:] == [at])
        await until(lambda at=index: len(reader.ended) == min(at + 2, COUNT))
        assert not running.done()
        search.let_go()
        _, *waiting = await running
        indices.append(index)
    assert indices == list(range(COUNT))
    # Each was read once, and none beyond the end.
    assert reader.begun == [("job", index) for index in range(COUNT)]
    assert not others()


async def test_two_blocks_are_in_memory_at_most(stack, no_collector):
    handler, reader, search = stack
    go = reader.hold(1)
    first = asyncio.create_task(handler.handle(ready(0)))
    await until(lambda: reader.n_begun(1))
    # The event of another job comes while the next chunk is being read.
    others_first = asyncio.create_task(handler.handle(ready(0, job_id="other")))
    await until(lambda: ("other", 0) in reader.ended)
    assert reader.cancelled == [("job", 1)]
    go.set()
    search.let_go(2)
    await first
    await others_first
    assert reader.most == 2
    # From here on the jobs take turns, and more events are at hand than may be read.
    search.let_go(100)
    events = [ready(index, job_id=job_id) for index in (1, 2, 3) for job_id in ("job", "other", "third")]
    await asyncio.gather(*(handler.handle(event) for event in events))
    assert reader.most == 2
    await handler.aclose()
    await until(lambda: reader.alive == 0)


async def test_nothing_is_read_ahead_where_more_events_are_at_hand(stack):
    handler, reader, search = stack
    lanes = 2
    running = [asyncio.create_task(handler.handle(ready(lane, lanes))) for lane in range(lanes)]
    for index in range(COUNT):
        await until(lambda at=index: len(search.searched) == at + 1 and len(reader.ended) == min(at + 2, COUNT))
        search.let_go()
        _, *following = await running[index]
        running += [asyncio.create_task(handler.handle(event)) for event in following]
    assert reader.begun == [("job", index) for index in range(COUNT)]
    assert reader.cancelled == []


async def test_nothing_is_read_ahead_where_another_chunk_is_being_read(stack):
    handler, reader, search = stack
    go = reader.hold(1)
    running = [asyncio.create_task(handler.handle(ready(lane, lanes=2))) for lane in (0, 1)]
    await until(lambda: search.searched == [0])
    await asyncio.sleep(0.01)
    assert sorted(reader.begun) == [("job", 0), ("job", 1)]
    go.set()
    search.let_go(2)
    await asyncio.gather(*running)


async def test_a_chunk_that_is_stored_starts_no_reading(pool, slow_search):
    slow_search.let_go()
    reader, blobs = Reader(), MemoryBlobs()
    async with aclosing(Handler(reader.read, blobs, pool, Scratch())) as handler:
        await handler.handle(ready(2))
    reader.begun.clear()
    # As where the job is submitted again to a worker that is new.
    searched, following = await Handler(reader.read, blobs, pool, Scratch()).handle(ready(2))
    assert (searched.chunk.index, following.chunk.index) == (2, 3)
    assert not others()
    assert reader.begun == []


async def test_the_chunk_itself_reports_what_could_not_be_read_ahead(stack):
    handler, reader, search = stack
    reader.failures["job", 1] = BadObservationError("The file ends before its last data.")
    search.let_go()
    _, following = await handler.handle(ready(0))
    await until(lambda: not others())
    with pytest.raises(BadObservationError, match="ends before its last data"):
        await handler.handle(following)
    assert reader.n_begun(1) == 2


async def test_a_handler_that_is_cancelled_leaves_no_task(stack):
    handler, reader, _ = stack
    reader.hold(1)
    running = asyncio.create_task(handler.handle(ready(0)))
    await until(lambda: reader.n_begun(1))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert reader.cancelled == [("job", 1)]
    assert not others()


@pytest.mark.parametrize("where", ["search", "store"])
async def test_a_chunk_that_fails_drops_what_was_read_for_the_one_after(pool, slow_search, where):
    reader, blobs = Reader(), MemoryBlobs()
    reader.hold(1)
    target = slow_search if where == "search" else blobs
    target.error = TransientError("away")
    handler = Handler(reader.read, blobs, pool, Scratch())
    running = asyncio.create_task(handler.handle(ready(0)))
    await until(lambda: reader.n_begun(1))
    slow_search.let_go()
    with pytest.raises(TransientError, match="away"):
        await running
    assert reader.cancelled == [("job", 1)]
    assert not others()


async def test_closing_the_handler_ends_what_no_event_asked_for(pool, slow_search):
    reader = Reader()
    reader.hold(1)
    async with aclosing(Handler(reader.read, MemoryBlobs(), pool, Scratch())) as handler:
        running = asyncio.create_task(handler.handle(ready(0)))
        await until(lambda: reader.n_begun(1))
        slow_search.let_go()
        await running
        assert others()
    assert not others()
    assert reader.cancelled == [("job", 1)]


async def test_what_is_found_does_not_depend_on_it(pool):
    power = simulate(Scene(HEADER, (tone(HEADER, 2000, 37, 40.0), tone(HEADER, 4100, -20, 30.0))))

    async def in_turns(handler_of):
        reader, blobs, waiting = Reader(power), MemoryBlobs(), [ready(0)]
        handler = Handler(reader.read, blobs, pool, Scratch())
        while waiting:
            handler = handler_of(handler, reader, blobs)
            _, *waiting = await handler.handle(waiting[0])
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*others())
        return reader, blobs.objects

    reader, found = await in_turns(lambda handler, *_: handler)
    assert reader.begun == [("job", index) for index in range(COUNT)]
    # A new handler for each chunk takes nothing of what was read ahead.
    again, expected = await in_turns(lambda _, reader, blobs: Handler(reader.read, blobs, pool, Scratch()))
    assert len(again.begun) > COUNT
    assert found == expected
    hits = [ChunkHits.from_bytes(body).hits for key, body in found.items() if key.startswith(hits_prefix("job"))]
    assert sum(map(len, hits)) == 2
