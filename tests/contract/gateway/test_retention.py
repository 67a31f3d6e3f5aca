"""How long data are kept in the job store and in storage."""

import uuid

import pytest

from shared.object_keys import job_prefix
from tests.contract.gateway.parts import Account, Gateway, account, classified, code, export

DAY_S = 86_400


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "researcher")


async def test_jobs_state_when_they_expire(user: Account) -> None:
    job_id = await user.analyze()
    days = user.gateway.settings.tiers["researcher"].retention_days
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))
    for job in ((await user.ask("GET", f"/jobs/{job_id}"))[1], (await user.ask("GET", "/jobs"))[1][0]):
        assert job["expires_at"] == job["created_at"] + days * DAY_S


async def test_expired_jobs_are_deleted_with_their_objects(user: Account) -> None:
    gateway, file_key = user.gateway, await user.upload()
    finished, open_one = await user.start(file_key), await user.start(file_key)
    await gateway.worker_events.handle(classified(gateway, finished))
    await gateway.worker_events.handle(await export(gateway, finished))
    days = gateway.settings.tiers["researcher"].retention_days
    with gateway.clock.ahead(days * DAY_S - 60):
        await gateway.sweeper.remove_expired()
        assert len((await user.ask("GET", "/jobs"))[1]) == 2
    with gateway.clock.ahead(days * DAY_S + 1):
        await gateway.sweeper.remove_expired()
        await gateway.sweeper.purge_removed()
        assert await user.ask("GET", "/jobs") == (200, [])
    assert code(await user.ask("GET", f"/jobs/{open_one}")) == (404, "job_not_found")
    assert await gateway.storage.results.list_keys(job_prefix(finished)) == []
    assert await gateway.storage.uploads.size(file_key) is None
    found = await gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert found["active_count"] == 0


async def test_unused_uploads_are_deleted_after_a_day(user: Account) -> None:
    gateway = user.gateway
    used, unused = await user.upload(), await user.upload()
    job_id = await user.start(used)
    await gateway.storage.uploads.put("elsewhere/x.fil", b"x")
    with gateway.clock.ahead(DAY_S - 60):
        await gateway.sweeper.delete_unused_uploads()
    assert await gateway.storage.uploads.size(unused) is not None
    with gateway.clock.ahead(DAY_S + 60):
        await gateway.sweeper.delete_unused_uploads()
    assert await gateway.storage.uploads.size(unused) is None
    assert await gateway.storage.uploads.size(used) is not None
    assert await gateway.storage.uploads.size("elsewhere/x.fil") is not None
    await user.ask("DELETE", f"/jobs/{job_id}")


async def test_incomplete_multipart_uploads_are_aborted(user: Account) -> None:
    gateway = user.gateway
    _, body = await user.ask("POST", "/upload-url", {"filename": "x.fil", "file_size": 60 * 1024 * 1024})
    with gateway.clock.ahead(DAY_S - 60):
        await gateway.sweeper.abort_multiparts()
    async with gateway.anybody.put(body["parts"][0]["url"], data=bytes(body["part_size"])) as response:
        assert response.status == 200
    with gateway.clock.ahead(DAY_S + 60):
        assert await gateway.sweeper.abort_multiparts() >= 1
        assert await gateway.sweeper.abort_multiparts() == 0
    async with gateway.anybody.put(body["parts"][0]["url"], data=bytes(body["part_size"])) as response:
        assert response.status == 404


async def test_records_of_uploads_are_kept_longer_than_unused_uploads(user: Account) -> None:
    gateway, key = user.gateway, await user.upload()
    with gateway.clock.ahead(DAY_S + 60):
        await gateway.sweeper.delete_old_records()
    assert await gateway.store.uploads.get(key) is not None
    with gateway.clock.ahead(2 * DAY_S + 60):
        await gateway.sweeper.delete_old_records()
    assert await gateway.store.uploads.get(key) is None


async def test_a_sweep_runs_every_step_and_can_be_repeated(user: Account) -> None:
    gateway, key = user.gateway, await user.upload()
    orphan = str(uuid.uuid4())
    limits = {"per_month": 9, "at_a_time": 9, "history": 9}
    await gateway.store.quotas.take(user.user_id, orphan, **limits, now_ms=gateway.clock())
    await user.start(key)
    days = gateway.settings.tiers["researcher"].retention_days
    with gateway.clock.ahead(days * DAY_S + 1):
        for _ in range(2):
            await gateway.sweeper.sweep()
            assert await user.ask("GET", "/jobs") == (200, [])
            assert await gateway.storage.uploads.size(key) is None
    found = await gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert (found["active_count"], found["active"]) == (0, {})
