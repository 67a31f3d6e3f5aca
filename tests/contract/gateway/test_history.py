"""How many jobs a user's list holds."""

import asyncio
from typing import Any

import pytest

from shared.object_keys import artefact_key, job_prefix
from tests.contract.gateway.parts import Account, Gateway, account, classified, export

KEPT = 4


@pytest.fixture(autouse=True)
def _short_history(gateway: Gateway) -> Any:
    tiers = gateway.settings.tiers
    before = tiers["institution"]
    tiers["institution"] = before.model_copy(update={"history_jobs": KEPT, "concurrent_jobs": 100})
    yield
    tiers["institution"] = before


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def finish(user: Account, job_id: str) -> None:
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))


async def listed(user: Account) -> list[str]:
    return [job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]]


async def test_a_new_job_replaces_the_oldest_finished_one(user: Account) -> None:
    key = await user.upload()
    jobs = [await user.start(key) for _ in range(KEPT)]
    for job_id in jobs:
        await finish(user, job_id)
    assert await listed(user) == jobs[::-1]
    newest = await user.start(key)
    assert await listed(user) == [newest, *jobs[:0:-1]]
    assert (await user.ask("GET", f"/jobs/{jobs[0]}"))[0] == 404


async def test_running_jobs_are_never_removed(user: Account) -> None:
    key = await user.upload()
    jobs = [await user.start(key) for _ in range(KEPT + 3)]
    assert await listed(user) == jobs[::-1]
    # The newest job ends first, and is the only one that can be removed.
    await finish(user, jobs[-1])
    assert await listed(user) == jobs[-2::-1]
    await finish(user, jobs[2])
    await finish(user, jobs[0])
    assert await listed(user) == [jobs[5], jobs[4], jobs[3], jobs[1]]
    await finish(user, jobs[1])
    assert len(await listed(user)) == KEPT


@pytest.mark.parametrize("repeats", [1, 3])
async def test_parallel_completion_leaves_exactly_the_limit(user: Account, repeats: int) -> None:
    key = await user.upload()
    jobs = [await user.start(key) for _ in range(24)]
    await asyncio.gather(*(finish(user, job_id) for job_id in jobs for _ in range(repeats)))
    assert len(await listed(user)) == KEPT
    found = await user.gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert (found["active_count"], found["active"], found["pruned_until_ms"]) == (0, {}, 0)


async def test_an_abandoned_pruning_turn_is_taken_over(user: Account) -> None:
    gateway, key = user.gateway, await user.upload()
    jobs = [await user.start(key) for _ in range(KEPT + 2)]
    now_ms = gateway.clock()
    assert await gateway.store.quotas.begin_pruning(user.user_id, now_ms=now_ms, until_ms=now_ms + 60_000)
    for job_id in jobs:
        await finish(user, job_id)
    assert len(await listed(user)) == KEPT + 2
    with gateway.clock.ahead(61):
        await gateway.sweeper.finish_prunings()
    assert await listed(user) == jobs[:1:-1]


async def test_a_job_removed_from_the_history_loses_its_objects(user: Account) -> None:
    gateway = user.gateway
    shared_key, own_key = await user.upload(), await user.upload()
    first, second = await user.start(shared_key), await user.start(own_key)
    for job_id in (first, second):
        await finish(user, job_id)
        await gateway.worker_events.handle(await export(gateway, job_id))
    later = [await user.start(shared_key) for _ in range(KEPT)]
    assert await listed(user) == later[::-1]
    await gateway.sweeper.purge_removed()
    results, uploads = gateway.storage.results, gateway.storage.uploads
    assert await results.list_keys(job_prefix(first)) == await results.list_keys(job_prefix(second)) == []
    assert await uploads.size(own_key) is None
    assert await uploads.size(shared_key) is not None
    assert await results.size(artefact_key(first, "results.json")) is None
