"""CORS: which web pages may read answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.errors import ApiError

pytestmark = pytest.mark.browser

PAGE, OTHER = "https://dashboard.example", "https://elsewhere.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}


class Subject:
    def routes(self) -> list[web.RouteDef]:
        return [web.get("/jobs", self.jobs), web.post("/jobs", self.jobs), web.get("/stream", self.stream)]

    async def jobs(self, _request: web.Request) -> web.Response:
        return web.json_response([], headers={"X-Next-Cursor": "abc"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b": hello\n\n")
        return response


async def authenticate(request: web.Request) -> User:
    if "x-api-key" not in request.headers:
        raise ApiError(403, "missing_api_key", "Send a key.")
    return User("u", "free", "n", 0)


@asynccontextmanager
async def serving(*origins: str) -> AsyncIterator[TestClient[Any, Any]]:
    app = make_http_app([Subject()], authenticate, cors_origins=origins)
    async with TestClient(TestServer(app)) as client:
        yield client


def cors_headers(response: Any) -> dict[str, str]:
    """Return the CORS headers of an answer."""
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in response.headers.items()
        if name.lower().startswith("access-control-")
    }


async def test_by_default_no_page_gets_cors_headers() -> None:
    async with serving() as client:
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": PAGE, "x-api-key": "k", **PREFLIGHT}
            response = await client.request(method, "/jobs", headers=headers)
            assert cors_headers(response) == {}
            assert "Vary" not in response.headers


async def test_a_preflight_needs_no_key() -> None:
    async with serving(PAGE) as client:
        response = await client.options("/jobs", headers={"Origin": PAGE, **PREFLIGHT})
        assert response.status == 204
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        answer = cors_headers(response)
        assert answer["allow-origin"] == PAGE
        assert answer["allow-methods"] == "GET, HEAD, OPTIONS, POST"
        allowed = answer["allow-headers"].lower().split(", ")
        assert {"x-api-key", "authorization", "content-type", "idempotency-key", "last-event-id"} <= set(allowed)
        assert int(answer["max-age"]) > 0
        assert "allow-credentials" not in answer


@pytest.mark.parametrize(("path", "status"), [("/jobs", 200), ("/stream", 200), ("/nowhere", 404)])
async def test_an_allowed_page_reads_answers_streams_and_errors(path: str, status: int) -> None:
    async with serving(OTHER, PAGE) as client:
        response = await client.get(path, headers={"Origin": PAGE, "x-api-key": "k"})
        assert response.status == status
        assert cors_headers(response)["allow-origin"] == PAGE
        assert response.headers["Vary"] == "Origin"
        exposed = cors_headers(response)["expose-headers"].split(", ")
        assert {"X-Request-Id", "X-Next-Cursor", "Retry-After", "Link", "ETag"} <= set(exposed)


async def test_a_page_without_a_key_can_read_the_error() -> None:
    async with serving(PAGE) as client:
        response = await client.get("/jobs", headers={"Origin": PAGE})
        assert (response.status, cors_headers(response)["allow-origin"]) == (403, PAGE)


@pytest.mark.parametrize(
    "origin", [OTHER, "null", PAGE + ".evil.example", PAGE.upper(), "https://dashboard.example:8443"]
)
async def test_other_pages_get_no_cors_headers(origin: str) -> None:
    async with serving(PAGE) as client:
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": origin, "x-api-key": "k", **PREFLIGHT}
            response = await client.request(method, "/jobs", headers=headers)
            assert cors_headers(response) == {}
            assert response.headers["Vary"] == "Origin"


async def test_all_pages_can_be_allowed() -> None:
    async with serving("*") as client:
        response = await client.get("/jobs", headers={"Origin": OTHER, "x-api-key": "k"})
        assert cors_headers(response)["allow-origin"] == "*"
        assert "Vary" not in response.headers
