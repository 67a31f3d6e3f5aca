"""Serves the waterfalls of observations in memory, and a page that shows nothing but the component."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from services.gateway.api.routes.dashboard import DashboardRoutes
from tests.browser.sky import Sky

SCRIPT = Path(__file__).parent / "waterfall_page.js"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Waterfall</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<link rel="icon" href="/app/icon.svg">
<link rel="stylesheet" href="/app/style/tokens.css"><link rel="stylesheet" href="/app/style/base.css">
<link rel="stylesheet" href="/app/style/parts.css"><link rel="stylesheet" href="/app/style/waterfall.css">
<script type="module" src="/waterfall_page.js"></script></head>
<body><main><h1>Waterfall</h1><div id="app"></div></main></body></html>"""
# As the dashboard's own, without S3.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class WaterfallServer:
    """Skies by the id of their job, and what was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.skies: dict[str, Sky] = {}
        # The properties of the component; the page fetches them at its start.
        self.props: dict[str, Any] = {}
        self.bytes_sent = 0
        self.paths: list[str] = []

    def show(self, skies: Mapping[str, Sky], **props: Any) -> None:
        """Show these skies, by the id of their job, from the next load of the page on."""
        self.skies = dict(skies)
        panels = [{"job_id": job_id, "label": f"{job_id}.fil"} for job_id in skies]
        self.props = {"panels": panels, "hits": [], "selected": None} | props
        self.bytes_sent = 0
        self.paths = []

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.add_routes(DashboardRoutes().routes())
        app.add_routes(
            [
                web.get("/waterfall_page", self._page),
                web.get("/waterfall_page.js", self._script),
                web.get("/props", self._props),
                web.get("/jobs/{id}/waterfall", self._manifest),
                web.get("/jobs/{id}/waterfall/levels/{factor}", self._level),
                web.get("/jobs/{id}/waterfall/noise", self._noise),
                web.get("/jobs/{id}/waterfall/samples", self._samples),
                web.get("/jobs/{id}/spectra", self._spectra),
            ]
        )
        return app

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def _script(self, _request: web.Request) -> web.Response:
        return web.Response(text=SCRIPT.read_text(), content_type="text/javascript")

    async def _props(self, _request: web.Request) -> web.Response:
        return web.json_response(self.props)

    def _asked(self, request: web.Request) -> tuple[Sky, int, int]:
        sky = self.skies[request.match_info["id"]]
        start, stop = (int(request.query[name]) for name in ("start_channel", "stop_channel"))
        assert 0 <= start < stop <= sky.edges[-1], request.path_qs
        return sky, start, stop

    def _bytes(self, request: web.Request, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
        assert len(body) <= 2**20, request.path_qs
        self.paths.append(request.path_qs)
        self.bytes_sent += len(body)
        return web.Response(body=body, content_type="application/octet-stream", headers=headers)

    async def _manifest(self, request: web.Request) -> web.Response:
        sky = self.skies.get(request.match_info["id"])
        if sky is None:
            error = {"code": "no_waterfall", "message": "This job has no waterfall to zoom into."}
            return web.json_response({"error": error}, status=404)
        return web.json_response(sky.manifest())

    async def _level(self, request: web.Request) -> web.Response:
        sky, start, stop = self._asked(request)
        factor, statistic = int(request.match_info["factor"]), request.query["statistic"]
        return self._bytes(request, sky.columns(statistic, factor, start, stop))

    async def _noise(self, request: web.Request) -> web.Response:
        sky, start, stop = self._asked(request)
        return self._bytes(request, sky.noise_bytes(start, stop))

    async def _samples(self, request: web.Request) -> web.Response:
        sky, start, stop = self._asked(request)
        return self._bytes(request, sky.window_bytes(start, stop))

    async def _spectra(self, request: web.Request) -> web.Response:
        sky, start, stop = self._asked(request)
        if not sky.spectra_readable:
            error = {"code": "spectra_not_readable", "message": "Single channels can't be read from this file."}
            return web.json_response({"error": error}, status=409)
        form = request.query["format"]
        headers = {"X-Sample-Bits": "32", "X-Sample-Signed": "0", "X-Ifs": "1", "X-Spectra": str(sky.rows)}
        body = sky.raw_bytes(start, stop) if form == "raw" else form.encode()
        return self._bytes(request, body, headers)
