"""Requests that start no cadence: each is refused with a sentence that names the scans, and nothing stays counted."""

import uuid
from typing import Any

import pytest

from services.gateway.settings import MEBIBYTE
from tests.contract.gateway.cadences import cadence_of, failed, files, finish_jobs, quota, scan_jobs, start_cadence
from tests.contract.gateway.parts import Account, Gateway, account, code


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def refusal(user: Account, body: Any, expected: tuple[int, str]) -> str:
    """Return the sentence of a refusal, after which nothing has started."""
    before = await user.gateway.store.database["jobs"].count_documents({"user_id": user.user_id})
    answer = await user.ask("POST", "/cadences", body)
    assert code(answer) == expected
    assert await user.gateway.store.database["jobs"].count_documents({"user_id": user.user_id}) == before
    return str(answer[1]["error"]["message"])


@pytest.mark.parametrize(
    ("body", "expected", "part"),
    [
        ({}, "missing_field", "'scans'"),
        ({"scans": []}, "invalid_field", "at least 2"),
        ({"scans": [{"file_key": "k"}]}, "invalid_field", "at least 2"),
        ({"scans": [{"file_key": str(number)} for number in range(65)]}, "invalid_field", "at most 64"),
        ({"scans": [{"file_key": "k"}, {}]}, "invalid_field", "'scans.1' is not valid: a scan has either"),
        ({"scans": [{"file_key": "k", "job_id": "j"}, {"job_id": "i"}]}, "invalid_field", "'scans.0'"),
        ({"scans": [{"file_key": "k"}, {"job_id": "j", "filename": "a.fil"}]}, "invalid_field", "has no filename"),
        ({"scans": [{"file_key": "k"}, {"job_id": "j", "role": "ON"}]}, "invalid_field", "'scans.1.role'"),
        ({"scans": [{"file_key": "k"}, {"job_id": "j", "snr": 1}]}, "unknown_field", "'scans.1.snr'"),
        ({"scans": [{"file_key": "k"}, {"job_id": "j"}], "name": "a\u2028b"}, "invalid_field", "'name'"),
        ({"scans": [{"file_key": "k"}, {"job_id": "j"}], "parameters": {"x": 1}}, "unknown_field", "'parameters.x'"),
        (
            {"scans": [{"file_key": "k"}, {"job_id": "j"}], "parameters": {"off_snr": 0.5}},
            "invalid_field",
            "'parameters.off_snr'",
        ),
        (
            {"scans": [{"file_key": "k"}, {"job_id": "j"}], "parameters": {"min_on_scans": 3}},
            "invalid_field",
            "present in 3 ON scans, and only 2 of the 2 scans may be ON",
        ),
        (
            {
                "scans": [{"file_key": "k", "role": "on"}, {"job_id": "j", "role": "off"}],
                "parameters": {"min_on_scans": 2},
            },
            "invalid_field",
            "only 1 of the 2 scans may be ON",
        ),
        (
            {"scans": [{"file_key": "k", "role": "off"}, {"job_id": "j", "role": "off"}]},
            "no_on_scan",
            "All scans are OFF",
        ),
    ],
)
async def test_a_malformed_request_is_refused(user: Account, body: Any, expected: str, part: str) -> None:
    assert part in await refusal(user, body, (400, expected))


async def test_one_file_twice_is_refused(user: Account) -> None:
    one, other = await files(user, 2)
    message = await refusal(user, {"scans": [one, other, {**one, "role": "off"}]}, (400, "duplicate_scan"))
    assert message == "Scans 1 and 3 are the same file (scan0.fil): leave one of them out."


async def test_one_job_twice_is_refused(user: Account) -> None:
    job_id, (other,) = await user.analyze(), await files(user, 1)
    message = await refusal(user, {"scans": [other, {"job_id": job_id}, {"job_id": job_id}]}, (400, "duplicate_scan"))
    assert message == "Scans 2 and 3 are the same job (Voyager1.fil): leave one of them out."


async def test_a_job_and_its_file_are_one_scan(user: Account) -> None:
    key = await user.upload()
    first, second = await user.start(key), await user.start(key)
    for scans in ([{"job_id": first}, {"file_key": key}], [{"job_id": first}, {"job_id": second}]):
        message = await refusal(user, {"scans": scans}, (400, "duplicate_scan"))
        assert message.startswith("Scans 1 and 2 are the same file")


async def test_files_and_jobs_that_are_not_there_are_refused(user: Account) -> None:
    other = await account(user.gateway)
    (mine,) = await files(user, 1)
    theirs, their_job = await other.upload(), await other.analyze()
    cadence_id = await start_cadence(user, await files(user, 2))
    for scan, expected in [
        ({"file_key": "uploads/none"}, (404, "file_not_found")),
        ({"file_key": theirs}, (404, "file_not_found")),
        ({"job_id": str(uuid.uuid4())}, (404, "job_not_found")),
        ({"job_id": "$ne"}, (404, "job_not_found")),
        ({"job_id": cadence_id}, (404, "job_not_found")),
        ({"job_id": their_job}, (403, "job_of_another_user")),
    ]:
        assert (await refusal(user, {"scans": [mine, scan]}, expected)).startswith("Scan 2: ")


async def test_a_deleted_job_and_a_failed_job_are_refused(user: Account) -> None:
    (mine,), deleted, broken = await files(user, 1), await user.analyze(), await user.analyze()
    await user.ask("DELETE", f"/jobs/{deleted}")
    await refusal(user, {"scans": [mine, {"job_id": deleted}]}, (404, "job_not_found"))
    await user.gateway.worker_events.handle(failed(broken))
    message = await refusal(user, {"scans": [{"job_id": broken}, mine]}, (409, "scan_failed"))
    assert message == "Scan 1: Its job has failed, so leave it out or upload the file again. The file is empty."


async def test_a_file_that_is_too_large_is_refused_and_deleted(gateway: Gateway) -> None:
    user = await account(gateway, "institution")
    scans, tiers = await files(user, 2), gateway.settings.tiers
    before = tiers["institution"]
    large = await user.upload(bytes(MEBIBYTE + 1))
    tiers["institution"] = before.model_copy(update={"max_file_mb": 1})
    try:
        message = await refusal(user, {"scans": [*scans, {"file_key": large}]}, (413, "file_too_large"))
    finally:
        tiers["institution"] = before
    assert message == "Scan 3: The file exceeds your tier's limit of 1 MB."
    assert await gateway.storage.uploads.size(large) is None


async def test_the_month_has_room_for_all_files_of_a_cadence_or_for_none(gateway: Gateway) -> None:
    # The tier allows 10 jobs a month, 5 at a time, and 8 open uploads.
    user = await account(gateway, "free")
    for _ in range(2):
        await finish_jobs(user, await scan_jobs(user, await start_cadence(user, await files(user, 4))))
    before = await quota(user)
    assert (before["used"], len(before["active"])) == (8, 2)
    scans = await files(user, 3)
    answer = await user.ask("POST", "/cadences", {"scans": scans})
    assert code(answer) == (429, "monthly_limit_reached")
    assert answer[1]["error"]["message"] == (
        "The cadence has 3 new files, more than are left of your tier's 10 jobs of this month; the next month begins "
        "at 00:00 UTC of its first day."
    )
    assert await quota(user) == before
    two = await start_cadence(user, scans[:2])
    assert (await quota(user))["used"] == 10
    # Jobs that are there cost nothing.
    free = await start_cadence(user, [{"job_id": job_id} for job_id in await scan_jobs(user, two)])
    assert ((await quota(user))["used"], len((await quota(user))["active"])) == (10, 4)
    assert (await cadence_of(user, free))["status"] == "submitted"


async def test_a_cadence_needs_a_place(gateway: Gateway) -> None:
    user = await account(gateway, "free")
    jobs = [await user.analyze() for _ in range(4)]
    cadence_id = await start_cadence(user, await files(user, 3))
    scans = await files(user, 2)
    assert code(await user.ask("POST", "/cadences", {"scans": scans})) == (429, "too_many_concurrent_jobs")
    of_jobs = [{"job_id": job_id} for job_id in jobs]
    assert code(await user.ask("POST", "/cadences", {"scans": of_jobs})) == (429, "too_many_concurrent_jobs")
    analyze = {"file_key": scans[0]["file_key"]}
    assert code(await user.ask("POST", "/analyze", analyze)) == (429, "too_many_concurrent_jobs")
    assert (await user.ask("DELETE", f"/cadences/{cadence_id}"))[0] == 200
    await start_cadence(user, scans)
