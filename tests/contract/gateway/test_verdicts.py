"""Verdicts on hits and events: given, changed, taken back, listed, bounded, and removed with their job."""

import asyncio
import uuid
from typing import Any

import pytest

from services.gateway.api.routes.verdicts import LISTS_AT_ONCE
from services.gateway.jobs.verdict import GivenVerdict
from shared.verdicts import MAX_NOTE, MAX_VERDICTS
from tests.contract.gateway.cadences import SUMMARY as CADENCE_SUMMARY
from tests.contract.gateway.cadences import files, finish_cadence, start_cadence
from tests.contract.gateway.parts import SUMMARY, Account, Gateway, account, classified, code


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def complete_job(user: Account) -> str:
    job_id = await user.analyze()
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))
    return job_id


async def give(user: Account, path: str, verdict: str, note: str | None = None) -> dict[str, Any]:
    status, body = await user.ask("PUT", path, {"verdict": verdict, **({} if note is None else {"note": note})})
    assert status == 200, body
    return dict(body)


async def test_a_verdict_is_given_changed_and_taken_back(user: Account) -> None:
    job_id = await complete_job(user)
    path = f"/jobs/{job_id}/verdicts"
    assert await user.ask("GET", path) == (200, {"verdicts": []})
    given = await give(user, f"{path}/17", "rfi", "Größe < 5 σ; =1+1")
    assert given == {"hit": 17, "verdict": "rfi", "note": "Größe < 5 σ; =1+1", "changed_at": given["changed_at"]}
    first = await give(user, f"{path}/3", "candidate")
    assert await user.ask("GET", path) == (200, {"verdicts": [first, given]})
    changed = await give(user, f"{path}/17", "instrument")
    assert (changed["verdict"], changed["note"]) == ("instrument", "")
    for _ in range(2):
        assert await user.ask("DELETE", f"{path}/17") == (200, {"message": "Verdict deleted"})
    assert await user.ask("GET", path) == (200, {"verdicts": [first]})


async def test_the_same_verdict_again_changes_nothing(user: Account) -> None:
    path = f"/jobs/{await complete_job(user)}/verdicts/5"
    given = await give(user, path, "unsure", "Look again.")
    with user.gateway.clock.ahead(100):
        assert await give(user, path, "unsure", "Look again.") == given
        changed = await give(user, path, "unsure")
    assert changed["changed_at"] >= given["changed_at"] + 100


async def test_one_user_reads_two_lists_at_a_time(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, store = await complete_job(user), user.gateway.store.verdicts
    given = await give(user, f"/jobs/{job_id}/verdicts/9", "rfi")
    find, reading, arrived, go_on = store.of_job, 0, asyncio.Event(), asyncio.Event()

    async def slow(user_id: str, of: str) -> Any:
        nonlocal reading
        reading += 1
        if reading == LISTS_AT_ONCE:
            arrived.set()
        await go_on.wait()
        return await find(user_id, of)

    monkeypatch.setattr(store, "of_job", slow)
    asked = [asyncio.create_task(user.ask("GET", f"/jobs/{job_id}/verdicts")) for _ in range(6)]
    await asyncio.wait_for(arrived.wait(), 30)
    # The others have come as far as they may by now: this was asked for last.
    assert (await user.ask("GET", f"/jobs/{job_id}"))[0] == 200
    assert reading == LISTS_AT_ONCE
    go_on.set()
    assert await asyncio.gather(*asked) == [(200, {"verdicts": [given]})] * 6


async def test_requests_at_once_leave_one_verdict(user: Account) -> None:
    job_id = await complete_job(user)
    kinds = ("candidate", "rfi", "instrument", "unsure") * 3
    await asyncio.gather(*(give(user, f"/jobs/{job_id}/verdicts/9", kind) for kind in kinds))
    _, body = await user.ask("GET", f"/jobs/{job_id}/verdicts")
    assert [one["hit"] for one in body["verdicts"]] == [9]


async def test_only_hits_that_the_job_has_get_a_verdict(user: Account) -> None:
    job_id, waiting = await complete_job(user), await user.analyze()
    await give(user, f"/jobs/{job_id}/verdicts/{SUMMARY.raw_hits - 1}", "rfi")
    for number in (str(SUMMARY.raw_hits), "-1", "1e3", "٣", "9" * 4000, "x"):
        for method in ("PUT", "DELETE"):
            body = {"verdict": "rfi"} if method == "PUT" else None
            answer = await user.ask(method, f"/jobs/{job_id}/verdicts/{number}", body)
            assert code(answer) == (404, "hit_not_found")
            assert f"0 to {SUMMARY.raw_hits - 1}" in answer[1]["error"]["message"]
    answer = await user.ask("PUT", f"/jobs/{waiting}/verdicts/0", {"verdict": "rfi"})
    assert code(answer) == (404, "hit_not_found")
    assert "none yet" in answer[1]["error"]["message"]
    assert code(await user.ask("GET", f"/jobs/{uuid.uuid4()}/verdicts")) == (404, "job_not_found")


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "alien"},
        {"verdict": None},
        {"verdict": "rfi", "note": "x" * (MAX_NOTE + 1)},
        {"verdict": "rfi", "note": "two\nlines"},
        {"verdict": "rfi", "note": None},
    ],
)
async def test_wrong_verdicts_and_notes_are_refused(alice: Account, fields: dict[str, Any]) -> None:
    assert code(await alice.ask("PUT", "/jobs/x/verdicts/0", fields)) == (400, "invalid_field")


async def test_a_note_may_have_a_thousand_characters(user: Account) -> None:
    note = "é" * MAX_NOTE
    given = await give(user, f"/jobs/{await complete_job(user)}/verdicts/0", "unsure", note)
    assert given["note"] == note


async def test_a_job_has_at_most_ten_thousand_verdicts(user: Account) -> None:
    job_id = await complete_job(user)
    fields = {"user_id": user.user_id, "kind": "job", "job_id": job_id, "verdict": "rfi", "note": "", "changed_ms": 1}
    await user.gateway.store.database["verdicts"].insert_many(
        {"_id": f"{job_id}-{number}", "number": number, **fields} for number in range(100, 100 + MAX_VERDICTS)
    )
    refused = await user.ask("PUT", f"/jobs/{job_id}/verdicts/5", {"verdict": "rfi"})
    assert code(refused) == (409, "too_many_verdicts")
    assert (await give(user, f"/jobs/{job_id}/verdicts/100", "unsure"))["verdict"] == "unsure"
    await user.ask("DELETE", f"/jobs/{job_id}/verdicts/101")
    await give(user, f"/jobs/{job_id}/verdicts/5", "rfi")


async def test_events_of_a_cadence_count_from_one(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 2))
    path = f"/cadences/{cadence_id}/verdicts"
    assert code(await user.ask("PUT", f"{path}/1", {"verdict": "rfi"})) == (404, "event_not_found")
    await finish_cadence(user, cadence_id)
    given = await give(user, f"{path}/{CADENCE_SUMMARY.events}", "candidate", "n")
    assert set(given) == {"event", "verdict", "note", "changed_at"}
    assert await user.ask("GET", path) == (200, {"verdicts": [given]})
    for number in (0, CADENCE_SUMMARY.events + 1):
        answer = await user.ask("PUT", f"{path}/{number}", {"verdict": "rfi"})
        assert code(answer) == (404, "event_not_found")
        assert "1 to 2" in answer[1]["error"]["message"]
    assert await user.ask("DELETE", f"{path}/{given['event']}") == (200, {"message": "Verdict deleted"})
    assert await user.ask("GET", path) == (200, {"verdicts": []})
    assert code(await user.ask("GET", f"/jobs/{cadence_id}/verdicts")) == (404, "job_not_found")


async def test_verdicts_are_listed_in_pages_last_changed_first(user: Account) -> None:
    first, second = await complete_job(user), await complete_job(user)
    given = []
    for at, (job_id, number) in enumerate([(first, 1), (second, 2), (first, 12), (second, 0), (first, 3)]):
        with user.gateway.clock.ahead(10 * at):
            await give(user, f"/jobs/{job_id}/verdicts/{number}", "rfi")
        given.append((job_id, number))
    listed, path = [], "/verdicts?limit=2"
    while path:
        status, body, headers = await user.answer("GET", path)
        assert status == 200
        listed += body["verdicts"]
        path = headers["Link"].split(">")[0][1:] if "Link" in headers else ""
        assert ("X-Next-Cursor" in headers) == bool(path)
    assert [(one["id"], one["number"]) for one in listed] == given[::-1]
    assert {one["kind"] for one in listed} == {"job"}
    assert code(await user.ask("GET", "/verdicts?cursor=x")) == (400, "invalid_cursor")
    assert code(await user.ask("GET", "/verdicts?status=complete")) == (400, "unknown_parameter")


async def test_verdicts_of_one_user_are_not_anothers(user: Account, alice: Account) -> None:
    job_id = await complete_job(user)
    await give(user, f"/jobs/{job_id}/verdicts/0", "candidate")
    for method, path in [("GET", ""), ("PUT", "/0"), ("DELETE", "/0")]:
        body = {"verdict": "rfi"} if method == "PUT" else None
        assert code(await alice.ask(method, f"/jobs/{job_id}/verdicts{path}", body)) == (403, "job_of_another_user")
    _, body = await alice.ask("GET", "/verdicts")
    assert job_id not in {one["id"] for one in body["verdicts"]}


async def test_verdicts_go_with_their_job(user: Account) -> None:
    gateway, job_id, other = user.gateway, await complete_job(user), await complete_job(user)
    for one in (job_id, other):
        await give(user, f"/jobs/{one}/verdicts/0", "candidate")
    await user.ask("DELETE", f"/jobs/{job_id}")
    _, body = await user.ask("GET", "/verdicts")
    assert [one["id"] for one in body["verdicts"]] == [other]
    # A request that was under way when the job was removed stores its verdict afterwards.
    await gateway.store.verdicts.put(GivenVerdict(user.user_id, "job", job_id, 7, "rfi", "", gateway.clock()))
    with gateway.clock.ahead(2 * 86_400):
        await gateway.sweeper.sweep()
    assert await gateway.store.verdicts.of_job(user.user_id, job_id) == []
