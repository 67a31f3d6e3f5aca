"""The dashboard: a page for people, below /app/. It needs no credentials; what it shows comes from the API."""

from collections.abc import Sequence

from aiohttp import hdrs, web

from services.gateway.api.dashboard_files import (
    FILE_CACHE,
    INDEX,
    PAGE_CACHE,
    DashboardFile,
    page_headers,
    read_files,
)
from services.gateway.api.dashboard_paths import APP_PREFIX, APP_ROOT

APP_PATH = APP_PREFIX + "{name:.*}"


class DashboardRoutes:
    """GET /app/ and everything below it."""

    def __init__(self, sources: Sequence[str] = ()) -> None:
        self._files = read_files()
        self._headers = page_headers(tuple(sources))

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get(APP_ROOT, self.root), web.get(APP_PATH, self.file)]

    async def root(self, _request: web.Request) -> web.Response:
        """GET /app: redirect to the page."""
        return web.Response(status=302, headers={hdrs.LOCATION: APP_PREFIX.removeprefix("/")})

    async def file(self, request: web.Request) -> web.Response:
        """GET /app/…: a file of the dashboard, or the page for every path that names no file.

        Raises
        ------
        web.HTTPNotFound
            The path names a file, and there is no such file.
        """
        name = request.match_info["name"]
        is_page = "." not in name.rpartition("/")[2]
        found = self._files.get(INDEX if is_page else name)
        if found is None:
            raise web.HTTPNotFound
        return self._answer(request, found, PAGE_CACHE if is_page else FILE_CACHE)

    def _answer(self, request: web.Request, file: DashboardFile, cache: str) -> web.Response:
        is_compressed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        etag = f'"{file.etag}-gzip"' if is_compressed else f'"{file.etag}"'
        headers = {
            **self._headers,
            hdrs.CACHE_CONTROL: cache,
            hdrs.ETAG: etag,
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
        }
        given = request.headers.get(hdrs.IF_NONE_MATCH, "")
        if cache != PAGE_CACHE and etag in (one.strip().removeprefix("W/") for one in given.split(",")):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = file.content_type
        if is_compressed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=file.compressed if is_compressed else file.content, headers=headers)
