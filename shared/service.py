"""The run loop of every service: HTTP for health, readiness and metrics beside the consumer, in one task group.

SIGTERM and SIGINT drain, in this order: /ready says 503 and no more messages are taken; those in hand are finished and
their offsets committed, while requests are answered for as long as load balancers take to notice; no more connections
are accepted, and the requests in hand are answered; background tasks end, and the process exits 0. A consumer or
background task that dies takes the process with it, exit code 1, and the supervisor starts a fresh one.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.errors import WaterholeError
from shared.logs import configure_logs
from shared.settings import ServiceSettings

logger = structlog.get_logger(__name__)

VERSION = version("waterhole")
CHECK_TIMEOUT_S = 5.0
# How long requests in hand may take to end after everything else has.
SHUTDOWN_TIMEOUT_S = 10.0
# A connection without a request, or with half of one's headers, is closed after this time.
KEEP_ALIVE_S = 75.0
# The longest request line or header, bytes, and how many headers a request may have.
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100

Check = Callable[[], Awaitable[None]]
Background = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class Runnable(Protocol):
    """What consumes from the bus until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raise when no more work is possible."""

    async def check(self) -> None:
        """Raise unless messages can be received."""


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "healthy", "version": VERSION})


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _readiness(checks: Mapping[str, Check], stop: asyncio.Event) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def one(check: Check) -> str:
        try:
            await asyncio.wait_for(check(), CHECK_TIMEOUT_S)
        except (WaterholeError, TimeoutError, OSError) as error:
            return f"away: {error}"
        return "ready"

    async def ready(_request: web.Request) -> web.Response:
        results = dict(zip(checks, await asyncio.gather(*map(one, checks.values())), strict=True))
        if stop.is_set():
            # No new work, please, while the work in hand is finished.
            results["process"] = "stopping"
        up = all(result == "ready" for result in results.values())
        return web.json_response({"ready": up, "checks": results}, status=200 if up else 503)

    return ready


def _last_of_connection(stop: asyncio.Event) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Have clients open their next connection elsewhere; called before the headers of a response leave."""

    async def tell(_request: web.Request, response: web.StreamResponse) -> None:
        if stop.is_set():
            response.headers["Connection"] = "close"
            response.force_close()

    return tell


def _has_route(app: web.Application, path: str) -> bool:
    return any(resource.canonical == path for resource in app.router.resources())


def _add_own(app: web.Application, checks: Mapping[str, Check], stop: asyncio.Event) -> web.Application:
    """Add what every service answers."""
    if not _has_route(app, "/health"):
        app.router.add_get("/health", _health)
    app.router.add_get("/ready", _readiness(checks, stop))
    app.router.add_get("/metrics", _metrics)
    app.on_response_prepare.append(_last_of_connection(stop))
    return app


async def _start_http(app: web.Application, settings: ServiceSettings) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    return runner


async def run(
    name: str,
    settings: ServiceSettings,
    *,
    app: web.Application | None = None,
    consumer: Runnable | None = None,
    checks: Mapping[str, Check] | None = None,
    background: Sequence[Background] = (),
    on_stop: Sequence[Callable[[web.Application], Awaitable[None]]] = (),
    drain_s: float = 0.0,
) -> None:
    """Serve until SIGTERM or SIGINT, and then drain.

    `app` gets /health, /ready and /metrics added. `checks` are the readiness checks by dependency; each raises a
    `WaterholeError` while its dependency is away. `background` tasks run until the event they are given is set, which
    is when the last request is answered. With the signal `on_stop` is called, as `on_shutdown` of `app` is later on;
    for `drain_s` from then on, or longer if messages are still in hand, connections are accepted, and each is closed
    after one request.
    """
    stop, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    all_checks = dict(checks or {})
    if consumer is not None:
        all_checks["consumer"] = consumer.check
    served = _add_own(app if app is not None else web.Application(), all_checks, stop)
    runner = await _start_http(served, settings)
    logger.info("service started", name=name, host=settings.host, port=settings.port, version=VERSION)

    async def drain(consuming: Sequence[asyncio.Task[None]]) -> None:
        await stop.wait()
        logger.info("service stopping", name=name)
        for call in on_stop:
            await call(served)
        await asyncio.sleep(drain_s)
        if consuming:
            await asyncio.wait(consuming)
        await runner.cleanup()
        ended.set()

    try:
        async with asyncio.TaskGroup() as group:
            consuming = [group.create_task(consumer.run(stop))] if consumer is not None else []
            for task in background:
                group.create_task(task(ended))
            group.create_task(drain(consuming))
    finally:
        if not ended.is_set():
            await runner.cleanup()
    logger.info("service stopped", name=name)


def main(
    name: str,
    settings: SettingsT,
    serve: Callable[[SettingsT], Awaitable[None]],
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Configure logs, run `serve(settings)`, exit 0 after a drain and 1 after a failure.

    `new_loop` makes the event loop, asyncio's own where it is left out.
    """
    configure_logs(name, settings.log_level)

    async def guarded() -> int:
        status = 0
        try:
            await serve(settings)
        except* WaterholeError as group:
            status = 1
            logger.error("service failed", errors=[str(error) for error in group.exceptions])  # noqa: TRY400 - no bug, no trace
        except* Exception:
            status = 1
            logger.exception("service failed")
        return status

    with asyncio.Runner(loop_factory=new_loop) as runner:
        status = runner.run(guarded())
    sys.exit(status)
