"""How many jobs a user may start, while many requests race for the last one."""

import asyncio
from typing import Any

import pytest

from services.gateway.jobs.limits import month_of
from shared.errors import TransientError
from shared.events import JobFailed
from tests.contract.gateway.parts import Account, Gateway, account, classified, code

LIMITS = {"files_per_month": 8, "concurrent_jobs": 3, "history_jobs": 100}


@pytest.fixture(autouse=True)
def _small_tier(gateway: Gateway) -> Any:
    tiers = gateway.settings.tiers
    before = tiers["institution"]
    tiers["institution"] = before.model_copy(update=LIMITS)
    yield
    tiers["institution"] = before


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def finish(user: Account, job_id: str) -> None:
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))


async def quota(user: Account) -> tuple[int, int]:
    """Return the jobs counted this month and the slots taken. Check that both ways of counting agree."""
    found = await user.gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert found["active_count"] == len(found["active"])
    return found["used"], found["active_count"]


async def usage(user: Account) -> int:
    status, body = await user.ask("GET", "/usage")
    assert status == 200
    return int(body["usage_this_month"])


async def race(user: Account, key: str, count: int = 100) -> list[tuple[int, Any]]:
    """Send many requests at once and return their answers."""
    return await asyncio.gather(*(user.ask("POST", "/analyze", {"file_key": key}) for _ in range(count)))


async def test_a_hundred_concurrent_requests_take_only_the_free_slots(user: Account) -> None:
    key = await user.upload()
    await user.start(key)
    answers = await race(user, key)
    accepted = [body["job_id"] for status, body in answers if status == 202]
    assert len(accepted) == 2
    assert {code(answer) for answer in answers if answer[0] != 202} == {(429, "too_many_concurrent_jobs")}
    assert await quota(user) == (3, 3)
    assert await usage(user) == 3
    published = [event.job_id for event in user.gateway.bus.events]
    assert [published.count(job_id) for job_id in accepted] == [1, 1]
    # Every slot is freed, once, and can be taken again.
    await asyncio.gather(*(finish(user, job_id) for job_id in accepted for _ in range(5)))
    assert await quota(user) == (3, 1)
    assert [status for status, _ in await race(user, key, 20)].count(202) == 2


async def test_one_of_a_hundred_concurrent_requests_gets_the_last_job_of_the_month(user: Account) -> None:
    key = await user.upload()
    for _ in range(7):
        await finish(user, await user.start(key))
    answers = await race(user, key)
    assert [status for status, _ in answers].count(202) == 1
    assert {code(answer) for answer in answers if answer[0] != 202} == {(429, "monthly_limit_reached")}
    assert await quota(user) == (8, 1)
    _, body = await user.ask("GET", "/usage")
    assert (body["usage_this_month"], body["remaining"]) == (8, 0)


async def test_a_refusal_says_when_to_retry(user: Account) -> None:
    key = await user.upload()
    for _ in range(3):
        await user.start(key)
    status, _, headers = await user.answer("POST", "/analyze", {"file_key": key})
    assert (status, headers["Retry-After"]) == (429, "30")
    for job in (await user.ask("GET", "/jobs"))[1]:
        await finish(user, job["job_id"])
    for _ in range(5):
        await finish(user, await user.start(key))
    status, _, headers = await user.answer("POST", "/analyze", {"file_key": key})
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 86_400


async def test_the_count_restarts_each_month_and_running_jobs_keep_their_slots(user: Account) -> None:
    gateway, key = user.gateway, await user.upload()
    for _ in range(6):
        await finish(user, await user.start(key))
    running = [await user.start(key) for _ in range(2)]
    assert code(await user.ask("POST", "/analyze", {"file_key": key})) == (429, "monthly_limit_reached")
    now_ms = gateway.clock()
    seconds = next(days * 86_400 for days in range(1, 32) if month_of(now_ms + days * 86_400_000) != month_of(now_ms))
    with gateway.clock.ahead(seconds):
        assert await usage(user) == 0
        answers = await race(user, key, 50)
        assert [status for status, _ in answers].count(202) == 1
        assert await quota(user) == (1, 3)
        for job_id in running:
            await finish(user, job_id)
        assert await quota(user) == (1, 1)


@pytest.mark.parametrize("stage", ["ingest", "dedoppler", "classify"])
async def test_a_failed_job_frees_its_slot_and_stays_counted(user: Account, stage: Any) -> None:
    job_id = await user.analyze()
    failed = JobFailed.make(job_id=job_id, producer=stage, stage=stage, code="bad_observation", message="No.")
    for _ in range(2):
        await user.gateway.worker_events.handle(failed)
    assert await quota(user) == (1, 0)


async def test_a_failed_export_does_not_change_the_slot(user: Account) -> None:
    job_id = await user.analyze()
    failed = JobFailed.make(job_id=job_id, producer="export", stage="export", code="internal_error", message="No.")
    await user.gateway.worker_events.handle(failed)
    assert await quota(user) == (1, 1)
    await finish(user, job_id)
    await user.gateway.worker_events.handle(failed)
    assert await quota(user) == (1, 0)


async def test_a_failed_start_frees_its_slot_and_count(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await user.upload()

    async def away(*_args: Any, **_more: Any) -> bool:
        raise TransientError("The job store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(user.gateway.store.jobs, "insert", away)
        for _ in range(10):
            assert code(await user.ask("POST", "/analyze", {"file_key": key})) == (503, "temporarily_unavailable")
    assert await quota(user) == (0, 0)
    assert (await user.ask("GET", "/jobs")) == (200, [])
    await user.start(key)
    assert await quota(user) == (1, 1)


async def test_a_start_whose_write_succeeded_keeps_its_slot(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    key, insert = await user.upload(), user.gateway.store.jobs.insert

    async def stored_but_not_heard(*args: Any, **more: Any) -> bool:
        await insert(*args, **more)
        raise TransientError("The answer got lost.")

    with monkeypatch.context() as patched:
        patched.setattr(user.gateway.store.jobs, "insert", stored_but_not_heard)
        assert (await user.ask("POST", "/analyze", {"file_key": key}))[0] == 503
    assert await quota(user) == (1, 1)
    [job] = (await user.ask("GET", "/jobs"))[1]
    assert job["status"] == "submitted"


async def test_invalid_requests_are_not_counted(user: Account) -> None:
    await user.start(await user.upload())
    missing = f"uploads/{user.user_id}/00000000-0000-0000-0000-000000000000/x.fil"
    assert code(await user.ask("POST", "/analyze", {"file_key": missing})) == (404, "file_not_found")
    assert code(await user.ask("POST", "/analyze", {})) == (400, "missing_field")
    assert await quota(user) == (1, 1)


async def test_each_user_has_separate_quotas(user: Account) -> None:
    other = await account(user.gateway, "institution")
    for _ in range(3):
        await user.analyze()
    await other.analyze()
    assert (await quota(user), await quota(other)) == ((3, 3), (1, 1))
    assert await usage(await account(user.gateway, "institution")) == 0
