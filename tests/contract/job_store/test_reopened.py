"""A job whose dead letter an operator replays: processed again, counted once, whatever the order of the events."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.mongodb.store import Store
from shared.events import JobReopened
from tests.contract.job_store.parts import (
    HEADER,
    OTHER,
    SUMMARY,
    T0_MS,
    added,
    classified,
    exported,
    failed,
    progress,
    stored,
)

LIMITS = {"per_month": 10, "at_a_time": 1, "history": 10}


def at(event, seconds):
    """Return an event that its sender made so many seconds after the job was accepted."""
    return event.model_copy(update={"occurred_at": datetime.fromtimestamp(T0_MS / 1000 + seconds, UTC)})


def reopened(job_id, seconds):
    event = JobReopened.make(job_id=job_id, producer="operator", operator="ada", dead_letter="chunk.ready.dlq/0:1")
    return at(event, seconds)


async def failed_job(store: Store, worker_events: WorkerEvents):
    """Return a counted job that failed after 10 s."""
    job = await added(store)
    await store.quotas.take(job.user_id, job.job_id, **LIMITS, now_ms=T0_MS)
    await worker_events.handle(progress(job.job_id, "dedoppler", 1, 4))
    await worker_events.handle(at(failed(job.job_id, "dedoppler"), 10))
    assert (await stored(store, job)).status == "failed"
    return job


async def slots(store: Store, job) -> list[str]:
    return [job_id async for user_id, taken in store.quotas.slots() if user_id == job.user_id for job_id in taken]


async def used(store: Store, job) -> int:
    return await store.quotas.used_this_month(job.user_id, T0_MS)


async def test_the_user_sees_processing_then_the_result_and_it_counts_once(store: Store, worker_events) -> None:
    job = await failed_job(store, worker_events)
    before = await used(store, job)
    assert await slots(store, job) == []
    for _ in range(2):
        # An operator may replay the letter twice, and each event may arrive twice.
        for event in (reopened(job.job_id, 100), reopened(job.job_id, 101)):
            await worker_events.handle(event)
    found = await stored(store, job)
    assert (found.status, found.failure, found.progress.done) == ("processing", None, 1)
    assert (await slots(store, job), await used(store, job)) == ([job.job_id], before)
    await worker_events.handle(at(classified(job.job_id), 110))
    found = await stored(store, job)
    assert (found.status, found.results, found.failure) == ("complete", SUMMARY, None)
    assert (await slots(store, job), await used(store, job)) == ([], before)
    # A repeat of any of them changes nothing.
    for event in (reopened(job.job_id, 101), at(failed(job.job_id, "dedoppler"), 10), classified(job.job_id)):
        await worker_events.handle(event)
    assert (await stored(store, job)).status == "complete"
    assert (await slots(store, job), await used(store, job)) == ([], before)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_the_order_of_the_events_does_not_matter(store: Store, worker_events, order) -> None:
    job = await added(store)
    await store.quotas.take(job.user_id, job.job_id, **LIMITS, now_ms=T0_MS)
    before = await used(store, job)
    events = [
        at(failed(job.job_id, "dedoppler"), 10),
        reopened(job.job_id, 100),
        at(classified(job.job_id), 110),
        at(exported(job.job_id), 120),
    ]
    for index in order:
        await worker_events.handle(events[index])
    found = await stored(store, job)
    assert (found.status, found.results, len(found.artefacts)) == ("complete", SUMMARY, 2)
    assert found.observation == HEADER
    assert (found.failure, await slots(store, job), await used(store, job)) == (None, [], before)


async def test_a_job_that_fails_again_stays_failed_until_it_is_reopened_again(store: Store, worker_events) -> None:
    job = await failed_job(store, worker_events)
    await worker_events.handle(reopened(job.job_id, 100))
    # An old event that is delivered again is no news; the failure of the replayed work is.
    await worker_events.handle(at(failed(job.job_id, "dedoppler"), 10))
    assert (await stored(store, job)).status == "processing"
    await worker_events.handle(at(failed(job.job_id, "dedoppler", "again."), 110))
    await worker_events.handle(reopened(job.job_id, 100))
    found = await stored(store, job)
    assert (found.status, found.failure.message, await slots(store, job)) == ("failed", "again.", [])
    await worker_events.handle(reopened(job.job_id, 200))
    assert (await stored(store, job)).status == "processing"


async def test_only_a_failed_job_is_reopened(store: Store, worker_events) -> None:
    job = await added(store)
    await worker_events.handle(reopened(job.job_id, 5))
    assert (await stored(store, job)).status == "submitted"
    await worker_events.handle(classified(job.job_id))
    await worker_events.handle(reopened(job.job_id, 200))
    assert (await stored(store, job)).status == "complete"
    await worker_events.handle(reopened(OTHER, 5))
    assert await store.jobs.get(OTHER) is None


async def test_who_reopened_it_is_stored(store: Store, worker_events) -> None:
    job = await failed_job(store, worker_events)
    await worker_events.handle(reopened(job.job_id, 100))
    found = await store.database["jobs"].find_one({"_id": job.job_id})
    assert found["reopened"] == {
        "operator": "ada",
        "dead_letter": "chunk.ready.dlq/0:1",
        "at_ms": T0_MS + 100_000,
    }


async def test_a_time_far_ahead_neither_hides_failures_nor_is_shown(store: Store, worker_events) -> None:
    job, years = await failed_job(store, worker_events), 10**8
    await worker_events.handle(reopened(job.job_id, years))
    assert (await stored(store, job)).status == "processing"
    await worker_events.handle(at(failed(job.job_id, "dedoppler", "again."), 3601))
    assert (await stored(store, job)).failure.message == "again."
    other = await added(store)
    await worker_events.handle(at(classified(other.job_id), years))
    assert (await stored(store, other)).completed_at == T0_MS // 1000 + 3600
