"""The HTTP application: which routes there are, and what every request passes on its way to them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from aiohttp import web

from services.gateway.api.auth import Authenticate, auth_middleware
from services.gateway.api.cors import Cors
from services.gateway.api.errors import errors_middleware
from services.gateway.api.request_log import request_log_middleware, tell_request_id
from services.gateway.api.routes.job_events import STREAMS
from services.gateway.api.time_limit import time_limit_middleware

MAX_BODY_BYTES = 1024 * 1024
REQUEST_TIMEOUT_S = 30.0
# Streams last, and readiness has limits of its own, after which it tells which server is away.
UNLIMITED = STREAMS | {"/ready"}


class Routes(Protocol):
    """Routes on one subject."""

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each."""


class HealthRoutes:
    """GET /health."""

    def __init__(self, version: str) -> None:
        self._version = version

    def routes(self) -> list[web.RouteDef]:
        """Method and path."""
        return [web.get("/health", self.health)]

    async def health(self, _request: web.Request) -> web.Response:
        """GET /health: this process answers."""
        return web.json_response({"status": "healthy", "version": self._version})


def make_http_app(
    subjects: Iterable[Routes],
    authenticate: Authenticate,
    *,
    cors_origins: Sequence[str] = (),
    request_timeout_s: float = REQUEST_TIMEOUT_S,
) -> web.Application:
    """The HTTP application; each request passes the middlewares from left to right."""
    cors = Cors(cors_origins)
    middlewares = [
        request_log_middleware,
        errors_middleware,
        cors.options_middleware,
        time_limit_middleware(request_timeout_s, unlimited=UNLIMITED),
        auth_middleware(authenticate),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(tell_request_id)
    if cors_origins:
        app.on_response_prepare.append(cors.tell)
    for subject in subjects:
        app.add_routes(subject.routes())
    return app
