"""The HTTP application: its routes, and the middlewares that every request passes."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from aiohttp import web

from services.gateway.api.auth import Authenticate, auth_middleware
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.cors import Cors
from services.gateway.api.document.operations import QUERY_PARAMETERS
from services.gateway.api.errors import errors_middleware
from services.gateway.api.query import query_middleware
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.request_log import add_request_id, request_log_middleware
from services.gateway.api.request_timeout import request_timeout_middleware
from services.gateway.api.routes import cadence_events, job_events, spectra, user_events
from services.gateway.api.security_headers import security_headers
from services.gateway.api.session_auth import vary_on_cookie
from services.gateway.api.sign_ins import LimitedAuthentication
from services.gateway.settings import UNLIMITED_RATES

MAX_BODY_BYTES = 1024 * 1024
REQUEST_TIMEOUT_S = 30.0
# Streams last longer; /ready and spectra have time-outs of their own, for the parts of their work.
UNLIMITED = frozenset({job_events.PATH, cadence_events.PATH, user_events.PATH, spectra.PATH, "/ready"})


class Routes(Protocol):
    """The routes of one subject."""

    def routes(self) -> list[web.RouteDef]:
        """Return method, path and handler of each route."""


def make_http_app(
    subjects: Iterable[Routes],
    authenticate: Authenticate,
    *,
    limits: RateLimits | None = None,
    cors_origins: Sequence[str] = (),
    is_tls: bool = False,
    request_timeout_s: float = REQUEST_TIMEOUT_S,
) -> web.Application:
    """Return the HTTP application. Each request passes the middlewares in their order.

    Without `limits`, any number of requests is answered.
    """
    limits = limits if limits is not None else RateLimits(UNLIMITED_RATES, ClientAddresses())
    cors = Cors(cors_origins)
    middlewares = [
        request_log_middleware,
        errors_middleware,
        cors.options_middleware,
        request_timeout_middleware(request_timeout_s, unlimited=UNLIMITED),
        auth_middleware(LimitedAuthentication(authenticate, limits)),
        limits.middleware,
        query_middleware(QUERY_PARAMETERS),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(add_request_id)
    app.on_response_prepare.append(security_headers(limits.addresses, is_tls=is_tls))
    app.on_response_prepare.append(limits.add_headers)
    app.on_response_prepare.append(vary_on_cookie)
    if cors_origins:
        app.on_response_prepare.append(cors.add_headers)
    for subject in subjects:
        app.add_routes(subject.routes())
    return app
