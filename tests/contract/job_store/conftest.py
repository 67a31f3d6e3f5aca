"""A server that speaks MongoDB's protocol, and what works on it."""

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.gateway.app import JobParts, make_job_parts
from services.gateway.outbox import Outbox
from services.gateway.store import Store, open_store
from services.gateway.worker_events import WorkerEvents
from tests.contract.job_store.parts import Bus, Clock, Storage, settings_for


@pytest.fixture(scope="module")
async def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server of its own for this file."""
    home = tmp_path_factory.mktemp("mongodb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("nx-27017")
    arguments = ("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(home))
    arguments += ("--log-file", os.devnull, "--pid-file", str(home / "pid"))
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(str(program), *arguments, **quiet)
    try:
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true"
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.fixture
async def store(mongodb_url: str) -> AsyncIterator[Store]:
    """An empty database on that server."""
    async with open_store(settings_for(mongodb_url, f"test_{uuid.uuid4().hex[:8]}")) as store:
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
    """The parts of a gateway that have to do with jobs."""
    return make_job_parts(
        settings_for("mongodb://unused", "unused"), store=store, storage=storage, bus=bus, now_ms=clock
    )


@pytest.fixture
def worker_events(job_parts: JobParts) -> WorkerEvents:
    return job_parts.worker_events
