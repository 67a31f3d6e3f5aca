"""The API's documents and the page that shows them are public and load nothing from other servers."""

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.document.asyncapi import make_asyncapi
from services.gateway.api.document.openapi import make_openapi
from services.gateway.api.document.page import ASSETS, DOCUMENT_PATHS, SCRIPT, SCRIPT_PATH
from services.gateway.api.errors import ApiError
from services.gateway.api.routes.documents import DocumentRoutes

pytestmark = pytest.mark.browser

OPENAPI, ASYNCAPI = make_openapi("1.2.3"), make_asyncapi("1.2.3")


async def nobody(_request: web.Request) -> User:
    raise ApiError(403, "missing_api_key", "Nobody is let in.")


class Secrets:
    def routes(self) -> list[web.RouteDef]:
        return [web.get(path, self.secret) for path in ("/docs/x", "/openapi.json/x", "/jobs")]

    async def secret(self, _request: web.Request) -> web.Response:
        return web.Response()


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    app = make_http_app([DocumentRoutes(openapi=OPENAPI, asyncapi=ASYNCAPI)], nobody)
    async with TestClient(TestServer(app)) as client:
        yield client


class Page(HTMLParser):
    """Collects what a page refers to and its inline content."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"} and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize(("path", "document"), [("/openapi.json", OPENAPI), ("/asyncapi.json", ASYNCAPI)])
async def test_documents_are_public(client: TestClient[Any, Any], path: str, document: Any) -> None:
    async with client.get(path) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.json() == json.loads(json.dumps(document))


async def test_the_page_refers_only_to_this_server(client: TestClient[Any, Any]) -> None:
    async with client.get("/docs") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        text = await response.text()
        page = Page(text)
        assert page.inline == []
        assert "//" not in text
        found = {str(response.url.join(response.url.with_path(f"/{address}"))) for address in page.addresses}
        assert {address.removeprefix("docs/") for address in page.addresses} < {
            path.removeprefix("/docs/") for path in DOCUMENT_PATHS
        }
    for address in found:
        async with client.session.get(address) as asset:
            assert asset.status == 200
            assert asset.headers["X-Content-Type-Options"] == "nosniff"
            assert len(await asset.read()) > 100


async def test_a_browser_is_redirected_to_the_page(client: TestClient[Any, Any]) -> None:
    async with client.get("/", allow_redirects=False) as response:
        # The path is relative, for a proxy that adds a prefix.
        assert (response.status, response.headers["Location"]) == (302, "docs")
    async with client.get("/") as response:
        assert (response.status, response.url.path) == (200, "/docs")


async def test_the_page_opens_this_servers_document(client: TestClient[Any, Any]) -> None:
    async with client.get(SCRIPT_PATH) as response:
        script = await response.text()
        assert (response.content_type, script) == ("text/javascript", SCRIPT)
    assert 'url: "openapi.json"' in script
    # Otherwise the page would send the document to an external validator each time it is opened.
    assert "validatorUrl: null" in script
    assert "http" not in script


async def test_the_policy_allows_nothing_from_other_servers(client: TestClient[Any, Any]) -> None:
    async with client.get("/docs") as response:
        policy = response.headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == directives["form-action"] == "'none'"
    sources = {source for sources in directives.values() for source in sources.split()}
    assert sources <= {"'self'", "'none'", "data:"}


async def test_the_bundle_needs_only_what_the_policy_allows(client: TestClient[Any, Any]) -> None:
    async with client.get("/docs/swagger-ui-bundle.js") as response:
        bundle = await response.text()
    # What the policy forbids may appear only with a fallback: here, the way old browsers get the global object.
    assert set(re.findall(r"new Function\([^)]*\)", bundle)) <= {'new Function("return this")'}
    assert not re.search(r"(?<![\w.$])eval\(", bundle)
    async with client.get("/docs/swagger-ui.css") as response:
        styles = await response.text()
    assert not re.search(r"url\((?!\s*['\"]?data:)", styles)
    assert "@import" not in styles


async def test_other_files_of_the_package_are_not_served(client: TestClient[Any, Any]) -> None:
    for name in ("swagger-editor.js", "oauth2-redirect.html", "", "..%2f__init__.py", "../core.py", "LICENSE"):
        async with client.get(f"/docs/{name}") as response:
            assert response.status == 404
    assert len(ASSETS) == 3


async def test_other_paths_are_not_public() -> None:
    app = make_http_app([Secrets()], nobody)
    async with TestClient(TestServer(app)) as client:
        for route in Secrets().routes():
            assert (await client.get(route.path)).status == 403
