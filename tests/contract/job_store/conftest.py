"""Fixtures: servers that speak MongoDB's protocol, and the parts of the gateway that use them."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from deploy.local.ports import HOST, free_ports
from services.gateway.app import JobParts, make_job_parts
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.outbox import Outbox
from services.gateway.mongodb.store import Store, open_store
from shared.blobs import Storage as RealStorage
from tests.contract.job_store.parts import Bus, Clock, Storage, settings_for
from tests.servers.chosen import EMBEDDED, servers
from tests.servers.containers import MongodbServer, running


class EmbeddedMongodb:
    """An embedded job store in a folder of its own, which tests can kill and start."""

    def __init__(self, home: Path) -> None:
        self._home = home
        (self._port,) = free_ports(1)
        self.url = f"mongodb://{HOST}:{self._port}/?directConnection=true"

    async def start(self) -> None:
        """Start the server on the data that the previous one left."""
        pid_file = self._home / "pid"
        pid_file.unlink(missing_ok=True)
        program = Path(sys.executable).with_name("nx-27017")
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            *("--host", HOST, "--port", str(self._port), "--data-dir", str(self._home)),
            *("--log-file", os.devnull, "--pid-file", str(pid_file)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        """Send SIGKILL."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def running_embedded(home: Path) -> AsyncIterator[EmbeddedMongodb]:
    """Run an embedded job store, and kill it at the end."""
    server = EmbeddedMongodb(home)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@pytest.fixture(scope="module")
async def embedded_mongodb(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run an embedded job store for this file alone and yield its URL."""
    async with running_embedded(tmp_path_factory.mktemp("mongodb")) as server:
        yield server.url


@pytest.fixture(params=servers("mongodb"))
async def killable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmbeddedMongodb | MongodbServer]:
    """Run a server for one test alone."""
    async with running_embedded(tmp_path) if request.param == EMBEDDED else running(MongodbServer()) as server:
        yield server


@pytest.fixture(scope="module", params=servers("mongodb"))
def mongodb_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of the server under test."""
    if request.param == EMBEDDED:
        return str(request.getfixturevalue("embedded_mongodb"))
    return str(request.getfixturevalue("mongodb_server").url)


@pytest.fixture(params=[AsyncIOMotorClient, AsyncMongoClient], ids=["motor", "pymongo"])
async def store(request: pytest.FixtureRequest, mongodb_url: str) -> AsyncIterator[Store]:
    """Open an empty database on that server, with each of the two drivers: results must not depend on the driver."""
    settings = settings_for(mongodb_url, f"test_{uuid.uuid4().hex[:8]}")
    async with open_store(settings, make_client=request.param) as store:
        yield store


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(store: Store, bus: Bus, clock: Clock) -> Outbox:
    return Outbox(store.jobs, bus, settings_for("mongodb://unused", "unused"), now_ms=clock)


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def job_parts(store: Store, storage: Storage, bus: Bus, clock: Clock) -> JobParts:
    """Return the parts of a gateway that deal with jobs."""
    return make_job_parts(
        settings_for("mongodb://unused", "unused"),
        store=store,
        storage=cast(RealStorage, storage),
        bus=bus,
        now_ms=clock,
    )


@pytest.fixture
def worker_events(job_parts: JobParts) -> WorkerEvents:
    return job_parts.worker_events
