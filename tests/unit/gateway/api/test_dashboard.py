"""The paths of the dashboard: files, views of the page, what caches keep."""

import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.errors import ApiError
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.dashboard import DashboardRoutes
from services.gateway.api.routes.documents import DocumentRoutes
from services.gateway.settings import Rate, RateLimitSettings

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def nobody(_request: web.Request) -> User:
    raise ApiError(403, "missing_api_key", "Nobody is let in.")


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[TestClient]:
    limits = RateLimits(RateLimitSettings(address=Rate(burst=60, per_minute=1)), ClientAddresses())
    subjects = [DocumentRoutes(openapi={}, asyncapi={}), DashboardRoutes(("https://files.example.org",))]
    app = make_http_app(subjects, nobody, limits=limits)
    # Otherwise the client would undo the compression.
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/app/", "/app/upload", "/app/jobs/5e1359d3-5722-48a8-8e6c-8981875b8933?hit=3", "/app/nowhere"]
)
async def test_every_view_is_the_page(client: TestClient, path: str) -> None:
    async with client.get(path, headers={"Accept-Encoding": "identity"}) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Cache-Control"] == "no-store"
        assert "connect-src 'self' https://files.example.org" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert b"/app/app.js" in await response.read()


async def test_files_are_compressed_for_clients_that_take_it(client: TestClient) -> None:
    async with client.get("/app/app.js", headers={"Accept-Encoding": "gzip, br"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        compressed, marked = await response.read(), response.headers["ETag"]
    async with client.get("/app/app.js", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        assert response.content_type == "text/javascript"
        assert await response.read() == gzip.decompress(compressed)
        assert response.headers["ETag"] != marked


async def test_a_file_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    async with client.get("/app/style/base.css") as response:
        assert response.headers["Cache-Control"] == "no-cache"
        etag = response.headers["ETag"]
    for given, status in ((etag, 304), (f'"x", W/{etag}', 304), ('"x"', 200)):
        async with client.get("/app/style/base.css", headers={"If-None-Match": given}) as response:
            assert response.status == status
            assert response.headers["ETag"] == etag
            assert bool(await response.read()) == (status == 200)


@pytest.mark.parametrize(
    "path",
    ["/app/nothing.js", "/app/__init__.py", "/app/vendor/../../settings.py", "/app/..%2fsettings.py", "/app/pages/"],
)
async def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    async with client.get(path, headers={"Accept-Encoding": "identity"}) as response:
        text = await response.text()
        # A path without a file's name is a view; the page says that there is none.
        assert response.status == (200 if path.endswith("/") else 404)
        assert ("/app/app.js" in text) == path.endswith("/")


async def test_browsers_are_led_to_the_dashboard_and_programs_to_the_documents(client: TestClient) -> None:
    for headers, goal in ((BROWSER, "/app/"), ({"Accept": "*/*"}, "/docs")):
        async with client.get("/", headers=headers, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, goal.removeprefix("/"))
            assert response.headers["Vary"] == "Accept"
    async with client.get("/app", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "app/")


async def test_many_people_behind_one_address_open_it_at_once(client: TestClient) -> None:
    for _ in range(100):
        async with client.get("/app/app.js") as response:
            assert response.status == 200
            assert "RateLimit" not in response.headers


async def test_what_lies_beside_it_is_not_public(client: TestClient) -> None:
    for path in ("/application", "/appx/", "/jobs"):
        async with client.get(path) as response:
            assert response.status in (403, 404)
    async with client.post("/app/") as response:
        assert response.status == 405
