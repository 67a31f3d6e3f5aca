"""A gateway dies between any two writes of a cadence. Another one finishes or undoes the work: never half of it."""

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from services.gateway.accounts.issue import create_user
from services.gateway.accounts.model import User
from services.gateway.app import JobParts
from services.gateway.jobs.cadence import new_job_id
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.new_cadence import NewCadence, NewScan
from services.gateway.mongodb.store import Store
from shared.cadence import CadenceParameters
from shared.events import ObservationSubmitted, SearchParameters
from tests.contract.job_store.cadences import (
    a_cadence,
    add_cadence,
    cadence_classified,
    cadence_exported,
    ready_events,
    stored_cadence,
)
from tests.contract.job_store.mortal import KilledError, Life, mortal_parts
from tests.contract.job_store.parts import T0_MS, Bus, Clock, Storage, added, classified, exported, failed

# More steps than any of the works below has.
MOST_STEPS = 60


@dataclass
class World:
    """The servers, a gateway that lives, and gateways that die."""

    store: Store
    bus: Bus
    storage: Storage
    clock: Clock
    alive: JobParts

    def mortal(self, last_step: int, *, is_late: bool) -> tuple[JobParts, Life]:
        life = Life(last_step, is_late=is_late)
        return mortal_parts(self.store, self.bus, self.storage, self.clock, life), life

    async def sweep(self) -> None:
        """Let the other gateway sweep until all that was left behind is overdue."""
        for _ in range(3):
            self.clock.advance(130)
            await self.alive.sweeper.sweep()
            await self.alive.outbox.sweep()

    async def user(self) -> User:
        return await create_user(self.store.users, tier="researcher", name="n", now_s=0)

    async def slots(self, user_id: str) -> set[str]:
        return set(await self.store.quotas.with_slot(user_id))

    async def used(self, user_id: str) -> int:
        return await self.store.quotas.used_this_month(user_id, self.clock())


@pytest.fixture
def world(store: Store, bus: Bus, storage: Storage, clock: Clock, job_parts: JobParts) -> World:
    return World(store, bus, storage, clock, job_parts)


def new_cadence(job_id: str | None = None) -> NewCadence:
    scans = tuple(
        NewScan(f"uploads/u/{number}/x.fil", f"{number}.fil", "HIP 39826", 5, None, None, None) for number in range(3)
    )
    there = () if job_id is None else (NewScan("uploads/u/9/x.fil", "9.fil", "s", 5, None, None, None, job_id, T0_MS),)
    return NewCadence("n", scans + there, CadenceParameters(), SearchParameters())


async def killed_at_each_step(
    world: World, is_late: bool, work: Callable[[JobParts], Awaitable[Callable[[], Awaitable[None]]]]
) -> int:
    """Do the work with a gateway that dies at step 0, 1, 2 …, until it lives to the end. Check after each death.

    `work` prepares everything, does the work with the parts that it is given, and leaves the check to be awaited; it
    is the caller's to survive `KilledError`.
    """
    for step in range(MOST_STEPS):
        parts, life = world.mortal(step, is_late=is_late)
        check = await work(parts)
        await check()
        if not life.has_ended:
            return step
    raise AssertionError("the work never ends")


@pytest.mark.parametrize("is_repeated", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
async def test_a_cadence_starts_as_a_whole_or_not_at_all(world: World, is_late: bool, is_repeated: bool) -> None:
    outcomes = []

    async def work(parts: JobParts) -> Callable[[], Awaitable[None]]:
        user = await world.user()
        there = await added(world.store)
        key = RequestKey.of(user.user_id, "k", {}) if is_repeated else None
        new = new_cadence(there.job_id)
        with suppress(KilledError):
            await parts.cadences.start(user, new, key)

        async def check() -> None:
            answered = None
            if key is not None:
                answered = await world.alive.cadences.repeated(key)
                answered = answered or await world.alive.cadences.start(user, new, key)
            await world.sweep()
            found = await world.store.cadences.list_all(user.user_id)
            jobs = [job.job_id for job in await world.store.jobs.list_all(user.user_id)]
            submitted = {event.job_id for event in world.bus.events if isinstance(event, ObservationSubmitted)}
            outcomes.append(len(found))
            if not found:
                assert key is None
                assert (jobs, await world.slots(user.user_id), await world.used(user.user_id)) == ([], set(), 0)
                return
            (cadence,) = found
            assert answered in {None, cadence.job_id}
            assert sorted(jobs) == sorted(new_job_id(cadence.job_id, index) for index in range(3))
            assert set(jobs) <= submitted
            assert (await world.slots(user.user_id), await world.used(user.user_id)) == ({cadence.job_id}, 3)

        return check

    steps = await killed_at_each_step(world, is_late, work)
    # Key, quota, mark at the job, cadence, three jobs, three messages, the mark of the start; history aside.
    assert steps >= 9
    assert set(outcomes) == ({1} if is_repeated else {0, 1})


@pytest.mark.parametrize("is_delivered_again", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
async def test_no_ready_cadence_is_lost(world: World, is_late: bool, is_delivered_again: bool) -> None:
    async def work(parts: JobParts) -> Callable[[], Awaitable[None]]:
        user = await world.user()
        cadence = await add_cadence(world.store, a_cadence(user.user_id))
        await world.alive.cadences.advance(cadence.job_id)
        last = classified(cadence.scans[2].job_id)
        await world.alive.worker_events.handle(classified(cadence.scans[0].job_id))
        await world.alive.worker_events.handle(failed(cadence.scans[1].job_id, "ingest"))
        with suppress(KilledError):
            await parts.worker_events.handle(last)

        async def check() -> None:
            if is_delivered_again:
                await world.alive.worker_events.handle(last)
            elif not (job := await world.store.jobs.get(last.job_id)) or job.status != "complete":
                # Without its first write, only the bus knows that the job has ended.
                await world.alive.worker_events.handle(last)
            await world.sweep()
            events = ready_events(world.bus.events, cadence)
            assert len(events) >= 1
            assert all(event == events[0] for event in events)
            assert [scan.failure is None for scan in events[0].scans] == [True, False, True]
            assert await world.slots(user.user_id) == {cadence.job_id}

        return check

    assert await killed_at_each_step(world, is_late, work) >= 3


@pytest.mark.parametrize("is_late", [True, False])
async def test_a_cadence_that_fails_or_completes_frees_its_place(world: World, is_late: bool) -> None:
    async def fail(parts: JobParts) -> Callable[[], Awaitable[None]]:
        user = await world.user()
        cadence = await add_cadence(world.store, a_cadence(user.user_id, scans=2))
        await world.alive.cadences.advance(cadence.job_id)
        await world.alive.worker_events.handle(classified(cadence.scans[0].job_id))
        last = failed(cadence.scans[1].job_id, "ingest")
        with suppress(KilledError):
            await parts.worker_events.handle(last)

        async def check() -> None:
            await world.alive.worker_events.handle(last)
            await world.sweep()
            assert (await stored_cadence(world.store, cadence)).status == "failed"
            assert (await world.slots(user.user_id), await world.used(user.user_id)) == (set(), 2)
            assert ready_events(world.bus.events, cadence) == []

        return check

    async def complete(parts: JobParts) -> Callable[[], Awaitable[None]]:
        user = await world.user()
        cadence = await add_cadence(world.store, a_cadence(user.user_id, scans=2))
        await world.alive.cadences.advance(cadence.job_id)
        for scan in cadence.scans:
            await world.alive.worker_events.handle(classified(scan.job_id))
        events = [cadence_classified(cadence), cadence_exported(cadence)]
        for event in events:
            with suppress(KilledError):
                await parts.worker_events.handle(event)

        async def check() -> None:
            for event in events:
                await world.alive.worker_events.handle(event)
            found = await stored_cadence(world.store, cadence)
            assert (found.status, len(found.artefacts)) == ("complete", 2)
            assert (await world.slots(user.user_id), await world.used(user.user_id)) == (set(), 2)

        return check

    assert await killed_at_each_step(world, is_late, fail) >= 3
    assert await killed_at_each_step(world, is_late, complete) >= 3


@pytest.mark.parametrize("is_late", [True, False])
async def test_a_deleted_cadence_takes_its_open_jobs_with_it(world: World, is_late: bool) -> None:
    async def work(parts: JobParts) -> Callable[[], Awaitable[None]]:
        user, there = await world.user(), await added(world.store)
        cadence = await add_cadence(world.store, a_cadence(user.user_id))
        await world.alive.cadences.advance(cadence.job_id)
        ended, *open_ones = (scan.job_id for scan in cadence.scans)
        for event in (classified(ended), exported(ended)):
            await world.alive.worker_events.handle(event)
        for job_id in (cadence.job_id, *open_ones, ended):
            world.storage.results.objects[f"jobs/{job_id}/x"] = b""
        with suppress(KilledError):
            removed = await parts.removal.remove(cadence.job_id, "deleted")
            if removed is not None:
                await parts.removal.purge_soon(removed)

        async def check() -> None:
            # If the first write was not done, the request has failed, and its user repeats it.
            if await world.store.cadences.get(cadence.job_id) is not None:
                removed = await world.alive.removal.remove(cadence.job_id, "deleted")
                assert removed is not None
            await world.sweep()
            assert await world.store.cadences.get(cadence.job_id) is None
            assert [job.job_id for job in await world.store.jobs.list_all(user.user_id)] == [ended]
            assert list(world.storage.results.objects) == [f"jobs/{ended}/x"]
            assert await world.slots(user.user_id) == set()
            assert await world.store.jobs.get(there.job_id) is not None
            del world.storage.results.objects[f"jobs/{ended}/x"]

        return check

    assert await killed_at_each_step(world, is_late, work) >= 6


async def test_a_job_that_is_still_to_be_stored_is_never_stored_after_the_cadence_was_deleted(world: World) -> None:
    user = await world.user()
    cadence = await add_cadence(world.store, a_cadence(user.user_id))
    removed = await world.alive.removal.remove(cadence.job_id, "deleted")
    assert removed is not None
    await world.alive.removal.purge_soon(removed)
    # Another gateway has read the cadence before, and goes on.
    await world.alive.cadences._start_jobs(cadence)
    assert await world.store.jobs.list_all(user.user_id) == []
    assert [event for event in world.bus.events if event.job_id != cadence.job_id] == []


async def test_a_job_that_another_cadence_uses_survives(world: World) -> None:
    user = await world.user()
    cadence = await add_cadence(world.store, a_cadence(user.user_id))
    await world.alive.cadences.advance(cadence.job_id)
    shared = cadence.scans[0].job_id
    other = str(uuid.uuid4())
    await world.store.cadences.use_jobs(other, [shared])
    removed = await world.alive.removal.remove(cadence.job_id, "deleted")
    assert removed is not None
    await world.alive.removal.purge_soon(removed)
    assert [job.job_id for job in await world.store.jobs.list_all(user.user_id)] == [shared]
