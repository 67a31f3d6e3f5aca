"""The documents of the API, and a page to browse them, with assets from the installed package and nowhere else."""

import json
from importlib.resources import files
from typing import Any

from aiohttp import hdrs, web

OPENAPI_PATH = "/openapi.json"
ASYNCAPI_PATH = "/asyncapi.json"
PAGE_PATH = "/docs"
ROOT_PATH = "/"
SCRIPT_PATH = "/docs/start.js"
# Of all that the package holds, what the page needs.
ASSETS = {
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    "/docs/favicon.png": ("favicon-32x32.png", "image/png"),
}
# What anybody may read, without a key.
DOCUMENT_PATHS = frozenset({ROOT_PATH, OPENAPI_PATH, ASYNCAPI_PATH, PAGE_PATH, SCRIPT_PATH, *ASSETS})

# Addresses are relative, so that the page also works behind a proxy that adds a prefix.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Waterhole API</title>
<link rel="icon" type="image/png" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  queryConfigEnabled: false,
  persistAuthorization: false,
});
"""
# The page's own scripts, styles and requests, and pictures within its style sheet.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
ASSET_CACHE = "public, max-age=86400"
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
ASSET_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": ASSET_CACHE}


class DocumentRoutes:
    """GET /, /openapi.json, /asyncapi.json and /docs."""

    def __init__(self, *, openapi: dict[str, Any], asyncapi: dict[str, Any]) -> None:
        self._openapi = json.dumps(openapi).encode()
        self._asyncapi = json.dumps(asyncapi).encode()
        static = files("swagger_ui") / "static"
        self._assets = {path: ((static / name).read_bytes(), kind) for path, (name, kind) in ASSETS.items()}

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
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

    async def root(self, _request: web.Request) -> web.Response:
        """GET /: whoever comes with a browser finds the page."""
        return web.Response(status=302, headers={hdrs.LOCATION: PAGE_PATH.removeprefix("/")})

    async def page(self, _request: web.Request) -> web.Response:
        """GET /docs: the REST API, to read and to try."""
        return web.Response(text=PAGE, content_type="text/html", headers=PAGE_HEADERS)

    async def script(self, _request: web.Request) -> web.Response:
        """GET /docs/start.js: what starts the page."""
        return web.Response(text=SCRIPT, content_type="text/javascript", headers=ASSET_HEADERS)

    async def asset(self, request: web.Request) -> web.Response:
        """GET /docs/…: a file of the page."""
        body, kind = self._assets[request.path]
        return web.Response(body=body, content_type=kind, headers=ASSET_HEADERS)
