"""A cadence takes one slot and counts as many jobs as it starts; a history keeps what it uses."""

import asyncio
import uuid

from services.gateway.accounts.issue import create_user
from services.gateway.app import JobParts
from services.gateway.jobs.limits import Limit, Slot
from services.gateway.mongodb.store import Store
from tests.contract.job_store.cadences import a_cadence, add_cadence, with_job
from tests.contract.job_store.parts import T0_MS, a_job, added, classified

LIMITS = {"per_month": 10, "at_a_time": 5, "history": 10, "now_ms": T0_MS}
DAYS_MS = 86_400_000


async def take(store: Store, files, cadence_id="", **more) -> Slot | Limit:
    return await store.quotas.take("u1", cadence_id or str(uuid.uuid4()), **{**LIMITS, **more}, files=files)


async def counted(store: Store):
    found = await store.database["quotas"].find_one({"_id": "u1"})
    assert found["active_count"] == len(found["active"])
    return found["used"], found["active_count"], found["kept"]


async def reset(store: Store, kept: int = 0) -> None:
    await store.quotas.take("u1", "x", **LIMITS)
    await store.quotas.undo("u1", "x", T0_MS)
    await store.database["quotas"].update_one({"_id": "u1"}, {"$set": {"kept": kept}})


async def test_the_month_must_have_room_for_all_files(store: Store) -> None:
    await reset(store)
    assert isinstance(await take(store, 8), Slot)
    assert await take(store, 3) is Limit.MONTHLY
    assert await counted(store) == (8, 1, 8)
    assert isinstance(await take(store, 2), Slot)
    assert await take(store, 1) is Limit.MONTHLY
    assert isinstance(await take(store, 0), Slot)
    assert await counted(store) == (10, 3, 11)


async def test_racing_cadences_never_exceed_a_limit(store: Store) -> None:
    await reset(store)
    outcomes = await asyncio.gather(*(take(store, 3) for _ in range(12)))
    assert sum(isinstance(one, Slot) for one in outcomes) == 3
    assert await counted(store) == (9, 3, 9)
    places = await asyncio.gather(*(take(store, 0) for _ in range(12)))
    assert (sum(isinstance(one, Slot) for one in places), places.count(Limit.CONCURRENT)) == (2, 10)


async def test_a_repeat_takes_nothing_more(store: Store) -> None:
    await reset(store)
    cadence_id = str(uuid.uuid4())
    slots = await asyncio.gather(*(take(store, 4, cadence_id) for _ in range(8)))
    assert [slot.is_new for slot in slots].count(True) == 1
    assert await counted(store) == (4, 1, 4)


async def test_a_failed_start_is_undone_with_all_its_files(store: Store) -> None:
    await reset(store)
    for files in (0, 1, 6):
        cadence_id = str(uuid.uuid4())
        slot = await take(store, files, cadence_id)
        assert await store.quotas.undo("u1", cadence_id, slot.taken_ms + 1) is False
        assert await store.quotas.undo("u1", cadence_id, slot.taken_ms) is True
        assert await store.quotas.undo("u1", cadence_id, slot.taken_ms) is False
        assert await counted(store) == (0, 0, 0)


async def test_a_start_of_last_month_is_not_taken_from_this_month(store: Store) -> None:
    await reset(store)
    cadence_id = str(uuid.uuid4())
    slot = await take(store, 6, cadence_id)
    await take(store, 2, now_ms=T0_MS + 40 * DAYS_MS)
    assert await store.quotas.undo("u1", cadence_id, slot.taken_ms) is True
    assert await counted(store) == (2, 1, 2)


async def test_an_ended_cadence_gives_back_its_place_only(store: Store) -> None:
    await reset(store)
    cadence_id = str(uuid.uuid4())
    await take(store, 6, cadence_id)
    assert await store.quotas.give_back("u1", cadence_id) is True
    assert await store.quotas.give_back("u1", cadence_id) is False
    assert await counted(store) == (6, 0, 6)
    assert (await store.database["quotas"].find_one({"_id": "u1"}))["files"] == {}


async def test_a_slot_without_a_cadence_is_freed_by_the_sweeper(store: Store, job_parts: JobParts, clock) -> None:
    await reset(store)
    await take(store, 6)
    clock.advance(119)
    assert await job_parts.sweeper.free_slots() == 0
    clock.advance(2)
    assert await job_parts.sweeper.free_slots() == 1
    assert await counted(store) == (0, 0, 0)


async def ended_jobs(store: Store, job_parts: JobParts, user_id: str, places: range) -> list[str]:
    jobs = [await added(store, a_job(user_id, T0_MS + place)) for place in places]
    for job in jobs:
        await job_parts.worker_events.handle(classified(job.job_id))
    return [job.job_id for job in jobs]


async def left(store: Store, user_id: str) -> list[str]:
    return [job.job_id for job in await store.jobs.list_all(user_id)]


async def test_a_cadence_that_is_being_started_keeps_the_jobs_that_it_takes(store: Store, job_parts: JobParts) -> None:
    # The tier keeps 10 jobs.
    user = await create_user(store.users, tier="free", name="n", now_s=0)
    jobs = await ended_jobs(store, job_parts, user.user_id, range(10))
    cadence_id = str(uuid.uuid4())
    await store.quotas.take(user.user_id, cadence_id, **LIMITS, files=1)
    await store.cadences.use_jobs(cadence_id, jobs[:1])
    (newest,) = await ended_jobs(store, job_parts, user.user_id, range(10, 11))
    await job_parts.removal.prune(user.user_id)
    assert await left(store, user.user_id) == [jobs[0], *jobs[2:], newest]
    # Its gateway has died: the sweeper frees the slot, and the job is an ordinary one again.
    await store.quotas.undo(user.user_id, cadence_id, T0_MS)
    await ended_jobs(store, job_parts, user.user_id, range(11, 12))
    await store.database["quotas"].update_one({"_id": user.user_id}, {"$set": {"kept": 99}})
    await job_parts.removal.prune(user.user_id)
    assert jobs[0] not in await left(store, user.user_id)
    assert len(await left(store, user.user_id)) == 10


async def test_a_job_that_a_cadence_takes_while_a_history_is_pruned_stays(store: Store) -> None:
    job = await added(store)
    event = classified(job.job_id)
    await store.jobs.record_classified(
        job.job_id, event.summary, observation=event.header, results_key="k", completed_at=1, due_ms=1
    )
    (listed,) = await store.jobs.list_all("u1")
    await store.cadences.use_jobs(str(uuid.uuid4()), [job.job_id])
    assert await store.jobs.remove(job.job_id, now_ms=1, even_open=False, uses=listed.uses) is False
    (listed,) = await store.jobs.list_all("u1")
    assert await store.jobs.remove(job.job_id, now_ms=1, even_open=False, uses=listed.uses) is True


async def test_a_removed_job_is_not_taken(store: Store) -> None:
    job, cadence = await added(store), a_cadence(scans=2)
    await store.jobs.remove(job.job_id, now_ms=1, even_open=True)
    await add_cadence(store, with_job(cadence, 0, job.job_id))
    assert (await store.jobs.started([job.job_id]))[job.job_id].cadences == frozenset()
    assert (await store.cadences.scan_jobs([job.job_id]))[job.job_id].status == "deleted"
