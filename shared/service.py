"""The run loop of every service: HTTP for health, readiness and metrics beside the consumer, in one task group.

SIGTERM and SIGINT drain the process in these steps:

1. /ready answers 503 and the consumer takes no more messages.
2. The consumer finishes its messages and commits their offsets. Meanwhile HTTP requests are still answered, for as long
   as load balancers need to notice.
3. The HTTP server accepts no more connections and answers the requests it has.
4. Background tasks end, and the process exits with 0.

If the consumer or a background task fails, the process exits with 1, and its supervisor starts a new one.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.errors import WaterholeError
from shared.logs import configure_logs
from shared.memory import limit_memory
from shared.settings import ServiceSettings, SettingsError, SettingsT, read_settings

logger = structlog.get_logger(__name__)

VERSION = version("waterhole")
CHECK_TIMEOUT_S = 5.0
# How long the last requests may take after the HTTP server has stopped accepting connections.
SHUTDOWN_TIMEOUT_S = 10.0
# A connection without a request, or with incomplete headers, is closed after this time.
KEEP_ALIVE_S = 75.0
# Longest request line or header, bytes, and most headers of a request.
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100

Check = Callable[[], Awaitable[None]]
Background = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Runnable(Protocol):
    """A consumer that runs until it is asked to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Handle messages until `stop` is set; raise if that is no longer possible."""

    async def check(self) -> None:
        """Raise unless messages can be received."""


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "healthy", "version": VERSION})


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _readiness(checks: Mapping[str, Check], stop: asyncio.Event) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def one(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except (WaterholeError, TimeoutError, OSError) as error:
            return f"unavailable: {error}"
        return "ready"

    async def all_of_them() -> dict[str, str]:
        return dict(zip(checks, await asyncio.gather(*map(one, checks.values())), strict=True))

    checking: asyncio.Task[dict[str, str]] | None = None

    async def ready(_request: web.Request) -> web.Response:
        nonlocal checking
        if checking is None or checking.done():
            checking = asyncio.create_task(all_of_them())
        # Requests at the same time share the checks: this path has no rate limit, and they cost several requests each.
        results = dict(await asyncio.shield(checking))
        if stop.is_set():
            # Load balancers send new requests elsewhere while the process finishes its work.
            results["process"] = "stopping"
        up = all(result == "ready" for result in results.values())
        return web.json_response({"ready": up, "checks": results}, status=200 if up else 503)

    return ready


def _last_of_connection(stop: asyncio.Event) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a signal handler that closes each connection after its response once the process stops."""

    async def close(_request: web.Request, response: web.StreamResponse) -> None:
        if stop.is_set():
            response.headers["Connection"] = "close"
            response.force_close()

    return close


def _has_route(app: web.Application, path: str) -> bool:
    return any(resource.canonical == path for resource in app.router.resources())


def _add_service_routes(app: web.Application, checks: Mapping[str, Check], stop: asyncio.Event) -> web.Application:
    """Add /health (unless `app` has one), /ready and /metrics."""
    if not _has_route(app, "/health"):
        app.router.add_get("/health", _health)
    app.router.add_get("/ready", _readiness(checks, stop))
    app.router.add_get("/metrics", _metrics)
    app.on_response_prepare.append(_last_of_connection(stop))
    return app


async def _start_http(
    app: web.Application, settings: ServiceSettings, make_runner: Callable[..., web.AppRunner]
) -> web.AppRunner:
    runner = make_runner(
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
    make_runner: Callable[..., web.AppRunner] = web.AppRunner,
    consumer: Runnable | None = None,
    checks: Mapping[str, Check] | None = None,
    background: Sequence[Background] = (),
    on_stop: Sequence[Callable[[web.Application], Awaitable[None]]] = (),
    drain_s: float = 0.0,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Parameters
    ----------
    name
        Name of the service in its logs.
    settings
        Address of the HTTP server.
    app
        Routes of the service; /health, /ready and /metrics are added to it.
    make_runner
        Makes the HTTP server of `app`.
    consumer
        Runs until the signal arrives.
    checks
        Readiness check of each dependency. A check raises a `WaterholeError` while its dependency is unavailable.
    background
        Tasks that run until the event passed to them is set, after the last request is answered.
    on_stop
        Called with `app` when the signal arrives; `on_shutdown` of `app` is called later, after the drain.
    drain_s
        Time after the signal in which connections are still accepted, each closed after one request. It lasts longer
        if the consumer still has messages.

    Raises
    ------
    ExceptionGroup
        The consumer or a background task failed.
    """
    # What the process has loaded stays: the garbage collector need not look at it, which would take a tenth of a second
    # each time while a job with thousands of hits is in hand, and the event loop would wait.
    gc.collect()
    gc.freeze()
    stop, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    all_checks = dict(checks or {})
    if consumer is not None:
        all_checks["consumer"] = consumer.check
    served = _add_service_routes(app if app is not None else web.Application(), all_checks, stop)
    runner = await _start_http(served, settings, make_runner)
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
    kind: type[SettingsT],
    serve: Callable[[SettingsT], Awaitable[None]],
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Read the settings, configure logs, run `serve(settings)` and exit.

    The exit code is 0 after a drain and 1 after a failure. Missing settings are one sentence on standard error.

    Parameters
    ----------
    name
        Name of the service in its logs.
    kind
        Class of the settings, read from the environment.
    serve
        Runs the service; see `run`.
    new_loop
        Makes the event loop; asyncio's own by default.
    """
    try:
        settings = read_settings(kind)
    except SettingsError as error:
        sys.exit(f"{name}: {error}")
    configure_logs(name, settings.log_level)
    limit_memory(settings.memory_limit_mb)

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
