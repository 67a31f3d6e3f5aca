"""The client of the public API and how the demo waits, against a small server that answers as in the contract."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from deploy.local import demo
from deploy.local.client import ApiError, Waterhole
from deploy.local.demo import DemoError, follow

KEY = "sk_live_test"
PART_SIZE = 1000
MULTIPART_FROM = 2000


class FakeService:
    """The API and its object store in one server, which records what it receives."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.whole: bytes | None = None
        self.calls: list[tuple[str, Any]] = []
        self.keys_seen_by_storage: list[str | None] = []
        self.refused_part = 0
        self.jobs: list[dict[str, Any]] = []
        self.filename = "results.json"
        self.url = ""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/upload-url", self.upload_url)
        for path in ("/complete-upload", "/abort-upload", "/analyze", "/cadences"):
            app.router.add_post(path, self.note)
        app.router.add_put("/storage/{part}", self.store)
        app.router.add_get("/storage/result", self.result)
        app.router.add_get("/jobs/{job_id}", self.job)
        app.router.add_get("/jobs/{job_id}/download", self.download)
        app.router.add_get("/cadences/{cadence_id}/download", self.download)
        return app

    async def upload_url(self, request: web.Request) -> web.Response:
        if request.headers.get("x-api-key") != KEY:
            return web.json_response({"error": {"code": "invalid_key", "message": "Invalid API key."}}, status=403)
        body = await request.json()
        self.calls.append((request.path, body))
        if body["file_size"] <= MULTIPART_FROM:
            return web.json_response(
                {"multipart": False, "upload_url": f"{self.url}/storage/0", "file_key": "uploads/u/f"}
            )
        count = -(-body["file_size"] // PART_SIZE)
        parts = [{"partNumber": n, "url": f"{self.url}/storage/{n}"} for n in range(1, count + 1)]
        return web.json_response(
            {
                "multipart": True,
                "upload_id": "id",
                "file_key": "uploads/u/f",
                "parts": parts,
                "part_size": PART_SIZE,
            }
        )

    async def store(self, request: web.Request) -> web.Response:
        self.keys_seen_by_storage.append(request.headers.get("x-api-key"))
        part, body = int(request.match_info["part"]), await request.read()
        assert request.content_length == len(body)
        if part and part == self.refused_part:
            return web.Response(status=403, text="SignatureDoesNotMatch")
        if part:
            # The first parts are answered last: the order of the answers is not the order of the parts.
            await asyncio.sleep(0.05 / part)
            self.parts[part] = body
        else:
            self.whole = body
        return web.Response(headers={"ETag": f'"etag-{part}"'})

    async def note(self, request: web.Request) -> web.Response:
        self.calls.append((request.path, await request.json()))
        return web.json_response({"job_id": "j1", "cadence_id": "c1"})

    async def job(self, _request: web.Request) -> web.Response:
        return web.json_response(self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0])

    async def download(self, request: web.Request) -> web.Response:
        if request.query["format"] == "csv":
            return web.Response(text="source_name,snr\n", content_type="text/csv")
        if request.query["format"] == "fits":
            return web.json_response({"error": {"code": "not_ready", "message": "Not yet available."}}, status=404)
        return web.json_response({"download_url": f"{self.url}/storage/result", "filename": self.filename})

    async def result(self, request: web.Request) -> web.Response:
        self.keys_seen_by_storage.append(request.headers.get("x-api-key"))
        return web.Response(body=b"{}")


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    fake = FakeService()
    async with TestServer(fake.application()) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
async def client(service) -> AsyncIterator[Waterhole]:
    async with Waterhole(service.url, KEY) as waterhole:
        yield waterhole


async def test_small_files_are_uploaded_in_one_request(service, client, tmp_path):
    path = tmp_path / "small.fil"
    path.write_bytes(bytes(range(256)) * 4)
    sent: list[int] = []
    assert await client.upload(path, sent.append) == "uploads/u/f"
    assert service.whole == path.read_bytes()
    assert sent == [1024]
    assert service.calls == [("/upload-url", {"filename": "small.fil", "file_size": 1024})]


async def test_a_cadence_states_the_checksums_of_files_that_were_uploaded(service, client, tmp_path):
    path = tmp_path / "scan.fil"
    path.write_bytes(b"samples")
    key = await client.upload(path)
    scans = [{"file_key": key, "role": "on"}, {"job_id": "j1", "role": "off"}]
    assert await client.start_cadence(scans, "HIP 1", min_on_scans=1) == "c1"
    assert service.calls[-1] == (
        "/cadences",
        {
            "name": "HIP 1",
            "scans": [scans[0] | {"sha256": hashlib.sha256(b"samples").hexdigest()}, scans[1]],
            "parameters": {"min_on_scans": 1},
        },
    )


async def test_files_of_a_cadence_are_saved_under_their_names(service, client, tmp_path):
    service.filename = "../event_0001.png"
    assert await client.download_cadence("c1", "csv", tmp_path) == tmp_path / "events.csv"
    assert await client.download_cadence("c1", "event_0001", tmp_path) == tmp_path / "event_0001.png"


async def test_large_files_are_uploaded_in_parts_that_are_listed_in_order(service, client, tmp_path):
    path = tmp_path / "large.fil"
    path.write_bytes(bytes(i % 251 for i in range(4321)))
    sent: list[int] = []
    assert await client.upload(path, sent.append) == "uploads/u/f"
    assert b"".join(service.parts[n] for n in range(1, 6)) == path.read_bytes()
    assert sorted(sent) == [321, 1000, 1000, 1000, 1000]
    parts = [{"partNumber": n, "etag": f'"etag-{n}"'} for n in range(1, 6)]
    assert service.calls[-1] == ("/complete-upload", {"file_key": "uploads/u/f", "upload_id": "id", "parts": parts})


async def test_the_checksum_of_an_uploaded_file_is_stated_when_it_is_analyzed(service, client, tmp_path):
    path = tmp_path / "small.fil"
    path.write_bytes(b"an observation")
    key = await client.upload(path)
    await client.analyze(key, "small.fil", snr_threshold=12.0)
    await client.analyze("uploads/u/of another client", "other.fil")
    sha256 = hashlib.sha256(b"an observation").hexdigest()
    assert service.calls[-2:] == [
        ("/analyze", {"file_key": key, "filename": "small.fil", "snr_threshold": 12.0, "sha256": sha256}),
        ("/analyze", {"file_key": "uploads/u/of another client", "filename": "other.fil"}),
    ]


async def test_a_failed_upload_is_aborted(service, client, tmp_path):
    service.refused_part = 2
    path = tmp_path / "large.fil"
    path.write_bytes(bytes(4321))
    with pytest.raises(ApiError, match=r"SignatureDoesNotMatch \(HTTP 403\)"):
        await client.upload(path)
    assert service.calls[-1] == ("/abort-upload", {"file_key": "uploads/u/f", "upload_id": "id"})


async def test_the_key_is_sent_only_to_the_api(service, client, tmp_path):
    path = tmp_path / "small.fil"
    path.write_bytes(b"x")
    await client.upload(path)
    await client.download("j1", "json", tmp_path)
    assert service.keys_seen_by_storage == [None, None]


async def test_refusals_carry_the_apis_message(service, tmp_path):
    path = tmp_path / "small.fil"
    path.write_bytes(b"x")
    async with Waterhole(service.url, "wrong") as stranger:
        with pytest.raises(ApiError, match=r"Invalid API key\. \(HTTP 403\)") as caught:
            await stranger.upload(path)
    assert caught.value.status == 403


async def test_downloads_use_the_names_of_the_artefacts(client, tmp_path):
    assert (await client.download("j1", "json", tmp_path)).read_bytes() == b"{}"
    assert (await client.download("j1", "csv", tmp_path)).read_text() == "source_name,snr\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog.csv", "results.json"]


async def test_a_name_from_the_network_can_not_choose_a_folder(service, client, tmp_path):
    service.filename = "../../etc/passwd"
    path = await client.download("j1", "json", tmp_path)
    assert path == tmp_path / "passwd"


async def test_downloading_a_missing_artefact_is_an_error(client, tmp_path):
    with pytest.raises(ApiError, match="Not yet available"):
        await client.download("j1", "fits", tmp_path)
    assert list(tmp_path.iterdir()) == []


def at(stage: str, done: int = 0, **fields: Any) -> dict[str, Any]:
    return {"status": "processing", "progress": {"stage": stage, "done": done, "total": 1}} | fields


async def test_the_demo_waits_for_the_artefacts(service, client):
    service.jobs = [
        {"status": "submitted"},
        at("ingest"),
        at("dedoppler"),
        at("dedoppler", 1, status="complete", results={}),
        at("export", status="complete", results={}, exports_ready=False),
        at("export", 1, status="complete", results={"raw_hits": 5}, exports_ready=True),
    ]
    job, timings = await follow(lambda: client.job("j1"), time.perf_counter(), Console(file=io.StringIO()))
    assert job["results"] == {"raw_hits": 5}
    assert 0 < timings.complete_s < timings.exported_s
    assert list(timings.stages_s) == ["ingest", "dedoppler", "export"]


async def test_the_demo_shows_the_error_of_a_failed_job(service, client):
    service.jobs = [at("ingest"), {"status": "failed", "error": "nbits is 5; it must be 1, 2, 4, 8, 16 or 32."}]
    with pytest.raises(DemoError, match="The job failed: nbits is 5"):
        await follow(lambda: client.job("j1"), time.perf_counter(), Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("limit", "job", "sentence"),
    [
        ("LONGEST_JOB_S", at("ingest"), "was not complete"),
        ("EXPORTS_S", at("export", status="complete", results={}), "Not all artefacts"),
    ],
)
async def test_the_demo_does_not_wait_for_ever(service, client, monkeypatch, limit, job, sentence):
    monkeypatch.setattr(demo, limit, 0.0)
    service.jobs = [job]
    with pytest.raises(DemoError, match=sentence):
        await follow(lambda: client.job("j1"), time.perf_counter(), Console(file=io.StringIO()))
