"""Cadences that are requested twice, deleted, followed by a stream, or beyond the history."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway.jobs.cadence import new_job_id
from shared.events import JobProgress
from shared.object_keys import artefact_key, job_prefix, measured_key
from tests.contract.gateway.cadences import (
    cadence_classified,
    cadence_exported,
    cadence_of,
    files,
    finish_cadence,
    finish_jobs,
    quota,
    ready_events,
    scan_jobs,
    start_cadence,
)
from tests.contract.gateway.document import check_answer, events_of
from tests.contract.gateway.parts import Account, Gateway, account, classified, code


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def ask_with_key(user: Account, body: Any, key: str = "k") -> tuple[int, Any]:
    status, content, _ = await user.answer("POST", "/cadences", body, Idempotency_Key=key)
    return status, content


async def test_repeats_of_a_request_start_one_cadence(user: Account) -> None:
    body = {"scans": await files(user, 3)}
    answers = await asyncio.gather(*(ask_with_key(user, body) for _ in range(10)))
    assert {status for status, _ in answers} == {202}
    (cadence_id,) = {content["cadence_id"] for _, content in answers}
    found = await quota(user)
    assert (found["used"], set(found["active"]), found["files"]) == (3, {cadence_id}, {cadence_id: 3})
    assert {job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]} == {
        new_job_id(cadence_id, index) for index in range(3)
    }
    assert code(await ask_with_key(user, {**body, "name": "n"})) == (409, "idempotency_key_reused")
    # The answer stays the same when the cadence and its files are gone.
    await user.ask("DELETE", f"/cadences/{cadence_id}")
    assert (await ask_with_key(user, body))[1]["cadence_id"] == cadence_id
    assert (await quota(user))["used"] == 3


async def test_a_key_of_another_kind_of_request_is_refused(user: Account) -> None:
    scans = await files(user, 2)
    await user.answer("POST", "/analyze", {"file_key": scans[0]["file_key"]}, Idempotency_Key="k")
    assert code(await ask_with_key(user, {"scans": scans})) == (409, "idempotency_key_reused")
    bad = await user.answer("POST", "/cadences", {"scans": scans}, Idempotency_Key="é")
    assert code(bad[:2]) == (400, "invalid_idempotency_key")


async def test_a_complete_cadence_is_deleted_with_its_objects_and_its_jobs_stay(user: Account) -> None:
    gateway, cadence_id = user.gateway, await start_cadence(user, await files(user, 2))
    jobs = await scan_jobs(user, cadence_id)
    await finish_cadence(user, cadence_id)
    await gateway.storage.results.put(measured_key(cadence_id, 0), b"measured")
    answer = await user.ask("DELETE", f"/cadences/{cadence_id}")
    assert answer == (200, {"message": "Cadence deleted", "cadence_id": cadence_id})
    assert await gateway.storage.results.list_keys(job_prefix(cadence_id)) == []
    for method, path in [("GET", ""), ("GET", "/download"), ("DELETE", "")]:
        assert code(await user.ask(method, f"/cadences/{cadence_id}{path}")) == (404, "cadence_not_found")
    assert {job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]} == set(jobs)
    document = await gateway.store.database["jobs"].find_one({"_id": cadence_id})
    assert not {"results", "artefacts", "name", "scans", "event", "scan_jobs", "starts"} & set(document)


async def test_an_open_cadence_is_deleted_with_the_jobs_that_it_started_and_that_are_open(user: Account) -> None:
    gateway, there = user.gateway, await user.analyze()
    cadence_id = await start_cadence(user, [*await files(user, 3), {"job_id": there}])
    ended, *open_ones = (await scan_jobs(user, cadence_id))[:3]
    await finish_jobs(user, [ended])
    for job_id in open_ones:
        await gateway.storage.results.put(artefact_key(job_id, "plan.json"), b"{}")
    assert (await user.ask("DELETE", f"/cadences/{cadence_id}"))[0] == 200
    assert {job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]} == {ended, there}
    assert set((await quota(user))["active"]) == {there}
    for job_id in open_ones:
        assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    # Events on their way change nothing.
    await finish_jobs(user, open_ones)
    assert code(await user.ask("GET", f"/jobs/{open_ones[0]}")) == (404, "job_not_found")
    assert ready_events(gateway, cadence_id) == []


async def test_late_events_of_a_deleted_cadence_leave_nothing(user: Account) -> None:
    gateway, cadence_id = user.gateway, await start_cadence(user, await files(user, 2))
    await finish_jobs(user, await scan_jobs(user, cadence_id))
    (ready,) = ready_events(gateway, cadence_id)
    await user.ask("DELETE", f"/cadences/{cadence_id}")
    for event in (cadence_classified(ready), await cadence_exported(gateway, cadence_id)):
        await gateway.storage.results.put(artefact_key(cadence_id, "cadence.json"), b"{}")
        await gateway.worker_events.handle(event)
        assert await gateway.storage.results.list_keys(job_prefix(cadence_id)) == []
    assert (await user.ask("GET", "/cadences"))[1] == []
    assert (await quota(user))["active"] == {}


async def test_an_expired_cadence_is_removed(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 2))
    await finish_cadence(user, cadence_id)
    with user.gateway.clock.ahead(181 * 86_400):
        await user.gateway.sweeper.remove_expired()
        await user.gateway.sweeper.purge_removed()
    assert (await user.ask("GET", "/cadences"))[1] == []
    assert await user.gateway.storage.results.list_keys(job_prefix(cadence_id)) == []


KEPT = 4


@pytest.fixture
def short_history(gateway: Gateway) -> Iterator[None]:
    tiers = gateway.settings.tiers
    before = tiers["institution"]
    tiers["institution"] = before.model_copy(update={"history_jobs": KEPT, "concurrent_jobs": 100})
    yield
    tiers["institution"] = before


@pytest.mark.usefixtures("short_history")
async def test_a_history_keeps_the_jobs_of_an_open_cadence(user: Account) -> None:
    first, second, third = [await user.analyze() for _ in range(3)]
    await finish_jobs(user, [first, second, third])
    cadence_id = await start_cadence(user, [{"job_id": first}, {"job_id": second}, *await files(user, 1)])
    others = []
    for _ in range(4):
        others.append(await user.analyze())
        await finish_jobs(user, others[-1:])
    new = new_job_id(cadence_id, 0)
    listed = {job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]}
    # The cadence holds three of the four jobs that are kept.
    assert listed == {first, second, new, others[-1]}
    await finish_cadence(user, cadence_id)
    await finish_jobs(user, [await user.analyze()])
    listed = {job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]}
    assert (first in listed, len(listed)) == (False, KEPT)
    assert (await quota(user))["kept"] == KEPT


@pytest.mark.usefixtures("short_history")
async def test_a_user_has_as_many_cadences_as_jobs(user: Account) -> None:
    jobs = [await user.analyze(), await user.analyze()]
    await finish_jobs(user, jobs)
    made = []
    for _ in range(KEPT + 2):
        made.append(await start_cadence(user, [{"job_id": job_id} for job_id in jobs]))
        await finish_cadence(user, made[-1])
    listed = [one["cadence_id"] for one in (await user.ask("GET", "/cadences"))[1]]
    assert listed == made[: -KEPT - 1 : -1]
    assert len((await user.ask("GET", "/jobs"))[1]) == 2


async def stream_of(user: Account, path: str, **headers: str) -> tuple[int, str]:
    given = {"x-api-key": user.api_key, **headers}
    async with user.gateway.client.get(path, headers=given) as response:
        text = await response.text()
        check_answer("GET", path, response.status, response.headers, text)
        return response.status, text


async def test_a_stream_shows_a_cadence_until_its_exports_are_ready(user: Account) -> None:
    gateway, cadence_id = user.gateway, await start_cadence(user, await files(user, 2))
    path = f"/cadences/{cadence_id}/events"
    streaming = asyncio.create_task(stream_of(user, path))
    jobs = await scan_jobs(user, cadence_id)
    await gateway.worker_events.handle(classified(gateway, jobs[0]))
    await gateway.worker_events.handle(classified(gateway, jobs[1]))
    (ready,) = ready_events(gateway, cadence_id)
    moved = JobProgress.make(job_id=cadence_id, producer="t", stage="dedoppler", done=1, total=2)
    for event in (moved, cadence_classified(ready), await cadence_exported(gateway, cadence_id)):
        await gateway.worker_events.handle(event)
    status, text = await streaming
    events = events_of(text)
    assert (status, {event["event"] for event in events}) == (200, {"cadence"})
    assert json.loads(events[-1]["data"]) == await cadence_of(user, cadence_id)
    assert (await stream_of(user, path, **{"Last-Event-ID": events[-1]["id"]}))[0] == 204


async def test_a_stream_ends_with_a_cadence_that_fails(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 2))
    for job_id in await scan_jobs(user, cadence_id):
        await user.ask("DELETE", f"/jobs/{job_id}")
    (event,) = events_of((await stream_of(user, f"/cadences/{cadence_id}/events"))[1])
    shown = json.loads(event["data"])
    assert (shown["status"], shown["error_detail"]["code"]) == ("failed", "too_few_scans")
    assert [scan["status"] for scan in shown["scans"]] == ["deleted", "deleted"]
