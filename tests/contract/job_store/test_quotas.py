"""Counters and slots as they are stored, under races and after a process ends midway."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from services.gateway.app import JobParts, make_job_parts
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.limits import Limit, Slot
from services.gateway.jobs.outbox import Outbox
from services.gateway.mongodb.store import Store
from shared.errors import TransientError
from tests.contract.job_store.parts import (
    T0_MS,
    Bus,
    Clock,
    Storage,
    a_job,
    added,
    classified,
    failed,
    settings_for,
    submitted,
)

# 2024-04-06T23:00:00Z; the month ends 24 days and an hour later.
MAY_MS = 1_714_521_600_000


def job_ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


async def take(
    store: Store, job_id: str, *, per_month: int = 100, at_a_time: int = 5, history: int = 500, now_ms: int = T0_MS
) -> Slot | Limit:
    """Take a slot. Whether the history is full is not returned; other tests check that."""
    slot = await take_in_full(store, job_id, per_month=per_month, at_a_time=at_a_time, history=history, now_ms=now_ms)
    return replace(slot, history_is_full=False) if isinstance(slot, Slot) else slot


async def take_in_full(store: Store, job_id: str, **more: int) -> Slot | Limit:
    given = {"per_month": 100, "at_a_time": 50, "history": 500, "now_ms": T0_MS, **more}
    return await store.quotas.take("u1", job_id, **given)


async def counted(store: Store, user_id: str = "u1") -> tuple[int, int]:
    """Return the jobs counted this month and the slots taken."""
    found = await store.database["quotas"].find_one({"_id": user_id})
    assert found["active_count"] == len(found["active"])
    return found["used"], found["active_count"]


@pytest.mark.parametrize(("per_month", "at_a_time", "limit"), [(100, 5, Limit.CONCURRENT), (7, 50, Limit.MONTHLY)])
async def test_no_race_passes_a_limit(store: Store, per_month: int, at_a_time: int, limit: Limit) -> None:
    taken = await asyncio.gather(
        *(take(store, job_id, per_month=per_month, at_a_time=at_a_time) for job_id in job_ids(100))
    )
    free = min(per_month, at_a_time)
    assert taken.count(Slot(T0_MS, is_new=True)) == free
    assert taken.count(limit) == 100 - free
    assert await counted(store) == (free, free)


async def test_racing_takes_and_returns_lose_no_slot(store: Store) -> None:
    async def run(job_id: str) -> bool:
        slot = await take(store, job_id, per_month=1000, at_a_time=3)
        if isinstance(slot, Limit):
            return False
        assert (await counted(store))[1] <= 3
        returned = await asyncio.gather(*(store.quotas.give_back("u1", job_id) for _ in range(3)))
        assert sorted(returned) == [False, False, True]
        return True

    ran = sum(await asyncio.gather(*map(run, job_ids(60))))
    assert ran >= 3
    assert await counted(store) == (ran, 0)


async def test_a_job_has_one_slot_however_often_it_is_taken(store: Store) -> None:
    [job_id] = job_ids(1)
    taken = await asyncio.gather(*(take(store, job_id) for _ in range(30)))
    assert taken.count(Slot(T0_MS, is_new=True)) == 1
    assert taken.count(Slot(T0_MS, is_new=False)) == 29
    assert await counted(store) == (1, 1)
    # Taking an old slot again renews it.
    assert await take(store, job_id, now_ms=T0_MS + 60_000) == Slot(T0_MS + 60_000, is_new=False)
    assert not await store.quotas.undo("u1", job_id, T0_MS)
    assert await counted(store) == (1, 1)


async def test_undoing_lowers_the_count_once(store: Store) -> None:
    first, second = job_ids(2)
    await take(store, first)
    await take(store, second)
    undone = await asyncio.gather(*(store.quotas.undo("u1", first, T0_MS) for _ in range(10)))
    assert undone.count(True) == 1
    assert await counted(store) == (1, 1)


async def test_the_month_rolls_over_once_under_races(store: Store) -> None:
    before = job_ids(3)
    for job_id in before:
        await take(store, job_id, per_month=3, now_ms=MAY_MS - 1)
    assert await take(store, *job_ids(1), per_month=3, now_ms=MAY_MS - 1) == Limit.MONTHLY
    assert await store.quotas.used_this_month("u1", MAY_MS - 1) == 3
    assert await store.quotas.used_this_month("u1", MAY_MS) == 0
    taken = await asyncio.gather(
        *(take(store, job_id, per_month=3, at_a_time=50, now_ms=MAY_MS) for job_id in job_ids(50))
    )
    assert taken.count(Limit.MONTHLY) == 47
    assert await counted(store) == (3, 6)
    # Undoing a job of the previous month does not lower the count of this one.
    assert await store.quotas.undo("u1", before[0], MAY_MS - 1)
    assert await counted(store) == (3, 5)
    # A gateway whose clock is behind does not set the month back.
    assert await take(store, *job_ids(1), per_month=3, at_a_time=50, now_ms=MAY_MS - 5_000) == Limit.MONTHLY
    assert await store.quotas.used_this_month("u1", MAY_MS - 5_000) == 3


async def test_a_user_without_requests_has_used_nothing(store: Store) -> None:
    assert await store.quotas.used_this_month("nobody", T0_MS) == 0
    assert not await store.quotas.give_back("nobody", "a-job")
    assert not await store.quotas.undo("nobody", "a-job", T0_MS)


async def test_a_gateway_that_ends_before_it_stores_the_job_uses_no_quota(
    store: Store, job_parts: JobParts, clock: Clock
) -> None:
    await take(store, *job_ids(1), now_ms=clock.ms)
    clock.advance(119)
    assert await job_parts.sweeper.free_slots() == 0
    assert await counted(store) == (1, 1)
    clock.advance(2)
    assert await job_parts.sweeper.free_slots() == 1
    assert await counted(store) == (0, 0)


async def test_a_job_whose_gateway_ends_before_it_publishes_runs_once_on_its_slot(
    store: Store, job_parts: JobParts, outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await take(store, job.job_id, now_ms=clock.ms)
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=clock.ms + 2000)
    for _ in range(5):
        clock.advance(11)
        await job_parts.sweeper.free_slots()
        await outbox.sweep()
    assert [event.job_id for event in bus.events] == [job.job_id]
    assert await counted(store) == (1, 1)
    await worker_events.handle(classified(job.job_id))
    assert await counted(store) == (1, 0)


async def test_a_broker_that_lost_its_data_gets_the_job_again_on_the_same_slot(
    store: Store, job_parts: JobParts, outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await take(store, job.job_id, now_ms=clock.ms)
    await outbox.submit(job, submitted(job))
    bus.events.clear()
    clock.advance(61)
    await job_parts.sweeper.free_slots()
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id]
    assert await counted(store) == (1, 1)
    # Workers may process both submissions.
    for _ in range(2):
        await worker_events.handle(classified(job.job_id))
    assert await counted(store) == (1, 0)


@pytest.mark.parametrize("ending", [classified, lambda job_id: failed(job_id, "dedoppler")])
async def test_the_sweeper_frees_the_slot_if_the_gateway_ends_before_it_does(
    store: Store, job_parts: JobParts, worker_events: WorkerEvents, ending: type
) -> None:
    job = await added(store)
    await worker_events.handle(ending(job.job_id))
    await take(store, job.job_id)
    assert await job_parts.sweeper.free_slots() == 1
    assert await counted(store) == (1, 0)


async def test_the_sweeper_completes_a_removal_if_the_gateway_ends_within_it(
    store: Store, storage: Storage, job_parts: JobParts
) -> None:
    job = await added(store)
    await take(store, job.job_id)
    storage.uploads.objects[job.file_key] = b"data"
    storage.results.objects[f"jobs/{job.job_id}/results.json"] = b"{}"
    assert await store.jobs.remove(job.job_id, now_ms=T0_MS, even_open=True)
    await job_parts.sweeper.sweep()
    assert await counted(store) == (1, 0)
    assert storage.uploads.objects == storage.results.objects == {}


async def test_a_slot_that_is_renewed_during_a_sweep_stays(store: Store, job_parts: JobParts, clock: Clock) -> None:
    [job_id] = job_ids(1)
    await take(store, job_id, now_ms=clock.ms)
    clock.advance(300)
    found = [taken async for _, taken in store.quotas.slots()]
    assert found == [{job_id: T0_MS}]
    # The request is repeated with its key at this moment.
    assert await take(store, job_id, now_ms=clock.ms) == Slot(clock.ms, is_new=False)
    assert not await store.quotas.undo("u1", job_id, found[0][job_id])
    assert await job_parts.sweeper.free_slots() == 0
    assert await counted(store) == (1, 1)


async def test_two_gateways_sweep_side_by_side(
    store: Store, storage: Storage, bus: Bus, job_parts: JobParts, clock: Clock
) -> None:
    other = make_job_parts(
        settings_for("mongodb://unused", "unused"), store=store, storage=storage, bus=bus, now_ms=clock
    )
    for number in range(8):
        job = await added(store, a_job(f"user-{number % 3}"))
        await store.quotas.take(job.user_id, job.job_id, per_month=9, at_a_time=9, history=9, now_ms=T0_MS)
        await store.jobs.remove(job.job_id, now_ms=T0_MS, even_open=True)
        storage.results.objects[f"jobs/{job.job_id}/results.json"] = b"{}"
    freed = await asyncio.gather(job_parts.sweeper.free_slots(), other.sweeper.free_slots())
    purged = await asyncio.gather(job_parts.sweeper.purge_removed(), other.sweeper.purge_removed())
    assert (sum(freed), sum(purged)) == (8, 8)
    for number in range(3):
        assert (await counted(store, f"user-{number}"))[1] == 0


async def test_unavailable_storage_stops_neither_the_sweeper_nor_its_other_steps(
    store: Store, storage: Storage, job_parts: JobParts, clock: Clock
) -> None:
    job = await added(store)
    await take(store, job.job_id)
    key = f"jobs/{job.job_id}/results.json"
    storage.results.objects[key] = b"{}"
    await store.jobs.remove(job.job_id, now_ms=T0_MS, even_open=True)
    storage.results.is_away = storage.uploads.is_away = True
    with pytest.raises(TransientError):
        await job_parts.sweeper.purge_removed()
    clock.advance(61)
    await job_parts.sweeper.sweep()
    assert await counted(store) == (1, 0)
    storage.results.is_away = storage.uploads.is_away = False
    clock.advance(61)
    await job_parts.sweeper.sweep()
    assert key not in storage.results.objects


async def test_one_of_many_concurrent_removals_succeeds(store: Store, job_parts: JobParts) -> None:
    job = await added(store)
    removed = await asyncio.gather(*(job_parts.removal.remove(job.job_id, "deleted") for _ in range(30)))
    assert sum(one is not None for one in removed) == 1


async def test_a_void_job_can_not_be_stored(store: Store, storage: Storage, job_parts: JobParts) -> None:
    job = a_job()
    storage.uploads.objects[job.file_key] = b"data"
    assert await store.jobs.prevent_insert(job.job_id, job.user_id, now_ms=T0_MS)
    assert await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=T0_MS) is False
    assert await store.jobs.get(job.job_id) is None
    await job_parts.sweeper.purge_removed()
    # The upload never belonged to this job.
    assert job.file_key in storage.uploads.objects
    other = await added(store)
    assert await store.jobs.prevent_insert(other.job_id, other.user_id, now_ms=T0_MS) is False
    assert await store.jobs.get(other.job_id) == other
