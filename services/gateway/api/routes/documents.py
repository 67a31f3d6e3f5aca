"""The documents of the API, and a page to read them. Its files come from the installed package only."""

import json
from importlib.resources import files
from typing import Any

from aiohttp import hdrs, web

from services.gateway.api.dashboard_paths import APP_PREFIX
from services.gateway.api.document.page import (
    ASSET_HEADERS,
    ASSETS,
    ASYNCAPI_PATH,
    OPENAPI_PATH,
    PAGE,
    PAGE_HEADERS,
    PAGE_PATH,
    ROOT_PATH,
    SCRIPT,
    SCRIPT_PATH,
)


class DocumentRoutes:
    """GET /, /openapi.json, /asyncapi.json and /docs."""

    def __init__(self, *, openapi: dict[str, Any], asyncapi: dict[str, Any]) -> None:
        self._openapi = json.dumps(openapi).encode()
        self._asyncapi = json.dumps(asyncapi).encode()
        static = files("swagger_ui") / "static"
        self._assets = {path: ((static / name).read_bytes(), kind) for path, (name, kind) in ASSETS.items()}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(OPENAPI_PATH, self.openapi),
            web.get(ASYNCAPI_PATH, self.asyncapi),
            web.get(ROOT_PATH, self.root),
            web.get(PAGE_PATH, self.page),
            web.get(SCRIPT_PATH, self.script),
            *(web.get(path, self.asset) for path in self._assets),
        ]

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /openapi.json: the REST API."""
        return web.Response(body=self._openapi, content_type="application/json", charset="utf-8")

    async def asyncapi(self, _request: web.Request) -> web.Response:
        """GET /asyncapi.json: the events on the bus."""
        return web.Response(body=self._asyncapi, content_type="application/json", charset="utf-8")

    async def root(self, request: web.Request) -> web.Response:
        """GET /: redirect people to the dashboard, and programs to the page about the API."""
        is_browser = "text/html" in request.headers.get(hdrs.ACCEPT, "")
        path = APP_PREFIX if is_browser else PAGE_PATH
        return web.Response(status=302, headers={hdrs.LOCATION: path.removeprefix("/"), hdrs.VARY: hdrs.ACCEPT})

    async def page(self, _request: web.Request) -> web.Response:
        """GET /docs: the page to read and try the REST API."""
        return web.Response(text=PAGE, content_type="text/html", headers=PAGE_HEADERS)

    async def script(self, _request: web.Request) -> web.Response:
        """GET /docs/start.js: the script that starts the page."""
        return web.Response(text=SCRIPT, content_type="text/javascript", headers=ASSET_HEADERS)

    async def asset(self, request: web.Request) -> web.Response:
        """GET /docs/…: a file of the page."""
        body, kind = self._assets[request.path]
        return web.Response(body=body, content_type=kind, headers=ASSET_HEADERS)
