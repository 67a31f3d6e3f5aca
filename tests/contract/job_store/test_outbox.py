"""No job is lost between the job store and the bus."""

import asyncio
from collections.abc import Callable

import pytest

from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.model import Job
from services.gateway.jobs.outbox import Outbox
from services.gateway.mongodb.store import Store
from shared.errors import TransientError
from shared.events import Event
from tests.contract.job_store.parts import (
    Bus,
    Clock,
    a_job,
    added,
    classified,
    exported,
    failed,
    progress,
    settings_for,
    stored,
    submitted,
)


async def test_a_submission_is_published_at_once(store: Store, outbox: Outbox, bus: Bus, clock: Clock) -> None:
    job = a_job()
    event = submitted(job)
    await outbox.submit(job, event)
    assert bus.events == [event]
    clock.advance(59)
    assert await outbox.sweep() == 0
    assert await stored(store, job) == job


async def test_an_event_that_the_bus_refused_is_published_later(outbox: Outbox, bus: Bus, clock: Clock) -> None:
    job = a_job()
    event = submitted(job)
    bus.is_away = True
    await outbox.submit(job, event)
    clock.advance(2.1)
    with pytest.raises(TransientError):
        await outbox.sweep()
    bus.is_away = False
    assert bus.events == []
    clock.advance(5)
    assert await outbox.sweep() == 1
    assert bus.events == [event]
    assert await outbox.sweep() == 0


async def test_a_process_that_ends_before_it_publishes_loses_nothing(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=clock.ms + 60_000)
    assert await outbox.sweep() == 0
    clock.advance(60)
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id]


async def test_a_silent_job_is_resubmitted_at_growing_intervals(outbox: Outbox, bus: Bus, clock: Clock) -> None:
    job = a_job()
    await outbox.submit(job, submitted(job))
    times = []
    for second in range(1, 500):
        clock.advance(1)
        if await outbox.sweep():
            times.append(second)
    assert times == [60, 180, 420]


async def test_a_job_with_recent_events_is_not_resubmitted(
    outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await outbox.submit(job, submitted(job))
    for done in (1, 1, 2):
        clock.advance(50)
        await worker_events.handle(progress(job.job_id, "dedoppler", done, 9))
        assert await outbox.sweep() == 0
    clock.advance(61)
    assert await outbox.sweep() == 1


async def test_a_job_with_rare_events_is_not_resubmitted_after_each(
    outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await outbox.submit(job, submitted(job))
    for done in range(64):
        for _ in range(7):
            clock.advance(10)
            await outbox.sweep()
        await worker_events.handle(progress(job.job_id, "dedoppler", done, 64))
    # After 1, 2, 4, ... minutes of silence, counted anew after each event: over 75 minutes, not 64 times.
    assert 1 < len(bus.events) < 10


@pytest.mark.parametrize(
    "endings",
    [
        [classified, exported],
        [exported, classified],
        [classified, lambda job_id: failed(job_id, "export")],
        [lambda job_id: failed(job_id, "ingest")],
    ],
)
async def test_a_finished_job_is_never_resubmitted(
    outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock, endings: list[Callable[[str], Event]]
) -> None:
    job = a_job()
    bus.is_away = True
    await outbox.submit(job, submitted(job))
    bus.is_away = False
    for ending in endings:
        await worker_events.handle(ending(job.job_id))
    clock.advance(10_000)
    assert await outbox.sweep() == 0
    assert bus.events == []


async def test_a_complete_job_without_an_exported_event_is_resubmitted(
    store: Store, outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await outbox.submit(job, submitted(job))
    assert await outbox.sweep() == 0
    clock.advance(59)
    await worker_events.handle(classified(job.job_id))
    clock.advance(59)
    assert await outbox.sweep() == 0
    clock.advance(2)
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id] * 2
    # After the second submission the upload is deleted: no artefacts will be made, and the results stay.
    await worker_events.handle(failed(job.job_id, "ingest"))
    found = await stored(store, job)
    assert (found.status, found.results is not None) == ("complete", True)
    assert found.export_failure is not None
    clock.advance(10_000)
    assert await outbox.sweep() == 0


async def test_two_sweepers_publish_a_stale_event_once(store: Store, outbox: Outbox, bus: Bus, clock: Clock) -> None:
    jobs = [a_job() for _ in range(10)]
    for job in jobs:
        await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=clock.ms)
    other = Outbox(store.jobs, bus, settings_for("mongodb://unused", "unused"), now_ms=clock)
    counts = await asyncio.gather(outbox.sweep(), other.sweep())
    assert sum(counts) == 10
    assert sorted(event.job_id for event in bus.events) == sorted(job.job_id for job in jobs)


async def test_the_sweeper_runs_until_it_is_stopped(store: Store, outbox: Outbox, bus: Bus) -> None:
    await added(store)
    stop = asyncio.Event()
    running = asyncio.create_task(outbox.run(stop))
    async with asyncio.timeout(30):
        await bus.used.wait()
        stop.set()
        await running
    assert len(bus.events) == 1


async def publications(store: Store, job: Job) -> int:
    return int((await store.database["jobs"].find_one({"_id": job.job_id}))["publications"])


async def test_a_concurrent_sweep_does_not_repeat_a_publication(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock
) -> None:
    for _ in range(5):
        job = a_job()
        await outbox.submit(job, submitted(job))
    other = Outbox(store.jobs, bus, settings_for("mongodb://unused", "unused"), now_ms=clock)
    clock.advance(59)
    assert await other.sweep() == await outbox.sweep() == 0
    assert len(bus.events) == 5


async def test_an_event_that_the_bus_accepted_late_is_published_twice_at_most(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock
) -> None:
    """Let another gateway's sweep publish the event before this gateway learns that the bus did not accept it."""
    job = a_job()
    bus.is_away = True
    await outbox.submit(job, submitted(job))
    bus.is_away = False
    clock.advance(2.1)
    assert await outbox.sweep() == 1
    await store.jobs.mark_unpublished(job.job_id, due_ms=clock.ms)
    assert await publications(store, job) == 0
    clock.advance(10)
    assert await outbox.sweep() == 1
    await store.jobs.mark_published(job.job_id, due_ms=clock.ms + 60_000)
    await store.jobs.mark_unpublished(job.job_id, due_ms=clock.ms)
    assert await publications(store, job) == 2
    assert await outbox.sweep() == 0


async def test_an_event_that_bus_and_store_refuse_is_due_after_the_silence(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: object, **_more: object) -> None:
        raise TransientError("MongoDB is away.")

    job = a_job()
    bus.is_away = True
    with monkeypatch.context() as patched:
        patched.setattr(store.jobs, "mark_unpublished", away)
        assert await outbox.submit(job, submitted(job))
    bus.is_away = False
    clock.advance(59)
    assert await outbox.sweep() == 0
    clock.advance(2)
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id]


@pytest.mark.parametrize("halfway", ["insert", "publish"])
async def test_a_submission_that_is_cancelled_halfway_is_published_soon(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock, monkeypatch: pytest.MonkeyPatch, halfway: str
) -> None:
    job, is_halfway = a_job(), asyncio.Event()
    insert = store.jobs.insert

    async def for_ever(*_args: object, **_more: object) -> bool:
        is_halfway.set()
        return await asyncio.Event().wait()

    async def stored_but_unanswered(job: Job, event: str, *, due_ms: int) -> bool:
        await insert(job, event, due_ms=due_ms)
        return await for_ever()

    with monkeypatch.context() as patched:
        if halfway == "insert":
            patched.setattr(store.jobs, "insert", stored_but_unanswered)
        else:
            patched.setattr(bus, "publish_raw", for_ever)
        submitting = asyncio.create_task(outbox.submit(job, submitted(job)))
        await is_halfway.wait()
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
    assert bus.events == []
    clock.advance(2.1)
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id]


async def test_a_sweep_stops_with_the_process_and_leaves_the_rest_to_others(
    store: Store, outbox: Outbox, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, stop = [await added(store) for _ in range(5)], asyncio.Event()
    publish = bus.publish_raw

    async def publish_and_stop(topic: str, key: bytes, value: bytes) -> None:
        await publish(topic, key, value)
        if len(bus.events) == 2:
            stop.set()

    monkeypatch.setattr(bus, "publish_raw", publish_and_stop)
    assert await outbox.sweep(stop) == 2
    assert await outbox.sweep() == 3
    assert sorted(event.job_id for event in bus.events) == sorted(job.job_id for job in jobs)
