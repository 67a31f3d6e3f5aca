"""Which requests count for which limit, and what answers say about it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.auth import KEY_ID
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.errors import ApiError
from services.gateway.api.rate_limits import RateLimits, give_back
from services.gateway.api.routes.documents import DocumentRoutes
from services.gateway.api.routes.health import HealthRoutes
from services.gateway.settings import Rate, RateLimitSettings


async def authenticate(request: web.Request) -> User:
    """Let in every key of the form user/key."""
    user, _, key = request.headers.get("x-api-key", "").partition("/")
    if not user:
        raise ApiError(403, "missing_api_key", "A key is required.")
    request[KEY_ID] = key
    return User(user, "free", "n", 0)


async def answer(request: web.Request) -> web.Response:
    if request.get(KEY_ID) == "back":
        give_back(request)
    if "missing" in request.path:
        raise ApiError(404, "job_not_found", "No job has this id.")
    return web.json_response({})


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/jobs", answer),
            web.get("/jobs/{job_id}", answer),
            web.post("/reports", answer),
            web.post("/upload-url", answer),
        ]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


Ask = Callable[..., Any]


@asynccontextmanager
async def asking(clock: Clock | None = None, **rates: Rate | None) -> AsyncIterator[Ask]:
    """Yield a function that sends a request with a key and returns status, headers and body."""
    limits = RateLimits(RateLimitSettings(**rates), ClientAddresses(), clock=clock or Clock())
    subjects = [Subjects(), HealthRoutes("1"), DocumentRoutes(openapi={}, asyncapi={})]
    app = make_http_app(subjects, authenticate, limits=limits)
    async with TestClient(TestServer(app)) as client:

        async def ask(method: str, path: str, key: str = "") -> tuple[int, Any, Any]:
            async with client.request(method, path, headers={"x-api-key": key} if key else {}) as response:
                return response.status, response.headers, await response.read()

        yield ask


async def statuses(ask: Ask, count: int, *request: str) -> list[int]:
    return [(await ask(*request))[0] for _ in range(count)]


async def test_a_user_beyond_the_limit_waits_as_long_as_the_answer_says() -> None:
    clock = Clock()
    async with asking(clock, user=Rate(burst=3, per_minute=30)) as ask:
        assert await statuses(ask, 4, "GET", "/jobs", "u/k") == [200, 200, 200, 429]
        status, headers, body = await ask("GET", "/jobs", "u/k")
        assert status == 429
        assert b'"code": "too_many_requests"' in body
        assert b"3 requests at once and 30 a minute; retry after 2 s." in body
        assert headers["Retry-After"] == "2"
        assert headers["RateLimit-Policy"] == '"user";q=3;w=6'
        assert headers["RateLimit"] == '"user";r=0;t=6'
        clock.now_s += 2
        assert await statuses(ask, 2, "GET", "/jobs", "u/k") == [200, 429]
        clock.now_s += 60
        assert await statuses(ask, 4, "GET", "/jobs", "u/k") == [200, 200, 200, 429]


async def test_answers_state_the_limit_that_is_reached_first() -> None:
    async with asking(user=Rate(burst=5, per_minute=60), key=Rate(burst=3, per_minute=60)) as ask:
        _, headers, _ = await ask("GET", "/jobs", "u/k")
        assert (headers["RateLimit-Policy"], headers["RateLimit"]) == ('"key";q=3;w=3', '"key";r=2;t=1')
        await ask("GET", "/jobs", "u/other")
        await ask("GET", "/jobs", "u/other")
        status, headers, _ = await ask("GET", "/jobs/missing", "u/third")
        # Errors state it, too.
        assert (status, headers["RateLimit"]) == (404, '"user";r=1;t=4')


async def test_a_key_does_not_use_up_what_its_user_has() -> None:
    async with asking(user=Rate(burst=5, per_minute=60), key=Rate(burst=3, per_minute=60)) as ask:
        assert await statuses(ask, 10, "GET", "/jobs", "u/k") == [200] * 3 + [429] * 7
        assert await statuses(ask, 4, "GET", "/jobs", "u/other") == [200] * 2 + [429] * 2
        assert await statuses(ask, 1, "GET", "/jobs", "v/k2") == [200]


@pytest.mark.parametrize(("limit", "path"), [("reports", "/reports"), ("uploads", "/upload-url")])
async def test_requests_that_store_something_have_a_limit_of_their_own(limit: str, path: str) -> None:
    labels = {"limit": limit}
    before = REGISTRY.get_sample_value("waterhole_http_limited_total", labels) or 0
    async with asking(**{limit: Rate(burst=2, per_minute=1)}) as ask:
        assert await statuses(ask, 3, "POST", path, "u/k") == [200, 200, 429]
        assert await statuses(ask, 3, "POST", path, "u/other") == [429] * 3
        assert await statuses(ask, 3, "GET", "/jobs", "u/k") == [200] * 3
        assert await statuses(ask, 1, "POST", path, "v/k") == [200]
    assert REGISTRY.get_sample_value("waterhole_http_limited_total", labels) == before + 4


async def test_a_request_that_an_operation_does_not_count_gives_its_token_back() -> None:
    async with asking(uploads=Rate(burst=2, per_minute=1)) as ask:
        assert await statuses(ask, 5, "POST", "/upload-url", "u/back") == [200] * 5
        assert await statuses(ask, 3, "POST", "/upload-url", "u/k") == [200, 200, 429]
        assert await statuses(ask, 1, "POST", "/upload-url", "u/back") == [429]


async def test_requests_without_a_user_count_for_the_address() -> None:
    async with asking(address=Rate(burst=4, per_minute=1)) as ask:
        requests = [("GET", "/nowhere"), ("GET", "/docs"), ("GET", "/jobs"), ("GET", "/openapi.json")]
        assert [(await ask(*one))[0] for one in requests] == [404, 200, 403, 200]
        assert [(await ask(*one))[0] for one in requests] == [429] * 4
        # A user behind the same address is not concerned.
        assert await statuses(ask, 5, "GET", "/jobs", "u/k") == [200] * 5


async def test_health_is_exempt() -> None:
    async with asking(address=Rate(burst=1, per_minute=1)) as ask:
        assert await statuses(ask, 20, "GET", "/health") == [200] * 20
        _, headers, _ = await ask("GET", "/health")
        assert "RateLimit" not in headers


async def test_without_limits_every_request_is_answered() -> None:
    names = dict.fromkeys(RateLimitSettings.model_fields)
    async with asking(**names) as ask:
        for request in (("POST", "/reports", "u/k"), ("GET", "/docs")):
            assert await statuses(ask, 50, *request) == [200] * 50
