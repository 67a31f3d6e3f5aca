"""Gateways on machines with different clocks all use the database's clock, whatever the server is."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from services.gateway.app import JobParts, make_job_parts
from services.gateway.jobs.limits import Limit, Slot
from services.gateway.jobs.removal import LEASE_MS
from services.gateway.mongodb.clock import DatabaseClock
from services.gateway.mongodb.store import Store
from tests.contract.job_store.parts import Bus, Storage, a_job, progress, settings_for, submitted

USER_ID = "u1"
MINUTE_MS = 60_000

Gateway = Callable[[Callable[[], int]], JobParts]


class CrossedOnce:
    """A collection in which another gateway's upsert comes first, once."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self.is_crossed = False

    async def find_one_and_update(self, *args: Any, **more: Any) -> Any:
        written = await self._collection.find_one_and_update(*args, **more)
        if self.is_crossed:
            return written
        self.is_crossed = True
        raise DuplicateKeyError("E11000 duplicate key error")


@pytest.fixture
def gateway(store: Store, storage: Storage, bus: Bus) -> Gateway:
    """Return a function that makes the parts of a gateway with a given clock."""
    settings = settings_for("mongodb://unused", "unused")
    return lambda clock: make_job_parts(settings, store=store, storage=storage, bus=bus, now_ms=clock)


@pytest.fixture
async def clocks(store: Store) -> list[DatabaseClock]:
    """Return the clocks of two gateways whose machines were started at different times."""
    clocks = [DatabaseClock(store.now_ms), DatabaseClock(store.now_ms, monotonic_s=lambda: time.monotonic() + 1e5)]
    for clock in clocks:
        await clock.set()
    return clocks


async def test_the_server_returns_its_time(store: Store) -> None:
    before_ms, told_ms, after_ms = time.time() * 1000, await store.now_ms(), time.time() * 1000
    assert before_ms - 2 <= told_ms <= after_ms + 2
    for earlier_ms in [told_ms] * 2:
        assert earlier_ms <= await store.now_ms() <= time.time() * 1000 + 2


async def test_many_gateways_can_ask_at_once(store: Store) -> None:
    told_ms = await asyncio.gather(*(store.now_ms() for _ in range(20)))
    assert max(told_ms) - min(told_ms) < MINUTE_MS


async def test_the_first_gateways_on_a_new_database_can_ask_at_once(store: Store) -> None:
    """Use a server that does not itself retry an upsert that conflicts with another one."""
    clock = CrossedOnce(store.database["clock"])
    crossed = replace(store, database={"clock": clock})
    before_ms = time.time() * 1000 - 2
    assert before_ms <= await crossed.now_ms() <= await store.now_ms()
    assert clock.is_crossed


async def test_a_job_is_submitted_once_however_many_gateways_sweep(
    clocks: list[DatabaseClock], gateway: Gateway, bus: Bus
) -> None:
    one, other = map(gateway, clocks)
    job = a_job(submitted_ms=clocks[0]())
    await one.outbox.submit(job, submitted(job))
    for _ in range(2):
        assert await other.outbox.sweep() == await one.outbox.sweep() == 0
    for done in range(3):
        for parts in (one, other):
            await parts.worker_events.handle(progress(job.job_id, "dedoppler", done, 3))
            assert await one.outbox.sweep() == await other.outbox.sweep() == 0
    assert len(bus.events) == 1


async def test_with_the_clocks_of_their_machines_gateways_submit_a_job_twice(
    clocks: list[DatabaseClock], gateway: Gateway
) -> None:
    # More than the silence: the database's answer is also off by a millisecond or two.
    one, ahead = gateway(clocks[0]), gateway(lambda: time.time_ns() // 10**6 + MINUTE_MS + 1000)
    job = a_job(submitted_ms=clocks[0]())
    await one.outbox.submit(job, submitted(job))
    assert await ahead.outbox.sweep() == 1


async def test_limits_and_slots_hold_across_gateways(
    store: Store, clocks: list[DatabaseClock], gateway: Gateway
) -> None:
    limits = {"per_month": 100, "at_a_time": 5, "history": 100}
    for number in range(5):
        slot = await store.quotas.take(USER_ID, f"job-{number}", **limits, now_ms=clocks[number % 2]())
        assert isinstance(slot, Slot)
    for clock in clocks:
        assert await store.quotas.take(USER_ID, "one-more", **limits, now_ms=clock()) is Limit.CONCURRENT
        # Starts in progress are not mistaken for abandoned ones.
        assert await gateway(clock).sweeper.free_slots() == 0
        assert await store.quotas.used_this_month(USER_ID, clock()) == 5


async def test_only_one_gateway_prunes_a_history_at_a_time(store: Store, clocks: list[DatabaseClock]) -> None:
    one, other = clocks
    assert await store.quotas.begin_pruning(USER_ID, now_ms=one(), until_ms=one() + LEASE_MS)
    assert not await store.quotas.begin_pruning(USER_ID, now_ms=other(), until_ms=other() + LEASE_MS)
    assert await store.quotas.abandoned_prunings(other()) == []
