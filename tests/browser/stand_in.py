"""The API in memory, as far as the dashboard's pages need it: states that a whole stack reaches only in minutes.

It serves the dashboard's own files, from the routes that the gateway uses.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway.api.routes.dashboard import DashboardRoutes
from tests.browser.stand_in_hits import HitsStandIn

COOKIE = "waterhole_session"
# Pages of jobs and cadences ask for more than this API has: it keeps no files.
NO_FILES = r"GET /(jobs|cadences)/[^/]+/.+: 404"
USER = web.RequestKey("user", str)
Record = dict[str, Any]


def job(**changes: Any) -> Record:
    """Return a job as the API lists it: complete, with one candidate."""
    return {
        "job_id": str(uuid.uuid4()),
        "status": "complete",
        "source_name": "Voyager 1",
        "filename": "voyager_1.fil",
        "file_size": 67_109_150,
        "created_at": int(time.time()) - 90,
        "completed_at": int(time.time()) - 60,
        "expires_at": int(time.time()) + 90 * 86_400,
        "exports_ready": True,
        "parameters": {"snr_threshold": 10.0, "max_drift_rate_hz_s": 4.0},
        "progress": {"stage": "export", "done": 1, "total": 1},
        "results": {
            "raw_hits": 12,
            "filtered_hits": 9,
            "candidates": 1,
            "processing_time_seconds": 2.1,
            "top_candidates": [
                {
                    "frequency_hz": 8419921045.9,
                    "drift_rate": -0.3673,
                    "snr": 57.55,
                    "classification": "CANDIDATE_ET",
                    "interestingness": 0.8,
                    "rfi_source": "",
                    "source": "dedoppler_search",
                }
            ],
            "warnings": [],
        },
    } | changes


def running(**changes: Any) -> Record:
    """Return a job that is being searched."""
    started = job(status="processing", exports_ready=False, progress={"stage": "dedoppler", "done": 3, "total": 12})
    return {name: value for name, value in started.items() if name not in ("results", "completed_at")} | changes


class StandIn:
    """Users by their API key, and what is theirs."""

    def __init__(self) -> None:
        self.url = ""
        self.hits = HitsStandIn()
        self._streams: dict[str, set[asyncio.Queue[tuple[str, Any]]]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything but the open streams."""
        self.hits.reset()
        self.users: dict[str, str] = {}
        self.tiers: dict[str, str] = {}
        self.jobs: dict[str, list[Record]] = {}
        self.cadences: dict[str, list[Record]] = {}
        self.keys: dict[str, list[Record]] = {}
        self.links: dict[str, str] = {}
        self.examples: list[Record] = []
        self.has_oidc = False
        # Answers in place of the usual ones, by method and path.
        self.answers: dict[tuple[str, str], Callable[[], Awaitable[web.StreamResponse]]] = {}
        self._sessions: dict[str, Record] = {}

    def add_user(self, name: str, tier: str = "researcher") -> str:
        """Add a user and return its API key."""
        api_key = f"sk_live_{uuid.uuid4().hex}"
        self.users[api_key] = name
        self.tiers[name] = tier
        self.jobs[name], self.cadences[name], self.keys[name] = [], [], []
        return api_key

    def tell(self, name: str, kind: str, data: Any) -> None:
        """Send an event to the user's streams."""
        for queue in self._streams.get(name, ()):
            queue.put_nowait((kind, data))

    async def _close_streams(self, _app: web.Application) -> None:
        for name in self._streams:
            self.tell(name, "stop", None)

    def put_job(self, name: str, one: Record) -> None:
        """Add or change a job, and tell."""
        others = [other for other in self.jobs[name] if other["job_id"] != one["job_id"]]
        self.jobs[name] = sorted([*others, one], key=lambda found: -found["created_at"])
        self.tell(name, "job", one)

    def end_sessions(self) -> None:
        """End all sessions, as if they had expired."""
        for session in self._sessions.values():
            session["is_over"] = True

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return sum(map(len, self._streams.values()))

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._middleware])
        app.on_shutdown.append(self._close_streams)
        app.add_routes(DashboardRoutes().routes())
        app.add_routes(self.hits.routes())
        app.add_routes(
            [
                web.get("/session", self._get_session),
                web.post("/session", self._post_session),
                web.delete("/session", self._delete_session),
                web.get("/events", self._events),
                web.get("/jobs", self._list),
                web.get("/cadences", self._list),
                web.get("/jobs/{id}", self._show),
                web.get("/cadences/{id}", self._show),
                web.delete("/jobs/{id}", self._remove),
                web.delete("/cadences/{id}", self._remove),
                web.get("/examples", self._get_examples),
                web.post("/examples/{name}", self._copy_example),
                web.post("/analyze", self._analyze),
                web.get("/api-keys", self._get_keys),
                web.post("/api-keys", self._add_key),
                web.delete("/api-keys/{id}", self._revoke_key),
                web.get("/usage", self._usage),
            ]
        )
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        other = self.answers.get((request.method, request.path))
        if other is not None:
            return await other()
        if request.path.startswith("/app") or (request.path == "/session" and request.method != "DELETE"):
            return await handler(request)
        session = self._session_of(request)
        if session is None:
            return error(403, "missing_api_key", "Authentication is required.")
        if session.get("is_over"):
            return error(403, "session_ended", "The session has ended; sign in again.")
        if request.method not in ("GET", "HEAD") and request.headers.get("X-CSRF-Token") != session["csrf_token"]:
            return error(403, "csrf_token_wrong", "The header X-CSRF-Token is not that of the session.")
        request[USER] = session["name"]
        return await handler(request)

    def _session_of(self, request: web.Request) -> Record | None:
        return self._sessions.get(request.cookies.get(COOKIE, ""))

    def _session_answer(self, session: Record | None) -> Record:
        if session is None or session.get("is_over"):
            return {"signed_in": False, "sign_in": {"api_key": True, "oidc": self.has_oidc}}
        return session

    async def _get_session(self, request: web.Request) -> web.Response:
        return web.json_response(self._session_answer(self._session_of(request)))

    async def _post_session(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = self.users.get(body.get("api_key", "")) or self.links.pop(body.get("link_token", ""), None)
        if name is None:
            return error(403, "invalid_api_key", "The API key is not valid.")
        session = {
            "signed_in": True,
            "user_id": name,
            "name": name,
            "tier": self.tiers[name],
            "csrf_token": uuid.uuid4().hex,
            "expires_at": int(time.time()) + 8 * 3600,
            "signed_in_with": "api_key" if "api_key" in body else "link",
        }
        cookie = uuid.uuid4().hex
        self._sessions[cookie] = session
        response = web.json_response(session)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="Lax")
        return response

    async def _delete_session(self, request: web.Request) -> web.Response:
        del self._sessions[request.cookies[COOKIE]]
        return web.json_response(self._session_answer(None))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        queues = self._streams.setdefault(request[USER], set())
        queues.add(queue)
        kind: str = "open"
        data: Any = {}
        try:
            while kind != "stop":
                await response.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
                kind, data = await queue.get()
        finally:
            queues.discard(queue)
        return response

    def _kept(self, request: web.Request) -> tuple[str, dict[str, list[Record]]]:
        is_job = request.path.startswith("/jobs")
        return ("job_id", self.jobs) if is_job else ("cadence_id", self.cadences)

    async def _list(self, request: web.Request) -> web.Response:
        _, kept = self._kept(request)
        found = kept[request[USER]]
        status, q = request.query.get("status"), request.query.get("q", "").lower()
        found = [one for one in found if status in (None, one["status"])]
        names = ("name", "source_name", "filename")
        found = [one for one in found if any(q in one.get(name, "").lower() for name in names)]
        start, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "50"))
        headers = {"X-Total-Count": str(len(found))}
        if start + limit < len(found):
            headers["X-Next-Cursor"] = str(start + limit)
        return web.json_response(found[start : start + limit], headers=headers)

    async def _show(self, request: web.Request) -> web.Response:
        key, kept = self._kept(request)
        found = [one for one in kept[request[USER]] if one[key] == request.match_info["id"]]
        if not found:
            return error(404, "job_not_found", "No job has this id.")
        return web.json_response(found[0])

    async def _remove(self, request: web.Request) -> web.Response:
        key, kept = self._kept(request)
        user, wanted = request[USER], request.match_info["id"]
        left = [one for one in kept[user] if one[key] != wanted]
        if len(left) == len(kept[user]):
            return error(404, "job_not_found", "No job has this id.")
        kept[user] = left
        self.tell(user, "removed", {"kind": key.removesuffix("_id"), "id": wanted})
        return web.json_response({"message": "Deleted", key: wanted})

    async def _get_examples(self, _request: web.Request) -> web.Response:
        return web.json_response({"examples": self.examples})

    async def _copy_example(self, request: web.Request) -> web.Response:
        (example,) = (one for one in self.examples if one["name"] == request.match_info["name"])
        return web.json_response({"file_key": "uploads/x", "filename": example["filename"]}, status=201)

    async def _analyze(self, request: web.Request) -> web.Response:
        body = await request.json()
        one = running(source_name=body["filename"], filename=body["filename"], created_at=int(time.time()))
        self.put_job(request[USER], one)
        return web.json_response({"job_id": one["job_id"], "status": "submitted"}, status=202)

    async def _get_keys(self, request: web.Request) -> web.Response:
        if self.tiers[request[USER]] == "free":
            return error(403, "keys_not_in_tier", "The tier free does not include API keys.")
        return web.json_response({"keys": self.keys[request[USER]]})

    async def _add_key(self, request: web.Request) -> web.Response:
        body, now = await request.json(), int(time.time())
        secret = f"sk_live_{uuid.uuid4().hex}"
        key = {
            "key_id": uuid.uuid4().hex[:8],
            "name": body.get("name", "Default"),
            "created_at": now,
            "expires_at": now + 86_400 * body["ttl_days"],
            "active": True,
            "expired": False,
            "prefix": secret[:12],
        }
        self.keys[request[USER]].append(key)
        created = {name: key[name] for name in ("key_id", "expires_at")}
        created |= {"api_key": secret, "ttl_days": body["ttl_days"], "warning": "It will not be shown again."}
        return web.json_response(created, status=201)

    async def _revoke_key(self, request: web.Request) -> web.Response:
        keys = self.keys[request[USER]]
        keys[:] = [key | {"active": key["active"] and key["key_id"] != request.match_info["id"]} for key in keys]
        return web.json_response({"message": "API key revoked", "key_id": request.match_info["id"]})

    async def _usage(self, request: web.Request) -> web.Response:
        name = request[USER]
        used = len(self.jobs[name])
        details: Record = {"files_per_month": 500, "max_file_mb": 1024, "price": "$99 USD/mo", "retention_days": 90}
        details["api_keys"] = self.tiers[name] != "free"
        uploads = {"open": 2, "open_limit": 10, "stored_bytes": 67_109_150 * used, "stored_bytes_limit": 64_424_509_440}
        usage = {"user_id": name, "tier": self.tiers[name], "usage_this_month": used, "limit": 500}
        return web.json_response(usage | {"remaining": 500 - used, "tier_details": details, "uploads": uploads})


def answering(content: Any, status: int = 200) -> Callable[[], Awaitable[web.Response]]:
    """Return an answer in place of a usual one: always the same content."""

    async def answer() -> web.Response:
        return web.json_response(content, status=status)

    return answer


def error(status: int, code: str, message: str) -> web.Response:
    """Return an error in the form of the API's."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
