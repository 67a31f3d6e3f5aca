"""A service's process: health, readiness, metrics, shutdown, and what it logs."""

import asyncio
import contextlib
import json
import os
import re
import runpy
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from deploy.local.ports import free_ports
from shared import service
from shared.service import VERSION

PATIENCE_S = 60.0
REPOSITORY = Path(__file__).parents[3]
SECRET = "the-secret-key-of-storage"

# A service that is ready once a file exists, and whose consumer behaves as the first argument says.
SERVICE = """
import asyncio, logging, sys
from pathlib import Path
import structlog
from aiohttp import web
from shared import service
from shared.errors import PermanentError, TransientError
from shared.settings import ServiceSettings

behaviour, ready_file = sys.argv[1], Path(sys.argv[2])
logger = structlog.get_logger(__name__)

async def storage():
    if not ready_file.exists():
        raise TransientError("Storage is unavailable.")

class Worker:
    async def check(self):
        if behaviour == "unassigned":
            raise TransientError("The consumer has no partitions yet.")

    async def run(self, stop):
        structlog.contextvars.bind_contextvars(job_id="job-1", event_id="event-1")
        logger.info("event handled", seconds=0.5, secret=str(settings.s3_secret_key))
        logging.getLogger("aiokafka").warning("a library's %s", "warning")
        if behaviour == "dies":
            raise TransientError("The event bus is unavailable.")
        if behaviour == "bug":
            raise ZeroDivisionError("a bug")
        await stop.wait()
        await asyncio.sleep(0.2)
        logger.info("drained")

async def background(stop):
    await stop.wait()
    logger.info("background ended")

async def slow(request):
    # Answered when the file is there that this process' storage is ready by.
    while not ready_file.exists():
        await asyncio.sleep(0.02)
    logger.info("slow request answered")
    return web.json_response({})

async def told(app):
    logger.info("told to stop", routes=len(app.router.resources()))

async def serve(settings):
    app = None
    if behaviour == "own health":
        async def health(request):
            return web.json_response({"status": "healthy", "own": True})
        app = web.Application()
        app.router.add_get("/health", health)
    if behaviour == "drains":
        app = web.Application()
        app.router.add_post("/slow", slow)
    await service.run(
        "test",
        settings,
        app=app,
        consumer=Worker(),
        checks={"s3": storage},
        background=[background],
        on_stop=[told],
        drain_s=1.0 if behaviour == "drains" else 0.0,
    )

settings = ServiceSettings()
service.main("test", ServiceSettings, serve)
"""


class Process:
    """The running service."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, ready_file: Path) -> None:
        self._process = process
        self.url = url
        self.ready_file = ready_file

    async def get(self, path: str) -> tuple[int, str, str]:
        """Send GET and return status, content type and body."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, response.content_type, await response.text()

    async def until_up(self) -> None:
        """Wait until the service answers."""
        async with asyncio.timeout(PATIENCE_S):
            while self._process.returncode is None:
                try:
                    await self.get("/health")
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    return

    def send(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    async def ended(self) -> tuple[int, list[dict]]:
        """Wait for the end and return the exit status and each line of the log."""
        _, log = await asyncio.wait_for(self._process.communicate(), PATIENCE_S)
        return self._process.returncode, [json.loads(line) for line in log.decode().splitlines()]


@asynccontextmanager
async def service_that(behaviour: str, folder: Path) -> AsyncIterator[Process]:
    (port,) = free_ports(1)
    environment = {
        "WATERHOLE_PORT": str(port),
        "WATERHOLE_S3_SECRET_KEY": SECRET,
        "PYTHONPATH": os.fspath(REPOSITORY),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, behaviour, os.fspath(folder / "ready")),
        env=environment,
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process, f"http://127.0.0.1:{port}", folder / "ready")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def line_of(log: list[dict], event: str) -> dict:
    (found,) = [line for line in log if line["event"] == event]
    return found


async def test_a_service_from_its_start_to_its_end(tmp_path):
    async with service_that("works", tmp_path) as process:
        await process.until_up()
        status, kind, body = await process.get("/health")
        assert (status, kind, json.loads(body)) == (200, "application/json", {"status": "healthy", "version": VERSION})

        status, _, body = await process.get("/ready")
        assert (status, json.loads(body)) == (
            503,
            {"ready": False, "checks": {"s3": "unavailable: Storage is unavailable.", "consumer": "ready"}},
        )
        process.ready_file.touch()
        status, _, body = await process.get("/ready")
        assert (status, json.loads(body)) == (200, {"ready": True, "checks": {"s3": "ready", "consumer": "ready"}})

        status, kind, body = await process.get("/metrics")
        assert (status, kind) == (200, "text/plain")
        assert "# TYPE python_info gauge" in body

        process.send(signal.SIGTERM)
        status, log = await process.ended()
    assert status == 0
    events = [line["event"] for line in log]
    assert events.index("service started") < events.index("drained") < events.index("service stopped")
    assert "background ended" in events
    for line in log:
        assert {"event", "level", "timestamp", "service"} <= set(line)
        assert line["service"] == "test"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    handled = line_of(log, "event handled")
    assert (handled["job_id"], handled["event_id"], handled["seconds"], handled["level"]) == (
        "job-1",
        "event-1",
        0.5,
        "info",
    )
    library = line_of(log, "a library's warning")
    assert (library["logger"], library["level"], library["job_id"]) == ("aiokafka", "warning", "job-1")
    # The job id is bound in the consumer's task alone.
    assert "job_id" not in line_of(log, "background ended")
    assert SECRET not in json.dumps(log)


async def test_an_interrupt_drains_too_and_a_consumer_without_partitions_is_not_ready(tmp_path):
    (tmp_path / "ready").touch()
    async with service_that("unassigned", tmp_path) as process:
        await process.until_up()
        status, _, body = await process.get("/ready")
        assert status == 503
        assert json.loads(body)["checks"] == {
            "s3": "ready",
            "consumer": "unavailable: The consumer has no partitions yet.",
        }
        process.send(signal.SIGINT)
        status, log = await process.ended()
    assert status == 0
    assert line_of(log, "drained")["level"] == "info"


async def test_a_consumer_that_fails_ends_the_process(tmp_path):
    async with service_that("dies", tmp_path) as process:
        status, log = await process.ended()
    assert status == 1
    failed = line_of(log, "service failed")
    assert (failed["level"], failed["errors"]) == ("error", ["The event bus is unavailable."])
    # An unavailable server is not a bug: no stack trace.
    assert "exception" not in failed


async def test_a_bug_in_a_consumer_ends_the_process_and_logs_its_trace(tmp_path):
    async with service_that("bug", tmp_path) as process:
        status, log = await process.ended()
    assert status == 1
    failed = line_of(log, "service failed")
    assert failed["level"] == "error"
    assert "ZeroDivisionError: a bug" in failed["exception"]


async def test_a_service_can_define_its_own_health(tmp_path):
    async with service_that("own health", tmp_path) as process:
        await process.until_up()
        assert json.loads((await process.get("/health"))[2]) == {"status": "healthy", "own": True}
        process.send(signal.SIGTERM)
        assert (await process.ended())[0] == 0


async def test_a_draining_service_answers_running_requests_and_closes_each_connection(tmp_path):
    async with service_that("drains", tmp_path) as process, aiohttp.ClientSession() as session:
        await process.until_up()
        async with session.get(process.url + "/health") as kept:
            assert "Connection" not in kept.headers
        slow = asyncio.create_task(session.post(process.url + "/slow"))
        await asyncio.sleep(0.1)
        process.send(signal.SIGTERM)
        answers = 0
        with contextlib.suppress(aiohttp.ClientConnectionError):
            while True:
                # Each request uses a new connection, which is refused once the drain is over.
                async with session.get(process.url + "/ready") as response:
                    await response.read()
                if response.headers.get("Connection") == "close":
                    answers += 1
                    assert (response.status, (await response.json())["checks"]["process"]) == (503, "stopping")
                await asyncio.sleep(0.05)
        assert answers >= 3
        process.ready_file.touch()
        async with await slow as response:
            assert (response.status, response.headers["Connection"]) == (200, "close")
        status, log = await process.ended()
    assert status == 0
    events = [line["event"] for line in log]
    order = ["service stopping", "told to stop", "drained", "slow request answered", "background ended"]
    assert [event for event in events if event in order] == order


async def test_a_service_that_stops_is_not_ready():
    stop = asyncio.Event()
    ready = service._readiness({}, stop)
    request = make_mocked_request("GET", "/ready")
    assert (await ready(request)).status == 200
    stop.set()
    response = await ready(request)
    assert (response.status, json.loads(response.text)["checks"]) == (503, {"process": "stopping"})


@pytest.mark.parametrize("name", ["gateway", "ingest", "dedoppler", "classify", "export"])
def test_a_service_without_valid_settings_ends_with_one_sentence(monkeypatch, name):
    for variable in [variable for variable in os.environ if variable.startswith("WATERHOLE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("WATERHOLE_PORT", "eighty")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"services.{name}", run_name="__main__")
    # Python prints a text unchanged and exits with 1.
    sentence = ended.value.code
    assert sentence.startswith(f"{name}: These environment variables are missing or not valid: ")
    assert "WATERHOLE_PORT: Input should be a valid integer" in sentence
    assert "(Port that the HTTP server listens on)" in sentence
    assert ("WATERHOLE_API_KEY_PEPPER: missing (Secret that" in sentence) == (name == "gateway")
    assert "eighty" not in sentence
    assert "\n" not in sentence


async def test_requests_at_the_same_time_share_the_checks():
    checked = 0

    async def check():
        nonlocal checked
        checked += 1
        await asyncio.sleep(0.02)

    ready = service._readiness({"s3": check}, asyncio.Event())
    request = make_mocked_request("GET", "/ready")
    responses = await asyncio.gather(*(ready(request) for _ in range(50)))
    assert [response.status for response in responses] == [200] * 50
    assert checked == 1
    # One that goes away takes nothing from the others, and a later request checks again.
    leaving = asyncio.create_task(ready(request))
    staying = asyncio.create_task(ready(request))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).status == 200
    assert checked == 2
