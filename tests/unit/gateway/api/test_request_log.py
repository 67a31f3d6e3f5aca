"""The id, the log line and the metrics of a request."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.errors import ApiError


async def authenticate(request: web.Request) -> User:
    if "x-api-key" not in request.headers:
        raise ApiError(403, "missing_api_key", "A key is required.")
    return User("u1", "free", "n", 0)


async def answer(_request: web.Request) -> web.Response:
    return web.Response()


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [web.get("/whoami/{name}", answer)]


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_http_app([Subjects()], authenticate))) as client:
        yield client


async def ask(client: TestClient, path: str) -> int:
    async with client.get(path, headers={"x-api-key": "k"}) as response:
        return response.status


async def test_a_log_line_names_its_own_user_not_the_previous_one(client: TestClient) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        await ask(client, "/whoami/x")
        # This request uses the same connection.
        await (await client.get("/whoami/x")).read()
    first, second = (line for line in lines if line["event"] == "request")
    assert first["user_id"] == "u1"
    assert "user_id" not in second
    assert first["request_id"] != second["request_id"]


async def test_request_ids_are_returned(client: TestClient) -> None:
    kept = await client.get("/whoami/x", headers={"X-Request-Id": "abc-1"})
    assert kept.headers["X-Request-Id"] == "abc-1"
    replaced = await client.get("/whoami/x", headers={"X-Request-Id": "a b<script>"})
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_requests_are_counted_by_route_template(client: TestClient) -> None:
    labels = {"method": "GET", "route": "/whoami/{name}", "status": "200"}
    before = REGISTRY.get_sample_value("waterhole_http_requests_total", labels) or 0.0
    await ask(client, "/whoami/a")
    await ask(client, "/whoami/b")
    assert REGISTRY.get_sample_value("waterhole_http_requests_total", labels) == before + 2
