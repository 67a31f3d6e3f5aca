"""Cadences from POST to their files."""

import uuid
from typing import Any

import pytest

from services.gateway.jobs.cadence import new_job_id
from shared.events import JobProgress, JobReopened, ObservationSubmitted
from shared.formats import CADENCE_FORMATS
from tests.contract.gateway.cadences import (
    cadence_classified,
    cadence_exported,
    cadence_of,
    failed,
    files,
    finish_cadence,
    finish_jobs,
    quota,
    ready_events,
    scan_jobs,
    start_cadence,
)
from tests.contract.gateway.parts import Account, Gateway, account, classified, code


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


def progress(job_id: str, stage: Any, done: int, total: int) -> JobProgress:
    return JobProgress.make(job_id=job_id, producer="t", step=f"{stage}{done}", stage=stage, done=done, total=total)


async def test_a_cadence_starts_a_job_for_each_file(user: Account) -> None:
    scans = await files(user, 3)
    cadence_id = await start_cadence(
        user, scans, name="HIP 39826", parameters={"min_on_scans": 2, "snr_threshold": 12, "max_drift_rate_hz_s": 2}
    )
    shown = await cadence_of(user, cadence_id)
    jobs = [new_job_id(cadence_id, index) for index in range(3)]
    assert shown == {
        "cadence_id": cadence_id,
        "status": "submitted",
        "name": "HIP 39826",
        "created_at": shown["created_at"],
        "exports_ready": False,
        "parameters": {
            "min_on_scans": 2,
            "max_drift_change_hz_s2": 1e-4,
            "off_snr": 3.5,
            "snr_threshold": 12.0,
            "max_drift_rate_hz_s": 2.0,
            "ifs": "first",
            "chirps": False,
        },
        "progress": {"stage": "scans", "done": 0, "total": 3},
        "scans": [
            {
                "job_id": job_id,
                "status": "submitted",
                "source_name": f"scan{number}.fil",
                "filename": f"scan{number}.fil",
                "role": ("on", "off")[number % 2],
            }
            for number, job_id in enumerate(jobs)
        ],
        "expires_at": shown["created_at"] + 180 * 86_400,
    }
    listed = (await user.ask("GET", "/jobs"))[1]
    assert {job["job_id"] for job in listed} == set(jobs)
    assert {job["cadence_id"] for job in listed} == {cadence_id}
    assert all(job["parameters"] == {"snr_threshold": 12.0, "max_drift_rate_hz_s": 2.0} for job in listed)
    events = [event for event in user.gateway.bus.events if event.job_id in jobs]
    assert [type(event) for event in events] == [ObservationSubmitted] * 3
    assert {event.upload.file_key for event in events} == {scan["file_key"] for scan in scans}
    assert (await user.ask("GET", "/cadences"))[1] == [shown]


async def test_a_cadence_from_its_jobs_to_its_files(user: Account) -> None:
    gateway = user.gateway
    cadence_id = await start_cadence(user, await files(user, 3))
    jobs = await scan_jobs(user, cadence_id)
    await finish_jobs(user, jobs[:2])
    shown = await cadence_of(user, cadence_id)
    assert (shown["status"], shown["progress"]) == ("processing", {"stage": "scans", "done": 2, "total": 3})
    assert ready_events(gateway, cadence_id) == []
    await gateway.worker_events.handle(failed(jobs[2]))
    (ready,) = ready_events(gateway, cadence_id)
    assert [(scan.job_id, scan.role, scan.results_key, scan.failure) for scan in ready.scans] == [
        (jobs[0], "on", f"jobs/{jobs[0]}/results.json", None),
        (jobs[1], "off", f"jobs/{jobs[1]}/results.json", None),
        (jobs[2], "on", None, "The file is empty."),
    ]
    assert ready.name == "scan0.fil"
    shown = await cadence_of(user, cadence_id)
    assert "progress" not in shown
    assert shown["scans"][2]["error"] == "The file is empty."
    assert shown["scans"][2]["error_code"] == "bad_observation"
    await gateway.worker_events.handle(progress(cadence_id, "dedoppler", 3, 9))
    assert (await cadence_of(user, cadence_id))["progress"] == {"stage": "dedoppler", "done": 3, "total": 9}
    assert code(await user.ask("GET", f"/cadences/{cadence_id}/download")) == (404, "format_not_available")
    await gateway.worker_events.handle(cadence_classified(ready))
    shown = await cadence_of(user, cadence_id)
    assert (shown["status"], shown["exports_ready"], shown["results"]["events"]) == ("complete", False, 2)
    assert [scan["job_id"] for scan in shown["scans"]] == jobs[::-1]
    assert (await user.ask("GET", f"/cadences/{cadence_id}/download"))[0] == 200
    await gateway.worker_events.handle(await cadence_exported(gateway, cadence_id))
    assert (await cadence_of(user, cadence_id))["exports_ready"] is True
    assert (await quota(user))["active"] == {}


async def test_each_file_is_downloaded(user: Account) -> None:
    gateway, cadence_id = user.gateway, await start_cadence(user, await files(user, 2))
    await finish_cadence(user, cadence_id)
    for name in (*CADENCE_FORMATS, "event_0001", "event_0002"):
        path, headers = f"/cadences/{cadence_id}/download?format={name}", {"x-api-key": user.api_key}
        async with gateway.client.get(path, headers=headers) as response:
            assert response.status == 200
            if name == "csv":
                assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
                assert await response.text() == f"csv of {cadence_id}\n"
                continue
            answer = await response.json()
        async with gateway.anybody.get(answer["download_url"]) as response:
            assert await response.text() == f"{name} of {cadence_id}\n"
            assert answer["filename"] in response.headers["Content-Disposition"]
    _, listed = await user.ask("GET", f"/cadences/{cadence_id}/downloads")
    sizes = {one["format"]: one["size"] for one in listed["files"]}
    assert sizes["event_0002"] == len(f"event_0002 of {cadence_id}\n")
    assert set(sizes) >= {*CADENCE_FORMATS, "event_0001"}
    missing = await user.ask("GET", f"/cadences/{cadence_id}/download?format=event_0007")
    assert code(missing) == (404, "format_not_available")
    for unknown in ("waterfall", "event_1", "event_00001", "event_"):
        answer = await user.ask("GET", f"/cadences/{cadence_id}/download?format={unknown}")
        assert code(answer) == (400, "invalid_format")


async def test_jobs_that_are_there_become_scans(user: Account) -> None:
    done, running = await user.analyze(source_name="Voyager"), await user.analyze()
    await user.gateway.worker_events.handle(classified(user.gateway, done))
    before = await quota(user)
    cadence_id = await start_cadence(user, [{"job_id": done}, {"job_id": running}])
    after = await quota(user)
    assert after["used"] == before["used"]
    assert set(after["active"]) == {running, cadence_id}
    shown = await cadence_of(user, cadence_id)
    assert [(scan["job_id"], scan["status"], "role" in scan) for scan in shown["scans"]] == [
        (done, "complete", False),
        (running, "submitted", False),
    ]
    assert shown["name"] == "Voyager"
    assert shown["status"] == "processing"
    await finish_cadence(user, cadence_id)
    assert [scan["role"] for scan in (await cadence_of(user, cadence_id))["scans"]] == ["off", "on"]
    assert "cadence_id" not in (await user.ask("GET", f"/jobs/{done}"))[1]


async def test_a_cadence_of_ended_jobs_is_ready_at_once(user: Account) -> None:
    jobs = [await user.analyze(), await user.analyze()]
    await finish_jobs(user, jobs)
    cadence_id = await start_cadence(user, [{"job_id": job_id} for job_id in jobs])
    assert len(ready_events(user.gateway, cadence_id)) == 1
    assert (await cadence_of(user, cadence_id))["status"] == "processing"


async def test_one_job_in_several_cadences(user: Account) -> None:
    shared, first, second = [await user.analyze() for _ in range(3)]
    one = await start_cadence(user, [{"job_id": shared}, {"job_id": first}])
    other = await start_cadence(user, [{"job_id": shared}, {"job_id": second}])
    await finish_jobs(user, [first, second])
    assert not ready_events(user.gateway, one) + ready_events(user.gateway, other)
    await finish_jobs(user, [shared])
    assert len(ready_events(user.gateway, one)) == len(ready_events(user.gateway, other)) == 1


async def test_a_cadence_takes_one_place_and_counts_each_new_file(user: Account) -> None:
    old = await user.analyze()
    before = await quota(user)
    cadence_id = await start_cadence(user, [*await files(user, 4), {"job_id": old}])
    after = await quota(user)
    assert after["used"] == before["used"] + 4
    assert set(after["active"]) == {old, cadence_id}
    assert (await user.ask("GET", "/usage"))[1]["usage_this_month"] == after["used"]
    await finish_cadence(user, cadence_id)
    assert ((await quota(user))["active"], (await quota(user))["used"]) == ({}, after["used"])


async def test_a_scan_that_fails_and_is_reopened_is_waited_for_again(user: Account) -> None:
    gateway = user.gateway
    cadence_id = await start_cadence(user, await files(user, 3))
    jobs = await scan_jobs(user, cadence_id)
    await gateway.worker_events.handle(failed(jobs[0]))
    reopened = JobReopened.make(job_id=jobs[0], producer="operator", operator="ada", dead_letter="chunk.ready.dlq/0:1")
    with gateway.clock.ahead(60):
        await gateway.worker_events.handle(reopened)
        await finish_jobs(user, jobs[1:])
        assert ready_events(gateway, cadence_id) == []
        # The cadence has a slot for all its jobs.
        assert set((await quota(user))["active"]) == {cadence_id}
        await finish_jobs(user, jobs[:1])
    (ready,) = ready_events(gateway, cadence_id)
    assert [scan.failure for scan in ready.scans] == [None, None, None]


async def test_a_scan_whose_job_is_deleted_counts_as_failed(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 3))
    jobs = await scan_jobs(user, cadence_id)
    await finish_jobs(user, jobs[:2])
    assert (await user.ask("DELETE", f"/jobs/{jobs[2]}"))[0] == 200
    (ready,) = ready_events(user.gateway, cadence_id)
    assert [scan.failure_code for scan in ready.scans] == [None, None, "scan_deleted"]
    assert ready.scans[2].failure == "The job of this scan was deleted."
    shown = await cadence_of(user, cadence_id)
    assert (shown["scans"][2]["status"], shown["scans"][2]["error_code"]) == ("deleted", "scan_deleted")


async def test_a_cadence_without_two_results_fails_and_names_the_scans(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 3))
    jobs = await scan_jobs(user, cadence_id)
    await finish_jobs(user, jobs[:1])
    await user.gateway.worker_events.handle(failed(jobs[1]))
    await user.gateway.worker_events.handle(failed(jobs[2], "Its header has no foff."))
    shown = await cadence_of(user, cadence_id)
    assert (shown["status"], shown["error_detail"]) == ("failed", {"code": "too_few_scans", "stage": "classify"})
    assert shown["error"] == (
        "A cadence needs two scans with results, and 1 of its 3 scans has results. Without results: "
        "scan 2 (scan1.fil): The file is empty. scan 3 (scan2.fil): Its header has no foff."
    )
    assert ready_events(user.gateway, cadence_id) == []
    assert (await quota(user))["active"] == {}
    answer = await user.ask("GET", f"/cadences/{cadence_id}/download")
    assert code(answer) == (404, "format_not_available")


async def test_a_cadence_without_an_on_scan_fails(user: Account) -> None:
    scans = [*await files(user, 1, "on"), *await files(user, 2, "off")]
    cadence_id = await start_cadence(user, scans)
    jobs = await scan_jobs(user, cadence_id)
    await finish_jobs(user, jobs[1:])
    await user.gateway.worker_events.handle(failed(jobs[0]))
    shown = await cadence_of(user, cadence_id)
    assert shown["error"].startswith("A cadence needs an ON scan with results, and no ON scan has them. Without")


async def test_a_cadence_without_roles_may_lose_any_scan(user: Account) -> None:
    scans = [{"file_key": await user.upload()} for _ in range(3)]
    cadence_id = await start_cadence(user, scans)
    jobs = await scan_jobs(user, cadence_id)
    await finish_jobs(user, jobs[1:])
    await user.gateway.worker_events.handle(failed(jobs[0]))
    assert len(ready_events(user.gateway, cadence_id)) == 1


async def test_a_cadence_that_fails_says_why(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 2))
    await finish_jobs(user, await scan_jobs(user, cadence_id))
    await user.gateway.worker_events.handle(failed(cadence_id, "The scans' bands <do> not overlap."))
    shown = await cadence_of(user, cadence_id)
    assert (shown["status"], shown["error"]) == ("failed", "The scans' bands ‹do› not overlap.")
    assert (await quota(user))["active"] == {}


async def test_pages_and_statuses(user: Account) -> None:
    made = [await start_cadence(user, await files(user, 2)) for _ in range(5)]
    await finish_cadence(user, made[0])
    status, first, headers = await user.answer("GET", "/cadences?limit=2")
    assert (status, [one["cadence_id"] for one in first]) == (200, made[:-3:-1])
    assert headers["Link"] == f'</cadences?limit=2&cursor={headers["X-Next-Cursor"]}>; rel="next"'
    _, rest, headers = await user.answer("GET", f"/cadences?limit=3&cursor={headers['X-Next-Cursor']}")
    assert [one["cadence_id"] for one in rest] == made[2::-1]
    assert "Link" not in headers
    assert [one["cadence_id"] for one in (await user.ask("GET", "/cadences?status=complete"))[1]] == made[:1]
    assert (await user.ask("GET", "/cadences?status=failed"))[1] == []
    for query in ("limit=0", "status=x", "cursor=x"):
        assert code(await user.ask("GET", f"/cadences?{query}"))[0] == 400


async def test_jobs_and_cadences_are_not_each_other(user: Account) -> None:
    cadence_id = await start_cadence(user, await files(user, 2))
    job_id = (await scan_jobs(user, cadence_id))[0]
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/download"), ("GET", "/events")]:
        assert code(await user.ask(method, f"/jobs/{cadence_id}{path}")) == (404, "job_not_found")
        assert code(await user.ask(method, f"/cadences/{job_id}{path}")) == (404, "cadence_not_found")
        assert code(await user.ask(method, f"/cadences/{uuid.uuid4()}{path}")) == (404, "cadence_not_found")
    assert len((await user.ask("GET", "/jobs"))[1]) == 2
    listed = (await user.ask("GET", "/jobs?status=submitted"))[1]
    assert cadence_id not in {job["job_id"] for job in listed}


async def test_other_users_see_nothing(user: Account) -> None:
    other, cadence_id = await account(user.gateway), await start_cadence(user, await files(user, 2))
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/download"), ("GET", "/events")]:
        answer = await other.ask(method, f"/cadences/{cadence_id}{path}")
        assert code(answer) == (403, "cadence_of_another_user")
    assert (await other.ask("GET", "/cadences"))[1] == []
    assert (await user.ask("GET", f"/cadences/{cadence_id}"))[0] == 200


async def test_a_cadence_of_64_scans_keeps_its_jobs_beyond_the_history_until_it_ends(gateway: Gateway) -> None:
    # The tier keeps 50 jobs.
    user = await account(gateway)
    kept = gateway.settings.tiers["researcher"].history_jobs
    scans = [{"file_key": await user.upload()} for _ in range(62)]
    scans += [{"job_id": await user.analyze()} for _ in range(2)]
    cadence_id = await start_cadence(user, scans)
    await finish_jobs(user, await scan_jobs(user, cadence_id))
    (ready,) = ready_events(gateway, cadence_id)
    assert [scan.failure for scan in ready.scans] == [None] * 64
    assert len((await user.ask("GET", "/jobs?limit=100"))[1]) == 64
    await gateway.worker_events.handle(cadence_classified(ready))
    assert len((await user.ask("GET", "/jobs?limit=100"))[1]) == kept == 50
    shown = await cadence_of(user, cadence_id)
    assert [scan["status"] for scan in shown["scans"]].count("deleted") == 14
    assert (shown["status"], (await quota(user))["kept"]) == ("complete", kept)
