"""What each answer tells browsers."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.document.page import DOCUMENT_PATHS
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.documents import DocumentRoutes
from services.gateway.api.routes.health import HealthRoutes
from services.gateway.settings import UNLIMITED_RATES

SUBJECTS = [HealthRoutes("1"), DocumentRoutes(openapi={}, asyncapi={})]
PATHS = ("/health", "/nowhere", *sorted(DOCUMENT_PATHS))


async def anybody(_request: web.Request) -> User:
    return User("u1", "free", "n", 0)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[TestClient]:
    limits = RateLimits(UNLIMITED_RATES, ClientAddresses([ip_network("127.0.0.0/8")]))
    async with TestClient(TestServer(make_http_app(SUBJECTS, anybody, limits=limits))) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
async def test_every_answer_states_its_type_and_loads_nothing(client: TestClient, method: str, path: str) -> None:
    async with client.request(method, path, allow_redirects=False) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        # Neither the name nor the version of the software.
        assert response.headers["Server"] == "Waterhole"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "Cache-Control" in response.headers
        assert "Strict-Transport-Security" not in response.headers


async def test_the_page_has_all_headers_of_a_page(client: TestClient) -> None:
    async with client.get("/docs") as response:
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in response.headers["Permissions-Policy"]
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]


async def test_caches_keep_only_the_files_of_the_page(client: TestClient) -> None:
    for path, expected in (("/health", "no-store"), ("/docs", "no-cache"), ("/docs/start.js", "public, max-age=86400")):
        async with client.get(path) as response:
            assert response.headers["Cache-Control"] == expected


async def test_tls_is_stated_where_a_trusted_proxy_or_the_setting_says_so(client: TestClient) -> None:
    async with client.get("/docs", headers={"X-Forwarded-Proto": "https"}) as response:
        assert response.headers["Strict-Transport-Security"] == "max-age=63072000"
    app = make_http_app(SUBJECTS, anybody, is_tls=True)
    async with TestClient(TestServer(app)) as always, always.get("/docs") as response:
        assert response.headers["Strict-Transport-Security"] == "max-age=63072000"
