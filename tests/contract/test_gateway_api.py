"""The REST API as users see it, on real servers: a MongoDB job store, S3 with presigned URLs, and a Kafka broker."""

import asyncio
import json
import os
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiokafka import AIOKafkaConsumer

from deploy.local.servers import REPOSITORY, EmbeddedServers, embedded_servers
from services.gateway.app import unix_ms
from services.gateway.auth import ApiKeyAuthentication
from services.gateway.handlers import Api, make_http_app
from services.gateway.outbox import Outbox
from services.gateway.settings import MEBIBYTE, Settings
from services.gateway.store import Store, open_store
from services.gateway.users import add_user
from services.gateway.worker_events import WorkerEvents
from shared.blobs import Storage, artefact_key, open_storage
from shared.bus import open_publisher
from shared.errors import TransientError
from shared.events import (
    OBSERVATION_SUBMITTED,
    Artefact,
    Event,
    JobFailed,
    JobProgress,
    ObservationClassified,
    ObservationExported,
    ResultsSummary,
    TopCandidate,
    decode,
)
from shared.header import Header

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FILES = {
    "json": "results.json",
    "csv": "catalog.csv",
    "catalog_json": "catalog.json",
    "classified": "classified.json",
    "fits": "catalog.fits",
    "waterfall": "waterfall.png",
    "waterfall_thumb": "waterfall_thumb.png",
}


@dataclass
class Bus:
    """Keeps what is published, on its way to the broker; can be away."""

    publish_on: Callable[[Event], Any]
    is_away: bool = False
    events: list[Event] = field(default_factory=list)

    async def publish(self, event: Event) -> None:
        if self.is_away:
            raise TransientError("The bus is away.")
        await self.publish_on(event)
        self.events.append(event)


@dataclass
class Gateway:
    """The gateway's parts, put together as in production."""

    client: TestClient[Any, Any]
    settings: Settings
    store: Store
    storage: Storage
    bus: Bus
    outbox: Outbox
    worker_events: WorkerEvents
    anybody: aiohttp.ClientSession


@dataclass
class Account:
    """A user, who asks."""

    gateway: Gateway
    user_id: str
    api_key: str

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        headers = {"x-api-key": self.api_key}
        async with self.gateway.client.request(method, path, headers=headers, json=body) as response:
            return response.status, await response.json()

    async def upload(self, content: bytes = b"data", name: str = "Voyager1.fil") -> str:
        """Upload a small file; returns its key."""
        status, body = await self.ask("POST", "/upload-url", {"filename": name, "file_size": len(content)})
        assert status == 200
        async with self.gateway.anybody.put(body["upload_url"], data=content) as response:
            assert response.status == 200
        return str(body["file_key"])

    async def analyze(self, **more: Any) -> str:
        """Upload a file and start a job; returns its id."""
        status, body = await self.ask("POST", "/analyze", {"file_key": await self.upload(), **more})
        assert status == 202
        return str(body["job_id"])


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    async with embedded_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers) -> AsyncIterator[Gateway]:
    environment = {
        name.removeprefix("WATERHOLE_").lower(): value for name, value in servers.gateway_environment.items()
    }
    settings = Settings(**environment, mongodb_timeout_s=30)
    async with (
        open_store(settings) as store,
        open_storage(settings) as storage,
        open_publisher(settings) as publisher,
        aiohttp.ClientSession() as anybody,
    ):
        bus = Bus(publisher.publish)
        outbox = Outbox(store.jobs, bus, settings, now_ms=unix_ms)
        api = Api(
            settings,
            jobs=store.jobs,
            submissions=outbox,
            uploads=storage.uploads,
            results=storage.results,
            version="0.3.0",
            now_ms=unix_ms,
        )
        pepper = settings.api_key_pepper.get_secret_value()
        app = make_http_app(api, ApiKeyAuthentication(store.users, pepper=pepper, now_s=time.time))
        worker_events = WorkerEvents(store.jobs, now_ms=unix_ms, silence_s=60)
        async with TestClient(TestServer(app)) as client:
            yield Gateway(client, settings, store, storage, bus, outbox, worker_events, anybody)


async def account(gateway: Gateway, tier: str = "researcher") -> Account:
    user = await add_user(gateway.settings, tier=tier, name="test", ttl_days=1)
    return Account(gateway, user["user_id"], user["api_key"])


@pytest.fixture(scope="module")
async def alice(gateway: Gateway) -> Account:
    return await account(gateway)


@pytest.fixture(scope="module")
async def bob(gateway: Gateway) -> Account:
    return await account(gateway, "free")


HEADER = Header.model_construct()
SUMMARY = ResultsSummary(
    raw_hits=543,
    filtered_hits=163,
    candidates=20,
    processing_time_seconds=28.4,
    top_candidates=(
        TopCandidate(
            frequency_hz=1420405751.68,
            drift_rate=0.15,
            snr=14.2,
            classification="NARROWBAND_DRIFTING",
            interestingness=0.82,
            rfi_source="",
            source="matched_filter",
        ),
    ),
)


def classified(gateway: Gateway, job_id: str) -> Event:
    submitted = next(event for event in gateway.bus.events if event.job_id == job_id)
    fields = {name: getattr(submitted, name) for name in ("job_id", "occurred_at", "upload", "parameters")}
    return ObservationClassified.model_construct(
        **fields,
        event_id=uuid.uuid4(),
        producer="classify",
        header=HEADER,
        chunk_count=1,
        results_key=artefact_key(job_id, "results.json"),
        summary=SUMMARY,
    )


async def export(gateway: Gateway, job_id: str) -> Event:
    """Write every artefact, as the export service does; returns its event."""
    artefacts = []
    for name, filename in FILES.items():
        content = f"{name} of {job_id}\n".encode()
        await gateway.storage.results.put(artefact_key(job_id, filename), content)
        key = artefact_key(job_id, filename)
        artefacts.append(
            Artefact(format=name, key=key, filename=filename, content_type="x", size=len(content), sha256="0" * 64)
        )
    return ObservationExported.make(job_id=job_id, producer="export", artefacts=tuple(artefacts))


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and code of an error, which has the documented shape and nothing else."""
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"].endswith((".", "!"))
    return status, body["error"]["code"]


async def test_health_needs_no_key(gateway: Gateway) -> None:
    async with gateway.client.get("/health") as response:
        assert response.status == 200
        assert await response.json() == {"status": "healthy", "version": "0.3.0"}


ROUTES = [
    ("POST", "/upload-url"),
    ("POST", "/complete-upload"),
    ("POST", "/abort-upload"),
    ("POST", "/analyze"),
    ("GET", "/jobs"),
    ("GET", "/jobs/x"),
    ("GET", "/jobs/x/download"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("api_key", ["", "sk_live_" + "0" * 64])
async def test_everything_else_does(gateway: Gateway, method: str, path: str, api_key: str) -> None:
    status, found = code(await Account(gateway, "", api_key).ask(method, path))
    assert (status, found) == (403, "invalid_api_key" if api_key else "missing_api_key")


async def test_a_small_file_is_uploaded_whole(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "my obs.FIL", "file_size": 50 * MEBIBYTE})
    assert status == 200
    assert set(body) == {"upload_url", "file_key", "expires_in", "max_size_mb", "multipart"}
    assert (body["expires_in"], body["max_size_mb"], body["multipart"]) == (3600, 1024, False)
    assert re.fullmatch(rf"uploads/{alice.user_id}/{UUID}/my_obs\.FIL", body["file_key"])
    put = alice.gateway.anybody.put(
        body["upload_url"], data=b"content", headers={"Content-Type": "application/octet-stream"}
    )
    async with put as response:
        assert response.status == 200
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == b"content"


async def test_the_size_is_optional(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "x.h5"})
    assert (status, body["multipart"]) == (200, False)


@pytest.mark.parametrize("quotes", ['"', ""])
async def test_a_large_file_is_uploaded_in_parts(alice: Account, quotes: str) -> None:
    size = 50 * MEBIBYTE + 1
    status, body = await alice.ask("POST", "/upload-url", {"filename": "large_file.fil", "file_size": size})
    assert status == 200
    assert set(body) == {"multipart", "upload_id", "file_key", "parts", "part_size", "max_size_mb", "expires_in"}
    assert (body["multipart"], body["part_size"], body["expires_in"]) == (True, 10485760, 3600)
    assert [part["partNumber"] for part in body["parts"]] == [1, 2, 3, 4, 5, 6]
    content = os.urandom(body["part_size"] + 1)
    chunks = [content[: body["part_size"]], content[body["part_size"] :]]
    parts = []
    for part, chunk in zip(body["parts"], chunks, strict=False):
        async with alice.gateway.anybody.put(part["url"], data=chunk) as response:
            assert response.status == 200
            etag = quotes + response.headers["ETag"].strip('"') + quotes
        parts.append({"partNumber": part["partNumber"], "etag": etag})
    complete = {"file_key": body["file_key"], "upload_id": body["upload_id"], "parts": parts}
    expected = (200, {"message": "Upload complete", "file_key": body["file_key"]})
    assert await alice.ask("POST", "/complete-upload", complete) == expected
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == content
    # A client that lost the answer asks again.
    assert await alice.ask("POST", "/complete-upload", complete) == expected


async def test_an_upload_can_be_aborted(alice: Account, bob: Account) -> None:
    _, body = await alice.ask("POST", "/upload-url", {"filename": "x.fil", "file_size": 60 * MEBIBYTE})
    upload = {"file_key": body["file_key"], "upload_id": body["upload_id"]}
    assert code(await bob.ask("POST", "/abort-upload", upload)) == (404, "file_not_found")
    assert await alice.ask("POST", "/abort-upload", upload) == (200, {"message": "Upload aborted"})
    parts = [{"partNumber": 1, "etag": '"abc123"'}]
    answer = await alice.ask("POST", "/complete-upload", {**upload, "parts": parts})
    assert code(answer) == (400, "invalid_multipart_upload")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing_field")),
        ({"filename": "x.txt"}, (400, "unsupported_file_type")),
        ({"filename": ".fil"}, (400, "invalid_filename")),
        ({"filename": "x.fil", "file_size": "big"}, (400, "invalid_field")),
        ({"filename": "x.fil", "file_size": 1025 * MEBIBYTE}, (413, "file_too_large")),
    ],
)
async def test_wrong_uploads_are_refused(alice: Account, body: dict, expected: tuple[int, str]) -> None:
    assert code(await alice.ask("POST", "/upload-url", body)) == expected


async def test_a_job_starts_with_its_event_on_the_bus(servers: EmbeddedServers, alice: Account) -> None:
    key = await alice.upload(b"12345")
    status, body = await alice.ask(
        "POST", "/analyze", {"file_key": key, "filename": "Voyager 1.fil", "snr_threshold": 25}
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
    assert event.upload.model_dump(exclude={"submitted_at"}) == {
        "file_key": key,
        "file_name": "Voyager 1.fil",
        "file_size": 5,
        "source_name": "Voyager 1.fil",
    }
    assert event.parameters.snr_threshold == 25.0
    status, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert status == 200
    assert job == {
        "job_id": job_id,
        "status": "submitted",
        "source_name": "Voyager 1.fil",
        "filename": "Voyager 1.fil",
        "file_size": 5,
        "created_at": int(event.upload.submitted_at.timestamp()),
        "exports_ready": False,
    }


async def event_of(servers: EmbeddedServers, job_id: str) -> Any:
    """The event of a job, as a worker gets it."""
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


async def test_wrong_submissions_are_refused(alice: Account, bob: Account) -> None:
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


async def test_a_file_beyond_the_tier_is_refused_whatever_was_announced(gateway: Gateway) -> None:
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


async def test_a_job_is_accepted_while_the_bus_is_away(alice: Account) -> None:
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


async def test_the_whole_life_of_a_job(alice: Account) -> None:
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
    assert (await alice.ask("GET", f"/jobs/{job_id}/download"))[0] == 200
    assert code(await alice.ask("GET", f"/jobs/{job_id}/download?format=fits")) == (404, "format_not_available")

    await gateway.worker_events.handle(await export(gateway, job_id))
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert job["exports_ready"] is True
    for name in FILES:
        await check_download(alice, job_id, name)
    assert code(await alice.ask("GET", f"/jobs/{job_id}/download?format=exe")) == (400, "invalid_format")


async def check_download(user: Account, job_id: str, name: str) -> None:
    """An artefact comes as it was written: by its URL or, for the CSV, in the answer itself."""
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


async def test_a_failed_job_says_why(alice: Account) -> None:
    job_id = await alice.analyze()
    sentence = "Voyager1.fil has no HEADER_START; upload a SIGPROC filterbank file."
    failed = JobFailed.make(job_id=job_id, producer="ingest", stage="ingest", code="bad_observation", message=sentence)
    await alice.gateway.worker_events.handle(failed)
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["status"], job["error"]) == ("failed", sentence)
    assert job["error_detail"] == {"code": "bad_observation", "stage": "ingest"}
    answer = await alice.ask("GET", f"/jobs/{job_id}/download?format=json")
    assert code(answer) == (404, "format_not_available")


async def test_jobs_of_others_stay_theirs(alice: Account, bob: Account) -> None:
    job_id = await alice.analyze()
    assert code(await bob.ask("GET", f"/jobs/{job_id}")) == (403, "job_of_another_user")
    assert code(await bob.ask("GET", f"/jobs/{job_id}/download")) == (403, "job_of_another_user")
    assert await bob.ask("GET", "/jobs") == (200, [])


@pytest.mark.parametrize("job_id", [str(uuid.uuid4()), "x", "%00", "%24ne", "a" * 2000])
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
    assert len((await dora.ask("GET", "/jobs?limit=1000"))[1]) == 4
    for wrong in ("0", "-1", "x", "1.5", "", "9" * 5000):
        assert code(await dora.ask("GET", f"/jobs?limit={wrong}")) == (400, "invalid_limit")


async def run_users(servers: EmbeddedServers, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway.users", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, **servers.gateway_environment},
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_the_users_command_prints_one_line_with_a_working_key(servers: EmbeddedServers, gateway: Gateway) -> None:
    status, output, _ = await run_users(servers, "--tier", "institution", "--name", "né", "--ttl-days", "3")
    assert status == 0
    assert output.count("\n") == 1
    user = json.loads(output)
    assert set(user) == {"user_id", "tier", "api_key"}
    assert user["tier"] == "institution"
    assert re.fullmatch(r"sk_live_[0-9a-f]{64}", user["api_key"])
    assert await Account(gateway, user["user_id"], user["api_key"]).ask("GET", "/jobs") == (200, [])


async def test_the_users_command_refuses_an_unknown_tier(servers: EmbeddedServers) -> None:
    status, output, errors = await run_users(servers, "--tier", "platinum")
    assert (status, output) == (2, "")
    assert errors == "There is no tier 'platinum'; choose one of free, researcher, institution, enterprise.\n"
