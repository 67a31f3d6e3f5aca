"""DELETE /jobs/{job_id}."""

import asyncio
import uuid
from pathlib import Path

import pytest

from science.simulator import Scene, make_header, spectra, write_fil
from services.gateway.jobs import removal
from services.ingest.handlers import Handler
from shared.blobs import Blobs
from shared.errors import PermanentError, TransientError
from shared.events import JobProgress
from shared.object_keys import artefact_key, hits_key, job_prefix
from tests.contract.gateway.parts import Account, Gateway, account, classified, code, export


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def active(user: Account) -> int:
    found = await user.gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert found["active_count"] == len(found["active"])
    return int(found["active_count"])


async def test_a_finished_job_is_deleted_with_its_objects(user: Account) -> None:
    gateway, file_key = user.gateway, await user.upload()
    job_id = await user.start(file_key)
    await gateway.worker_events.handle(classified(gateway, job_id))
    await gateway.worker_events.handle(await export(gateway, job_id))
    await gateway.storage.results.put(hits_key(job_id, 0), b"hits")
    await gateway.storage.results.put(artefact_key(job_id, "plan.json"), b"{}")
    assert await user.ask("DELETE", f"/jobs/{job_id}") == (200, {"message": "Job deleted", "job_id": job_id})
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    assert await gateway.storage.uploads.size(file_key) is None
    assert await user.ask("GET", "/jobs") == (200, [])
    for method, path in [("GET", ""), ("GET", "/download"), ("DELETE", "")]:
        assert code(await user.ask(method, f"/jobs/{job_id}{path}")) == (404, "job_not_found")


async def test_an_upload_that_another_job_uses_stays(user: Account) -> None:
    file_key = await user.upload()
    first, second = await user.start(file_key), await user.start(file_key)
    await user.ask("DELETE", f"/jobs/{first}")
    assert await user.gateway.storage.uploads.size(file_key) is not None
    await user.ask("DELETE", f"/jobs/{second}")
    assert await user.gateway.storage.uploads.size(file_key) is None


async def test_an_open_job_is_cancelled_and_frees_its_slot(user: Account) -> None:
    started = [await user.analyze() for _ in range(5)]
    key = await user.upload()
    assert code(await user.ask("POST", "/analyze", {"file_key": key})) == (429, "too_many_concurrent_jobs")
    assert (await user.ask("DELETE", f"/jobs/{started[0]}"))[0] == 200
    assert await active(user) == 4
    await user.start(key)
    _, usage = await user.ask("GET", "/usage")
    assert usage["usage_this_month"] == 6


async def test_a_cancelled_job_is_not_submitted_again(user: Account) -> None:
    gateway = user.gateway
    gateway.bus.is_away = True
    try:
        job_id = await user.analyze()
        await user.ask("DELETE", f"/jobs/{job_id}")
    finally:
        gateway.bus.is_away = False
    with gateway.clock.ahead(100):
        await gateway.outbox.sweep()
    assert job_id not in {event.job_id for event in gateway.bus.events}


async def test_late_events_and_objects_leave_nothing_behind(user: Account) -> None:
    gateway = user.gateway
    job_id = await user.analyze()
    late = [
        JobProgress.make(job_id=job_id, producer="ingest", stage="ingest", done=1, total=1),
        classified(gateway, job_id),
    ]
    await user.ask("DELETE", f"/jobs/{job_id}")
    exported = await export(gateway, job_id)
    for event in late:
        await gateway.worker_events.handle(event)
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    await export(gateway, job_id)
    await gateway.worker_events.handle(exported)
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    assert code(await user.ask("GET", f"/jobs/{job_id}")) == (404, "job_not_found")
    assert await user.ask("GET", "/jobs") == (200, [])
    assert await active(user) == 0
    document = await gateway.store.database["jobs"].find_one({"_id": job_id})
    assert not {"results", "artefacts", "filename", "event", "progress"} & set(document)
    # The same happens days later, and then the record of the job is deleted.
    for days in (5, 8):
        await gateway.storage.results.put(hits_key(job_id, 1), b"hits")
        with gateway.clock.ahead(days * 86_400):
            await gateway.sweeper.purge_removed()
        assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    assert await gateway.store.database["jobs"].find_one({"_id": job_id}) is None


class LateResults:
    """The results bucket of a worker that writes only after the job was deleted."""

    def __init__(self, bucket: Blobs) -> None:
        self._bucket = bucket
        self.is_writing, self.may_write = asyncio.Event(), asyncio.Event()

    async def get(self, key: str) -> bytes:
        return await self._bucket.get(key)

    async def put(self, key: str, body: bytes, content_type: str = "x") -> None:
        self.is_writing.set()
        await self.may_write.wait()
        await self._bucket.put(key, body, content_type)


async def test_a_job_that_is_deleted_while_ingest_plans_it_leaves_nothing(user: Account, tmp_path: Path) -> None:
    gateway, observation = user.gateway, tmp_path / "a.fil"
    header = make_header(1024, 4)
    write_fil(observation, header, spectra(Scene(header)))
    job_id = await user.start(await user.upload(observation.read_bytes()))
    results = LateResults(gateway.storage.results)

    async def one_lane() -> int:
        return 1

    ingest = Handler(gateway.storage.uploads, results, max_chunk_samples=2**27, lanes=one_lane)
    (submitted,) = (event for event in gateway.bus.events if event.job_id == job_id)
    planning = asyncio.create_task(ingest.handle(submitted))
    await results.is_writing.wait()
    assert (await user.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
    results.may_write.set()
    *_, progress = await planning
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == [artefact_key(job_id, "plan.json")]
    await gateway.worker_events.handle(progress)
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []


@pytest.mark.parametrize("deleted_s", [5, 600, 86_400])
async def test_what_is_written_without_an_event_is_gone_after_the_stated_time(user: Account, deleted_s: int) -> None:
    gateway = user.gateway
    job_id = await user.analyze()
    await user.ask("DELETE", f"/jobs/{job_id}")
    # The sweeper runs while time passes.
    for second in range(0, deleted_s, max(30, deleted_s // 50)):
        with gateway.clock.ahead(second):
            await gateway.sweeper.purge_removed()
    await gateway.storage.results.put(artefact_key(job_id, "plan.json"), b"{}")
    # The stated time: as long as the job has been deleted, at least a minute, and the time between two sweeps.
    for second in range(0, max(60, deleted_s) + 30, 30):
        with gateway.clock.ahead(deleted_s + second + 30):
            await gateway.sweeper.purge_removed()
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []


async def test_a_late_event_does_no_harm_while_storage_is_unavailable(
    user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, job_id = user.gateway, await user.analyze()
    await user.ask("DELETE", f"/jobs/{job_id}")
    await gateway.storage.results.put(artefact_key(job_id, "plan.json"), b"{}")

    async def away(_prefix: str) -> list[str]:
        raise TransientError("away")

    with monkeypatch.context() as patched:
        patched.setattr(gateway.storage.results, "list_keys", away)
        event = JobProgress.make(job_id=job_id, producer="ingest", stage="ingest", done=1, total=1)
        assert list(await gateway.worker_events.handle(event)) == []
    with gateway.clock.ahead(90):
        await gateway.sweeper.purge_removed()
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []


async def test_one_of_many_concurrent_requests_deletes(user: Account) -> None:
    job_id = await user.analyze()
    answers = await asyncio.gather(*(user.ask("DELETE", f"/jobs/{job_id}") for _ in range(20)))
    assert [status for status, _ in answers].count(200) == 1
    assert {code(answer) for answer in answers if answer[0] != 200} == {(404, "job_not_found")}
    assert await active(user) == 0


@pytest.mark.parametrize("failure", [TransientError("away"), PermanentError("refused"), None])
async def test_a_job_is_deleted_while_storage_is_unavailable_or_slow(
    user: Account, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    gateway, file_key = user.gateway, await user.upload()
    job_id = await user.start(file_key)
    await export(gateway, job_id)

    async def unwell(_prefix: str) -> list[str]:
        if failure is not None:
            raise failure
        await asyncio.sleep(60)
        raise AssertionError("nobody waits for so long")

    with monkeypatch.context() as patched:
        patched.setattr(removal, "PURGE_TIMEOUT_S", 0.1)
        patched.setattr(gateway.storage.results, "list_keys", unwell)
        assert (await user.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
    assert code(await user.ask("GET", f"/jobs/{job_id}")) == (404, "job_not_found")
    with gateway.clock.ahead(61):
        await gateway.sweeper.purge_removed()
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    assert await gateway.storage.uploads.size(file_key) is None


async def test_jobs_of_others_and_unknown_jobs_are_not_deleted(user: Account) -> None:
    other = await account(user.gateway)
    job_id = await user.analyze()
    assert code(await other.ask("DELETE", f"/jobs/{job_id}")) == (403, "job_of_another_user")
    assert (await user.ask("GET", f"/jobs/{job_id}"))[0] == 200
    for unknown in (str(uuid.uuid4()), "x", "%24ne"):
        assert code(await user.ask("DELETE", f"/jobs/{unknown}")) == (404, "job_not_found")
