"""Jobs from submission to artefacts, as users see them."""

import asyncio
import json
import re
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.servers import EmbeddedServers
from services.gateway.settings import MEBIBYTE
from shared.events import (
    OBSERVATION_SUBMITTED,
    JobFailed,
    JobProgress,
    decode,
)
from tests.contract.gateway.parts import (
    FILES,
    HEADER,
    SUMMARY,
    UUID,
    Account,
    Gateway,
    account,
    classified,
    code,
    export,
)


async def test_a_job_starts_with_its_event_on_the_bus(servers: EmbeddedServers, alice: Account) -> None:
    key = await alice.upload(b"12345")
    status, body = await alice.ask(
        "POST",
        "/analyze",
        {"file_key": key, "filename": "Voyager 1.fil", "snr_threshold": 25, "sha256": "ab" * 32},
    )
    job_id = body["job_id"]
    assert re.fullmatch(UUID, job_id)
    assert (status, body) == (
        202,
        {
            "job_id": job_id,
            "status": "submitted",
            "message": "Processing started. Poll GET /jobs/{job_id} for status.",
            "status_url": f"/jobs/{job_id}",
        },
    )
    event = await event_of(servers, job_id)
    assert event == alice.gateway.bus.events[-1]
    assert event.upload.model_dump(exclude={"submitted_at", "etag"}) == {
        "file_key": key,
        "file_name": "Voyager 1.fil",
        "file_size": 5,
        "source_name": "Voyager 1.fil",
        "sha256": "ab" * 32,
    }
    assert event.parameters.snr_threshold == 25.0
    assert event.limits == alice.gateway.settings.tiers["researcher"].job_limits
    status, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert status == 200
    assert job == {
        "job_id": job_id,
        "status": "submitted",
        "source_name": "Voyager 1.fil",
        "filename": "Voyager 1.fil",
        "file_size": 5,
        "created_at": int(event.upload.submitted_at.timestamp()),
        "expires_at": int(event.upload.submitted_at.timestamp()) + 90 * 86_400,
        "exports_ready": False,
        "parameters": {"snr_threshold": 25.0, "max_drift_rate_hz_s": event.parameters.max_drift_rate_hz_s},
    }


async def event_of(servers: EmbeddedServers, job_id: str) -> Any:
    """Return the event of a job, as a worker receives it."""
    consumer = AIOKafkaConsumer(
        OBSERVATION_SUBMITTED, bootstrap_servers=servers.kafka, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            async for record in consumer:
                event = decode(record.value)
                if event.job_id == job_id:
                    assert record.key == job_id.encode()
                    return event
    finally:
        await consumer.stop()


async def test_the_names_default_to_the_files(alice: Account) -> None:
    job_id = await alice.analyze()
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["filename"], job["source_name"]) == ("Voyager1.fil", "Voyager1.fil")


async def test_invalid_submissions_are_refused(alice: Account, bob: Account) -> None:
    key = await alice.upload()
    missing = f"uploads/{alice.user_id}/{uuid.uuid4()}/x.fil"
    assert code(await alice.ask("POST", "/analyze", {})) == (400, "missing_field")
    assert code(await alice.ask("POST", "/analyze", ["x"])) == (400, "invalid_json")
    assert code(await alice.ask("POST", "/analyze", {"file_key": missing})) == (404, "file_not_found")
    assert code(await bob.ask("POST", "/analyze", {"file_key": key})) == (404, "file_not_found")
    sneaky = f"uploads/{bob.user_id}/../{key.removeprefix('uploads/')}"
    assert code(await bob.ask("POST", "/analyze", {"file_key": sneaky})) == (404, "file_not_found")
    answer = await alice.ask("POST", "/analyze", {"file_key": key, "snr_threshold": 0})
    assert code(answer) == (400, "invalid_field")
    assert "snr_threshold" in answer[1]["error"]["message"]


async def test_a_file_too_large_for_the_tier_is_refused_whatever_size_was_declared(gateway: Gateway) -> None:
    tiny = gateway.settings.tiers["free"].model_copy(update={"max_file_mb": 1})
    carol = await account(gateway, "free")
    key = await carol.upload(bytes(MEBIBYTE + 1))
    before = gateway.settings.tiers["free"]
    gateway.settings.tiers["free"] = tiny
    try:
        assert code(await carol.ask("POST", "/analyze", {"file_key": key})) == (413, "file_too_large")
    finally:
        gateway.settings.tiers["free"] = before
    assert await carol.ask("GET", "/jobs") == (200, [])


async def test_a_job_is_accepted_while_the_bus_is_unavailable(alice: Account) -> None:
    bus = alice.gateway.bus
    bus.is_away = True
    try:
        job_id = await alice.analyze()
    finally:
        bus.is_away = False
    assert job_id not in {event.job_id for event in bus.events}
    async with asyncio.timeout(60):
        while job_id not in {event.job_id for event in bus.events}:
            await asyncio.sleep(0.2)
            await alice.gateway.outbox.sweep()


async def test_a_job_from_start_to_end(alice: Account) -> None:
    gateway = alice.gateway
    job_id = await alice.analyze(source_name="Voyager1_trimmed")
    progress = JobProgress.make(job_id=job_id, producer="classify", stage="dedoppler", done=1, total=2)
    await gateway.worker_events.handle(progress)
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["status"], job["progress"]) == ("processing", {"stage": "dedoppler", "done": 1, "total": 2})
    assert "results" not in job
    answer = await alice.ask("GET", f"/jobs/{job_id}/download")
    assert code(answer) == (404, "format_not_available")

    done = classified(gateway, job_id)
    await gateway.worker_events.handle(done)
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["status"], job["exports_ready"]) == ("complete", False)
    assert job["completed_at"] == int(done.occurred_at.timestamp())
    assert job["results"] == json.loads(SUMMARY.model_dump_json())
    assert job["observation"]["first_channel_hz"] == HEADER.fch1_mhz * 1e6
    assert job["observation"]["telescope"] == "GBT"
    assert (await alice.ask("GET", f"/jobs/{job_id}/download"))[0] == 200
    assert code(await alice.ask("GET", f"/jobs/{job_id}/download?format=fits")) == (404, "format_not_available")
    assert await alice.ask("GET", f"/jobs/{job_id}/downloads") == (200, {"files": []})

    await gateway.worker_events.handle(await export(gateway, job_id))
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert job["exports_ready"] is True
    for name in FILES:
        await check_download(alice, job_id, name)
    assert code(await alice.ask("GET", f"/jobs/{job_id}/download?format=exe")) == (400, "invalid_format")
    _, listed = await alice.ask("GET", f"/jobs/{job_id}/downloads")
    assert {one["format"]: one["filename"] for one in listed["files"]} == FILES
    assert [one["size"] for one in listed["files"]] == [len(f"{name} of {job_id}\n") for name in FILES]


async def check_download(user: Account, job_id: str, name: str) -> None:
    """Check that an artefact is downloaded unchanged: by its URL or, for the CSV, in the answer itself."""
    content = f"{name} of {job_id}\n"
    path = f"/jobs/{job_id}/download?format={name}"
    if name == "csv":
        async with user.gateway.client.get(path, headers={"x-api-key": user.api_key}) as response:
            assert response.status == 200
            assert response.content_type == "text/csv"
            assert await response.text() == content
        return
    status, body = await user.ask("GET", path)
    assert status == 200
    url = body.pop("download_url")
    assert body == {"format": name, "filename": FILES[name]}
    async with user.gateway.anybody.get(url) as response:
        assert response.status == 200
        assert await response.text() == content


async def test_a_failed_job_states_its_error(alice: Account) -> None:
    job_id = await alice.analyze()
    sentence = "Voyager1.fil has no HEADER_START; upload a SIGPROC filterbank file."
    failed = JobFailed.make(job_id=job_id, producer="ingest", stage="ingest", code="bad_observation", message=sentence)
    await alice.gateway.worker_events.handle(failed)
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["status"], job["error"]) == ("failed", sentence)
    assert job["error_detail"] == {"code": "bad_observation", "stage": "ingest"}
    answer = await alice.ask("GET", f"/jobs/{job_id}/download?format=json")
    assert code(answer) == (404, "format_not_available")


async def test_jobs_of_other_users_are_not_accessible(alice: Account, bob: Account) -> None:
    job_id = await alice.analyze()
    assert code(await bob.ask("GET", f"/jobs/{job_id}")) == (403, "job_of_another_user")
    assert code(await bob.ask("GET", f"/jobs/{job_id}/download")) == (403, "job_of_another_user")
    assert await bob.ask("GET", "/jobs") == (200, [])


@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "x", "%00", "%24ne", "a" * 2000])
async def test_an_unknown_job_is_not_found(alice: Account, job_id: str) -> None:
    assert code(await alice.ask("GET", f"/jobs/{job_id}")) == (404, "job_not_found")
    assert code(await alice.ask("GET", f"/jobs/{job_id}/download")) == (404, "job_not_found")


async def test_jobs_are_listed_most_recent_first(gateway: Gateway) -> None:
    dora = await account(gateway)
    made = [await dora.analyze() for _ in range(4)]
    status, jobs = await dora.ask("GET", "/jobs")
    assert status == 200
    assert [job["job_id"] for job in jobs] == made[::-1]
    assert None not in [value for job in jobs for value in job.values()]
    assert [job["job_id"] for job in (await dora.ask("GET", "/jobs?limit=2"))[1]] == made[:1:-1]
    assert len((await dora.ask("GET", "/jobs?limit=100"))[1]) == 4
    for wrong in ("0", "101", "1000", "-1", "x", "1.5", "", "9" * 5000):
        assert code(await dora.ask("GET", f"/jobs?limit={wrong}")) == (400, "invalid_limit")
