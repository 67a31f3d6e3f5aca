"""The count that decides when to prune a user's history. It may be too high for a while, but never too low."""

import asyncio
import uuid

from services.gateway.app import JobParts
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.limits import Slot
from services.gateway.jobs.removal import LEASE_MS
from services.gateway.mongodb.quotas import UNCOUNTED
from services.gateway.mongodb.store import Store
from services.gateway.settings import DEFAULT_TIERS
from tests.contract.job_store.parts import T0_MS, Clock, a_job, classified, submitted

USER_ID = "u1"
KEEP = DEFAULT_TIERS["free"].history_jobs


async def counted(store: Store) -> int:
    return await store.quotas.max_job_count(USER_ID)


async def visible(store: Store) -> list[str]:
    return [job.job_id for job in await store.jobs.list_all(USER_ID)]


async def take(store: Store, job_id: str | None = None) -> Slot:
    slot = await store.quotas.take(
        USER_ID, job_id or str(uuid.uuid4()), per_month=1000, at_a_time=1000, history=KEEP, now_ms=T0_MS
    )
    assert isinstance(slot, Slot)
    return slot


async def start(store: Store, parts: JobParts) -> str:
    """Start a job as a submission does."""
    job = a_job(USER_ID)
    slot = await take(store, job.job_id)
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=T0_MS)
    if slot.history_is_full:
        await parts.removal.prune(USER_ID)
    return job.job_id


async def a_user(store: Store) -> None:
    document = {"_id": USER_ID, "tier": "free", "name": "n", "created_at": 0}
    await store.database["users"].insert_one(document)


async def test_a_user_without_jobs_has_no_count(store: Store, job_parts: JobParts) -> None:
    await a_user(store)
    assert await counted(store) == UNCOUNTED
    await start(store, job_parts)
    assert await counted(store) == 1
    assert not (await take(store)).history_is_full
    assert await counted(store) == 2


async def test_jobs_of_documents_without_a_count_are_counted_first(store: Store, job_parts: JobParts) -> None:
    await a_user(store)
    await start(store, job_parts)
    await store.database["quotas"].update_one({"_id": USER_ID}, {"$unset": {"kept": ""}})
    await store.ensure_indexes()
    assert await counted(store) == UNCOUNTED
    await start(store, job_parts)
    assert await counted(store) == 2
    await store.ensure_indexes()
    assert await counted(store) == 2


async def test_jobs_are_counted_first_if_an_earlier_version_just_made_the_document(
    store: Store, job_parts: JobParts
) -> None:
    await a_user(store)
    await start(store, job_parts)
    await store.database["quotas"].update_one({"_id": USER_ID}, {"$unset": {"kept": ""}})
    assert await counted(store) == UNCOUNTED
    await store.database["quotas"].update_one({"_id": USER_ID}, {"$unset": {"kept": ""}})
    await start(store, job_parts)
    assert await counted(store) == 2


async def test_taking_a_slot_reports_a_full_history(store: Store, job_parts: JobParts) -> None:
    await a_user(store)
    for number in range(1, KEEP + 1):
        await start(store, job_parts)
        assert await counted(store) == number
    assert (await take(store)).history_is_full
    # Its start fails.
    slot = await take(store, "another")
    assert await store.quotas.undo(USER_ID, "another", slot.taken_ms)
    assert await counted(store) == KEEP + 1


async def test_each_start_removes_the_oldest_job_of_a_full_history_and_the_count_is_right(
    store: Store, job_parts: JobParts, worker_events: WorkerEvents
) -> None:
    await a_user(store)
    jobs = []
    for _ in range(KEEP + 5):
        jobs.append(await start(store, job_parts))
        await worker_events.handle(classified(jobs[-1]))
    assert set(await visible(store)) <= set(jobs)
    assert len(await visible(store)) == KEEP
    assert await counted(store) == KEEP


async def test_a_removed_job_stays_in_the_count_until_the_next_recount(store: Store, job_parts: JobParts) -> None:
    await a_user(store)
    jobs = [await start(store, job_parts) for _ in range(KEEP)]
    assert await job_parts.removal.remove(jobs[3], "deleted") is not None
    assert await counted(store) == KEEP
    newest = await start(store, job_parts)
    assert set(await visible(store)) == {*jobs, newest} - {jobs[3]}
    assert await counted(store) == KEEP


async def test_jobs_that_start_during_a_recount_are_not_lost(store: Store, clock: Clock) -> None:
    await take(store)
    until_ms = clock.ms + LEASE_MS
    assert await store.quotas.begin_pruning(USER_ID, now_ms=clock.ms, until_ms=until_ms)
    turn = await store.quotas.pruning_turn(USER_ID, until_ms=until_ms)
    assert turn is not None
    before = await take(store, "undone")
    await take(store)
    await store.quotas.undo(USER_ID, "undone", before.taken_ms)
    assert not await store.quotas.begin_pruning(USER_ID, now_ms=clock.ms, until_ms=until_ms + 1)
    # Another pruning was requested: the count is corrected, and the turn continues.
    assert not await store.quotas.end_pruning(USER_ID, turn, until_ms=until_ms, kept=1)
    assert await counted(store) == 2
    again = await store.quotas.pruning_turn(USER_ID, until_ms=until_ms)
    assert again is not None
    assert (again.requested, again.kept, len(again.active)) == (turn.requested + 1, 2, 2)
    assert await store.quotas.end_pruning(USER_ID, again, until_ms=until_ms, kept=2)
    assert await counted(store) == 2


async def test_an_expired_turn_does_not_change_the_count(store: Store, clock: Clock) -> None:
    await take(store)
    until_ms = clock.ms + LEASE_MS
    assert await store.quotas.begin_pruning(USER_ID, now_ms=clock.ms, until_ms=until_ms)
    turn = await store.quotas.pruning_turn(USER_ID, until_ms=until_ms)
    assert turn is not None
    later_ms = until_ms + LEASE_MS
    assert await store.quotas.begin_pruning(USER_ID, now_ms=until_ms + 1, until_ms=later_ms)
    before = await counted(store)
    assert not await store.quotas.end_pruning(USER_ID, turn, until_ms=until_ms, kept=1)
    assert await counted(store) == before
    assert await store.quotas.pruning_turn(USER_ID, until_ms=until_ms) is None


async def test_under_races_the_count_is_never_too_low_and_right_at_the_end(
    store: Store, job_parts: JobParts, worker_events: WorkerEvents
) -> None:
    await a_user(store)
    running = True

    async def watch() -> int:
        """Check the count while jobs start and end, and return how often it was checked."""
        looks = 0
        while running:
            # Jobs are listed first. The count includes those added later; deleted ones are not in the second list.
            seen = set(await visible(store))
            at_most = await counted(store)
            still_there = seen & set(await visible(store))
            assert len(still_there) <= at_most
            looks += 1
        return looks

    async def one(number: int) -> None:
        job_id = await start(store, job_parts)
        if number % 3 == 0:
            await job_parts.removal.remove(job_id, "deleted")
        elif number % 3 == 1:
            await worker_events.handle(classified(job_id))
        else:
            failed = await take(store, f"failed-{number}")
            await store.quotas.undo(USER_ID, f"failed-{number}", failed.taken_ms)
            await worker_events.handle(classified(job_id))

    watching = asyncio.create_task(watch())
    for first in range(0, 60, 12):
        await asyncio.gather(*map(one, range(first, first + 12)))
    running = False
    assert await watching > 0
    # If a job is deleted after others were removed to make space for it, the history has a gap.
    assert len(await visible(store)) <= KEEP
    for _ in range(KEEP):
        await worker_events.handle(classified(await start(store, job_parts)))
    assert len(await visible(store)) == KEEP
    assert await counted(store) == KEEP


async def test_an_interrupted_pruning_leaves_the_count_too_high_until_the_sweeper_repeats_it(
    store: Store, job_parts: JobParts, worker_events: WorkerEvents, clock: Clock
) -> None:
    await a_user(store)
    for _ in range(KEEP):
        await worker_events.handle(classified(await start(store, job_parts)))
    job = a_job(USER_ID)
    assert (await take(store, job.job_id)).history_is_full
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=T0_MS)
    assert await store.quotas.begin_pruning(USER_ID, now_ms=clock.ms, until_ms=clock.ms + LEASE_MS)
    assert await counted(store) == KEEP + 1
    clock.advance(LEASE_MS / 1000 + 1)
    await job_parts.sweeper.finish_prunings()
    assert len(await visible(store)) == KEEP
    assert await counted(store) == KEEP
