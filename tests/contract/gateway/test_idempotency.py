"""Requests that clients repeat because the answers were lost."""

import asyncio
from typing import Any

import pytest

from services.gateway.jobs.idempotency import RequestKey
from shared.errors import TransientError
from tests.contract.gateway.parts import Account, Gateway, account, classified, code


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def analyze(user: Account, key: str, file_key: str, **more: Any) -> tuple[int, Any]:
    status, body, _ = await user.answer("POST", "/analyze", {"file_key": file_key, **more}, Idempotency_Key=key)
    return status, body


async def used(user: Account) -> tuple[int, int]:
    found = await user.gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert found["active_count"] == len(found["active"])
    return found["used"], found["active_count"]


async def test_twenty_concurrent_requests_start_one_job(user: Account) -> None:
    file_key = await user.upload()
    answers = await asyncio.gather(*(analyze(user, "k 1", file_key) for _ in range(20)))
    assert {status for status, _ in answers} == {202}
    [job_id] = {body["job_id"] for _, body in answers}
    assert all(body == answers[0][1] for _, body in answers)
    assert [job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]] == [job_id]
    assert await used(user) == (1, 1)
    assert [event.job_id for event in user.gateway.bus.events].count(job_id) == 1


async def test_twenty_concurrent_repeats_share_the_last_slot(user: Account) -> None:
    file_key = await user.upload()
    for _ in range(4):
        await user.start(file_key)
    answers = await asyncio.gather(*(analyze(user, "last", file_key) for _ in range(20)))
    assert {status for status, _ in answers} == {202}
    assert len({body["job_id"] for _, body in answers}) == 1
    assert await used(user) == (5, 5)
    assert code(await analyze(user, "one more", file_key)) == (429, "too_many_concurrent_jobs")


async def test_the_answer_stays_the_same_after_the_job_changed_or_was_deleted(user: Account) -> None:
    file_key = await user.upload()
    first = await analyze(user, "k", file_key, source_name="Voyager 1")
    job_id = first[1]["job_id"]
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))
    assert await analyze(user, "k", file_key, source_name="Voyager 1") == first
    assert (await user.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
    # The file was deleted with the job.
    assert await analyze(user, "k", file_key, source_name="Voyager 1") == first
    assert await used(user) == (1, 0)
    assert (await user.ask("GET", "/jobs")) == (200, [])


async def test_another_body_is_refused(user: Account) -> None:
    file_key = await user.upload()
    first = await analyze(user, "k", file_key)
    assert code(await analyze(user, "k", file_key, snr_threshold=12)) == (409, "idempotency_key_reused")
    assert code(await analyze(user, "k", await user.upload())) == (409, "idempotency_key_reused")
    # Written differently, it is the same body.
    assert await analyze(user, "k", file_key, filename=None) == first
    assert await used(user) == (1, 1)


async def test_keys_belong_to_a_user_and_each_identifies_one_job(user: Account) -> None:
    other = await account(user.gateway, "institution")
    answers = [
        await analyze(user, "k", await user.upload()),
        await analyze(user, "K", await user.upload()),
        await analyze(other, "k", await other.upload()),
    ]
    assert [status for status, _ in answers] == [202, 202, 202]
    assert len({body["job_id"] for _, body in answers}) == 3


async def test_a_key_expires_after_a_day(user: Account) -> None:
    clock, file_key = user.gateway.clock, await user.upload()
    first = await analyze(user, "k", file_key)
    with clock.ahead(86_390):
        assert await analyze(user, "k", file_key) == first
    with clock.ahead(86_401):
        answers = await asyncio.gather(*(analyze(user, "k", file_key, snr_threshold=12) for _ in range(10)))
        [job_id] = {body["job_id"] for _, body in answers}
        assert job_id != first[1]["job_id"]
        assert await used(user) == (2, 2)
        assert await user.gateway.store.idempotency_keys.delete_expired(clock()) >= 0
        assert (await analyze(user, "k", file_key, snr_threshold=12))[1]["job_id"] == job_id


@pytest.mark.parametrize("wrong", ["", "x" * 256, "tab\tinside", "é"])
async def test_malformed_keys_are_refused(user: Account, wrong: str) -> None:
    file_key = await user.upload()
    assert code(await analyze(user, wrong, file_key)) == (400, "invalid_idempotency_key")
    assert (await user.ask("GET", "/jobs")) == (200, [])


@pytest.mark.parametrize("right", ["x" * 255, "!", '{"$ne": 1}', "a/b.c$d~"])
async def test_any_printable_key_is_accepted(user: Account, right: str) -> None:
    file_key = await user.upload()
    assert await analyze(user, right, file_key) == await analyze(user, right, file_key)


async def test_a_refused_request_can_be_retried(user: Account) -> None:
    file_key = await user.upload()
    running = [await user.start(file_key) for _ in range(5)]
    assert code(await analyze(user, "k", file_key)) == (429, "too_many_concurrent_jobs")
    await user.gateway.worker_events.handle(classified(user.gateway, running[0]))
    assert (await analyze(user, "k", file_key))[0] == 202
    missing = f"uploads/{user.user_id}/00000000-0000-0000-0000-000000000000/x.fil"
    assert code(await analyze(user, "other", missing)) == (404, "file_not_found")
    assert code(await analyze(user, "other", file_key)) == (429, "too_many_concurrent_jobs")


async def test_an_interrupted_start_is_completed_by_a_retry(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    file_key, jobs = await user.upload(), user.gateway.store.jobs

    async def away(*_args: Any, **_more: Any) -> bool:
        raise TransientError("The job store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "insert", away)
        assert code(await analyze(user, "k", file_key)) == (503, "temporarily_unavailable")
    assert await used(user) == (1, 1)
    answers = await asyncio.gather(*(analyze(user, "k", file_key) for _ in range(5)))
    assert {status for status, _ in answers} == {202}
    assert await used(user) == (1, 1)


async def test_a_repeat_that_arrives_after_the_job_is_deleted_counts_nothing(
    user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_key, quotas = await user.upload(), user.gateway.store.quotas
    take = quotas.take

    async def after_the_first(*args: Any, **more: Any) -> Any:
        """Start and delete the whole job after the repeat has found no job and before it takes a slot."""
        monkeypatch.setattr(quotas, "take", take)
        _, body = await analyze(user, "k", file_key)
        await user.gateway.worker_events.handle(classified(user.gateway, body["job_id"]))
        assert await used(user) == (1, 0)
        return await take(*args, **{**more, "now_ms": user.gateway.clock() + 1})

    monkeypatch.setattr(quotas, "take", after_the_first)
    status, body = await analyze(user, "k", file_key)
    assert status == 202
    assert await used(user) == (1, 0)
    assert [job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]] == [body["job_id"]]


def test_the_digest_covers_the_parsed_request() -> None:
    assert RequestKey("u", "k", "d").document_id != RequestKey("u2", "k", "d").document_id
    assert RequestKey("u", "k", "d").document_id == RequestKey("u", "k", "other").document_id
