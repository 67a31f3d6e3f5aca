"""Servers that the gateway needs become unavailable and recover: clients get a prompt error in the usual form."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local.servers import EmbeddedServers, embedded_servers
from deploy.local.stack import create_user
from services.gateway.api.document.operations import OPERATIONS
from shared.blobs import open_storage
from shared.bus import open_publisher
from shared.events import Artefact, ObservationClassified, ObservationExported, SearchParameters, Upload
from shared.object_keys import artefact_key
from shared.settings import ServiceSettings
from tests.contract.conftest import Until
from tests.contract.gateway.document import check_answer
from tests.contract.gateway.parts import HEADER, SUMMARY
from tests.contract.gateway.process import GatewayProcess, Relay, running_gateway, settings_of

# Every client learns within this time that a server is unavailable.
SOON_S = 8.0
# Users are not cached, so requests that need the job store only for authentication fail at once as well. The stream of
# all changes of a user ends by itself.
SETTINGS = {
    "mongodb_timeout_s": 0.5,
    "request_timeout_s": 4,
    "publish_timeout_s": 0.5,
    "user_cache_s": 0,
    "events_max_s": 1,
}
DELETIONS = {"delete /jobs/{job_id}", "delete /cadences/{cadence_id}"}
PARTS_OF_PATHS = {"{factor}": "16", "{keyId}": "none", "{hit}": "0", "{event}": "1", "{name}": "none"}
MANY_PARTS = {"filename": "a.fil", "file_size": 60 * 2**20}


@dataclass
class World:
    """A gateway, the relays between it and its servers, and existing objects to request."""

    process: GatewayProcess
    servers: EmbeddedServers
    mongodb: Relay
    s3: Relay
    file_keys: list[str]
    job_id: str
    cadence_id: str

    @property
    def file_key(self) -> str:
        """Return the key of the job's file."""
        return self.file_keys[0]

    def requests(self) -> dict[str, tuple[str, str, Any]]:
        """Return a request that would succeed for each operation, separately with and without storage."""
        upload = {"file_key": self.file_key, "upload_id": "none"}
        bodies = {
            "/upload-url": {"filename": "a.fil"},
            "/complete-upload": {**upload, "parts": [{"partNumber": 1, "etag": "a"}]},
            "/abort-upload": upload,
            "/analyze": {"file_key": self.file_key},
            "/cadences": {"scans": [{"file_key": key} for key in self.file_keys]},
            "/api-keys": {"name": "n"},
            "/reports": {"job_id": self.job_id},
            "/jobs/{job_id}/verdicts/{hit}": {"verdict": "rfi"},
            "/cadences/{cadence_id}/verdicts/{event}": {"verdict": "rfi"},
        }
        found = {}
        for one in OPERATIONS:
            path = one.path.replace("{job_id}", self.job_id).replace("{cadence_id}", self.cadence_id)
            for name, value in PARTS_OF_PATHS.items():
                path = path.replace(name, value)
            found[f"{one.method} {one.path}"] = (
                one.method,
                path,
                bodies.get(one.path) if one.method in ("post", "put") else None,
            )
        found["post /upload-url in parts"] = ("post", "/upload-url", MANY_PARTS)
        found["get /jobs/{job_id}/download of the CSV"] = ("get", f"/jobs/{self.job_id}/download?format=csv", None)
        # The job and the cadence are needed by later requests.
        for name in DELETIONS:
            del found[name]
        return found

    async def statuses(self) -> dict[str, int]:
        """Send all requests at once, return their statuses. Answers must be quick, documented, without internals."""
        requests = self.requests()
        statuses = await asyncio.gather(*(self._status(*request) for request in requests.values()))
        return dict(zip(requests, statuses, strict=True))

    async def _status(self, method: str, path: str, body: Any) -> int:
        request = self.process.request(method.upper(), path, json=body, allow_redirects=False)
        async with asyncio.timeout(SOON_S), request as response:
            text = await response.text()
            content = await response.json() if response.content_type == "application/json" else text
        check_answer(method, path, response.status, response.headers, content)
        if response.status >= 400:
            for inside in ("Traceback", "pymongo", "botocore", "aiokafka", "127.0.0.1"):
                assert inside not in text
        return response.status

    async def readiness(self) -> tuple[int, set[str]]:
        """Return the status of /ready, and what is not ready."""
        async with self.process.request("GET", "/ready") as response:
            checks = (await response.json())["checks"]
            return response.status, {name for name, state in checks.items() if state != "ready"}


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    """Run servers for this file alone. A test kills the broker, and other clients would keep its old address."""
    async with embedded_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="module")
async def world(servers: EmbeddedServers, until: Until) -> AsyncIterator[World]:
    mongodb, s3 = Relay(urlsplit(servers.mongodb).port), Relay(urlsplit(servers.s3).port)
    await mongodb.start()
    await s3.start()
    environment = servers.gateway_environment
    environment["WATERHOLE_MONGODB_URL"] = mongodb.instead_of(servers.mongodb)
    environment["WATERHOLE_S3_ENDPOINT"] = s3.instead_of(servers.s3)
    async with running_gateway(environment, **SETTINGS) as process:
        keys = [await process.upload() for _ in range(2)]
        _, job = await process.ask("POST", "/analyze", json={"file_key": keys[0]})
        cadence_id = await failed_cadence(process)
        world = World(process, servers, mongodb, s3, keys, job["job_id"], cadence_id)
        await export(world, until)
        yield world
    await mongodb.cut()
    await s3.cut()


async def failed_cadence(process: GatewayProcess) -> str:
    """Start a cadence and delete its jobs: it has failed, so that its stream ends."""
    scans = [{"file_key": await process.upload()} for _ in range(2)]
    _, cadence = await process.ask("POST", "/cadences", json={"scans": scans})
    _, shown = await process.ask("GET", cadence["status_url"])
    for scan in shown["scans"]:
        await process.ask("DELETE", f"/jobs/{scan['job_id']}")
    _, shown = await process.ask("GET", cadence["status_url"])
    assert shown["status"] == "failed"
    return str(cadence["cadence_id"])


async def export(world: World, until: Until) -> None:
    """Export the job's catalogue and complete the job, so that its stream ends."""
    settings = settings_of(ServiceSettings, world.servers.environment)
    key = artefact_key(world.job_id, "catalog.csv")
    artefact = Artefact(format="csv", key=key, filename="catalog.csv", content_type="text/csv", size=1, sha256="0" * 64)
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:
        await storage.results.put(key, b"a\n")
        made = {"job_id": world.job_id, "producer": "test"}
        await publisher.publish(ObservationExported.make(**made, artefacts=(artefact,)))
        upload = Upload(
            file_key=world.file_key, file_name="a.fil", file_size=4, source_name="a", submitted_at=datetime.now(UTC)
        )
        classified = {"upload": upload, "parameters": SearchParameters(), "header": HEADER, "summary": SUMMARY}
        results_key = artefact_key(world.job_id, "results.json")
        await publisher.publish(
            ObservationClassified.make(**made, **classified, chunk_count=1, results_key=results_key)
        )

    async def is_over() -> bool:
        _, job = await world.process.ask("GET", f"/jobs/{world.job_id}")
        async with world.process.request("GET", f"/jobs/{world.job_id}/download?format=csv") as response:
            return job["status"] == "complete" and response.status == 200

    await until(is_over)


async def is_ready(world: World) -> bool:
    return (await world.readiness())[0] == 200


def away(statuses: dict[str, int]) -> set[str]:
    return {name for name, status in statuses.items() if status == 503}


NEEDS_S3 = {
    "post /upload-url in parts",
    "post /complete-upload",
    "post /abort-upload",
    "post /analyze",
    "post /cadences",
    "get /jobs/{job_id}/download of the CSV",
    "get /jobs/{job_id}/waterfall",
    "get /jobs/{job_id}/waterfall/levels/{factor}",
    "get /jobs/{job_id}/waterfall/noise",
    "get /jobs/{job_id}/waterfall/samples",
    "get /jobs/{job_id}/spectra",
}
NEEDS_MONGODB = {f"{one.method} {one.path}" for one in OPERATIONS if not one.is_public} - DELETIONS


async def test_without_an_outage_everything_is_available(world: World) -> None:
    assert await world.readiness() == (200, set())
    assert away(await world.statuses()) == set()


@pytest.mark.parametrize("way", ["cut", "hang"])
async def test_storage_becomes_unavailable_and_recovers(world: World, until: Until, way: str) -> None:
    if way == "cut":
        await world.s3.cut()
    else:
        world.s3.hang()
    assert away(await world.statuses()) == NEEDS_S3
    assert await world.readiness() == (503, {"s3"})
    await world.s3.start()
    await until(lambda: is_ready(world))
    assert away(await world.statuses()) == set()


@pytest.mark.parametrize("way", ["cut", "hang"])
async def test_the_job_store_becomes_unavailable_and_recovers(world: World, until: Until, way: str) -> None:
    if way == "cut":
        await world.mongodb.cut()
    else:
        world.mongodb.hang()
    assert away(await world.statuses()) >= NEEDS_MONGODB
    assert await world.readiness() == (503, {"mongodb"})
    await world.mongodb.start()
    await until(lambda: is_ready(world))
    assert away(await world.statuses()) == set()


# This is the last test here: the broker may have removed the gateway's consumer by the time it is back.
async def test_jobs_are_accepted_while_the_broker_is_unavailable(world: World) -> None:
    broker = world.servers.pid_of("broker")
    user = await create_user(world.servers.gateway_environment, "researcher", "another")
    os.kill(broker, signal.SIGSTOP)
    try:
        world.process.api_key = user["api_key"]
        key = await world.process.upload()
        status, job = await world.process.ask("POST", "/analyze", json={"file_key": key})
        assert status == 202
        status, shown = await world.process.ask("GET", job["status_url"])
        assert (status, shown["status"]) == (200, "submitted")
        scans = [{"file_key": await world.process.upload()} for _ in range(6)]
        status, cadence = await world.process.ask("POST", "/cadences", json={"scans": scans})
        assert status == 202
        status, shown = await world.process.ask("GET", cadence["status_url"])
        assert [scan["status"] for scan in shown["scans"]] == ["submitted"] * 6
        assert await world.readiness() == (503, {"kafka"})
    finally:
        os.kill(broker, signal.SIGCONT)
