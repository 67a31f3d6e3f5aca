"""What the triage asks of the API: catalogues, verdicts, pieces of waterfalls, catalogues with verdicts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.browser.hits import MANIFEST, level, samples

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HitsStandIn:
    """Catalogues and verdicts by the id of their job or cadence."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.tables: dict[str, str] = {}
        self.verdicts: dict[str, dict[int, dict[str, Any]]] = {}
        # Of each file that is not a table, by id and format: type and bytes.
        self.files: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.fails_to_save = False
        self.reviews_asked = 0
        self.samples_asked = 0
        self.changed = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, those of cadences beside those of jobs."""
        found = [
            web.get("/jobs/{id}/waterfall", self._manifest),
            web.get("/jobs/{id}/waterfall/samples", self._samples),
            web.get("/jobs/{id}/waterfall/levels/{factor}", self._level),
            web.get("/files/{id}/{format}", self._file),
        ]
        for kind in ("jobs", "cadences"):
            found += [
                web.get(f"/{kind}/{{id}}/download", self._download),
                web.get(f"/{kind}/{{id}}/downloads", self._downloads),
                web.get(f"/{kind}/{{id}}/verdicts", self._verdicts),
                web.put(f"/{kind}/{{id}}/verdicts/{{number}}", self._put),
                web.delete(f"/{kind}/{{id}}/verdicts/{{number}}", self._delete),
            ]
        return found

    async def _download(self, request: web.Request) -> web.Response:
        job_id, name = request.match_info["id"], request.query.get("format", "json")
        if name != "csv":
            if (job_id, name) not in self.files:
                return _error(404, "format_not_available", "There is no such file.")
            url = f"{request.scheme}://{request.host}/files/{job_id}/{name}"
            return web.json_response({"download_url": url, "format": name, "filename": name})
        table = self.tables.get(job_id)
        if table is None:
            return _error(404, "format_not_available", "The format csv is not available yet; please retry later.")
        if request.query.get("verdicts") == "true":
            self.reviews_asked += 1
            if self.reviews_asked == 1:
                return web.json_response(
                    {"status": "preparing", "format": "csv"}, status=202, headers={"Retry-After": "1"}
                )
            table = self._reviewed(job_id, table)
        return web.Response(text=table, content_type="text/csv")

    def _reviewed(self, job_id: str, table: str) -> str:
        head, *lines = table.splitlines()
        at = head.split(",").index("id")
        given = self.verdicts.get(job_id, {})
        rows = [f"{line},{given.get(int(line.split(',')[at]), {}).get('verdict', '')}" for line in lines]
        return "\n".join([f"{head},verdict", *rows]) + "\n"

    async def _downloads(self, _request: web.Request) -> web.Response:
        return web.json_response({"files": []})

    async def _file(self, request: web.Request) -> web.Response:
        kind, body = self.files[request.match_info["id"], request.match_info["format"]]
        return web.Response(body=body, content_type=kind)

    async def _verdicts(self, request: web.Request) -> web.Response:
        given = self.verdicts.get(request.match_info["id"], {})
        return web.json_response({"verdicts": list(given.values())})

    async def _put(self, request: web.Request) -> web.Response:
        if self.fails_to_save:
            return _error(503, "temporarily_unavailable", "A part of the service is temporarily unavailable.")
        number, body = int(request.match_info["number"]), await request.json()
        name = "hit" if request.path.startswith("/jobs") else "event"
        record = {name: number, "verdict": body["verdict"], "note": body["note"], "changed_at": int(time.time())}
        self.verdicts.setdefault(request.match_info["id"], {})[number] = record
        self.changed.set()
        return web.json_response(record)

    async def _delete(self, request: web.Request) -> web.Response:
        self.verdicts.get(request.match_info["id"], {}).pop(int(request.match_info["number"]), None)
        self.changed.set()
        return web.json_response({"message": "Verdict deleted"})

    async def _manifest(self, _request: web.Request) -> web.Response:
        return web.json_response(MANIFEST)

    async def _level(self, request: web.Request) -> web.Response:
        factor = int(request.match_info["factor"])
        start, stop = (int(request.query[name]) for name in ("start_channel", "stop_channel"))
        is_max = request.query.get("statistic", "max") == "max"
        return web.Response(body=level(factor, start, stop, is_max), content_type="application/octet-stream")

    async def _samples(self, request: web.Request) -> web.Response:
        self.samples_asked += 1
        start, stop = (int(request.query[name]) for name in ("start_channel", "stop_channel"))
        return web.Response(body=samples(start, stop), content_type="application/octet-stream")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
