"""The gateway behaves as its document says: every operation, every answer, every refusal."""

import asyncio
import json
import re
import uuid
from typing import Any

import pytest
from aiohttp import FormData, web

from services.gateway.api.application import MAX_BODY_BYTES
from services.gateway.api.document.operations import OPERATIONS
from services.gateway.api.document.page import ASSETS, PAGE_PATH, ROOT_PATH, SCRIPT_PATH
from services.gateway.api.document.session_operations import TAG as SIGN_IN
from services.gateway.jobs.verdict import GivenVerdict
from services.gateway.settings import MEBIBYTE
from shared.events import JobFailed
from shared.formats import CADENCE_FORMATS, FORMATS
from shared.verdicts import MAX_VERDICTS
from tests.contract.gateway.cadences import cadence_classified, cadence_exported, finish_jobs, ready_events, scan_jobs
from tests.contract.gateway.document import DOCUMENT, check_answer, events_of, operation_of
from tests.contract.gateway.observed import observed_job
from tests.contract.gateway.parts import Account, Gateway, account, classified, export
from tests.unit.gateway.observations.example_observations import header_of, observation
from tests.unit.gateway.observations.example_pyramids import MANIFEST, Pyramids

# The pages that show the document, which are not part of the API.
PAGE_PATHS = {ROOT_PATH, PAGE_PATH, SCRIPT_PATH, *ASSETS}
# Answers with their own tests: a bug, a client that stops midway, a limit, an unavailable server.
ELSEWHERE = {"500", "408", "429", "503"}

Exercised = set[tuple[str, str, str]]


class Tour:
    """Sends requests, checks each answer against the document, and records which answers occurred."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.exercised: Exercised = set()
        # That of the last answer.
        self.etag = ""

    async def ask(self, user: Account | None, method: str, path: str, expected: int, **more: Any) -> Any:
        """Send a request, check that its status is `expected`, and return the body of the answer."""
        headers = {"x-api-key": user.api_key} if user is not None else {}
        headers |= more.pop("headers", {})
        async with self._gateway.client.request(method, path, headers=headers, **more) as response:
            encoding = "latin-1" if response.content_type == "application/octet-stream" else None
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else await response.text(encoding)
            etag = response.headers.get("ETag", "")
            assert response.status == expected, (method, path, body)
            check_answer(method, path, response.status, response.headers, body)
        found = operation_of(method, path)
        assert found is not None
        self.exercised.add((*found, str(expected)))
        self.etag = etag
        return body


def documented() -> Exercised:
    return {
        (method, path, status)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status not in ELSEWHERE
    }


async def test_every_route_has_an_operation_and_every_operation_a_route(gateway: Gateway) -> None:
    app = gateway.client.app
    assert isinstance(app, web.Application)
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical not in PAGE_PATHS and route.method != "HEAD"
    }
    assert routes == {(one.method, one.path) for one in OPERATIONS}
    assert {path for _, path in routes} == set(DOCUMENT["paths"])


async def test_every_documented_answer_occurs_as_documented(gateway: Gateway) -> None:
    tour = Tour(gateway)
    user, other, free = await account(gateway), await account(gateway), await account(gateway, "free")
    await answers_common_to_all_operations(tour, user)
    await uploads(tour, user, free)
    await examples(tour, user, free)
    job_id = await jobs(tour, user, other, free)
    await one_job(tour, user, other, job_id)
    await streams(tour, user, other, job_id)
    await cadences(tour, user, other, job_id)
    await verdicts(tour, user, other, job_id)
    await waterfall_and_spectra(tour, user, other)
    await keys_and_reports(tour, user, other, free, job_id)
    await tour.ask(user, "DELETE", f"/jobs/{job_id}", 200)
    await sessions(tour, user)
    assert documented() - tour.exercised == set()


async def answers_common_to_all_operations(tour: Tour, user: Account) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"\{\w+\}", "x", operation.path)
        if operation.tag == SIGN_IN:
            continue
        if operation.is_public:
            await tour.ask(None, operation.method, path, 200)
            continue
        await tour.ask(None, operation.method, path, 403)
        await tour.ask(None, operation.method, path, 403, headers={"x-api-key": "sk_live_x"})
        await tour.ask(user, operation.method, path, 403, headers={"Authorization": "Bearer x"})
        await tour.ask(user, operation.method, f"{path}?no_such=1", 400)
        if operation.body is not None:
            await tour.ask(user, operation.method, path, 415, data=b"{}", headers={"Content-Encoding": "compress"})
            await tour.ask(user, operation.method, path, 400, data=b"{")
            await tour.ask(user, operation.method, path, 413, data=b" " * (MAX_BODY_BYTES + 1))
        if operation.is_body_required and operation.body is not None:
            await tour.ask(user, operation.method, path, 400, json={})
            await tour.ask(user, operation.method, path, 400, data=FormData({"a": "b"}))


async def uploads(tour: Tour, user: Account, free: Account) -> None:
    await tour.ask(user, "POST", "/upload-url", 200, json={"filename": "a.fil"})
    await tour.ask(user, "POST", "/upload-url", 400, json={"filename": "a.txt"})
    await tour.ask(free, "POST", "/upload-url", 413, json={"filename": "a.fil", "file_size": 2**40})
    large = {"filename": "a.fil", "file_size": 60 * MEBIBYTE}
    upload = await tour.ask(user, "POST", "/upload-url", 200, json=large)
    known = {"file_key": upload["file_key"], "upload_id": upload["upload_id"]}
    await tour.ask(user, "POST", "/upload-url", 200, json=known)
    await tour.ask(free, "POST", "/upload-url", 403, json=known)
    await tour.ask(user, "POST", "/upload-url", 404, json={**known, "upload_id": "x"})
    parts = []
    for part in upload["parts"]:
        async with user.gateway.anybody.put(part["url"], data=bytes(upload["part_size"])) as response:
            parts.append({"partNumber": part["partNumber"], "etag": response.headers["ETag"]})
    await tour.ask(user, "POST", "/complete-upload", 400, json={**known, "parts": parts[:1]})
    await tour.ask(free, "POST", "/complete-upload", 404, json={**known, "parts": parts})
    await tour.ask(user, "POST", "/complete-upload", 200, json={**known, "parts": parts})
    one = await tour.ask(user, "POST", "/upload-url", 200, json={**large, "file_size": 50 * MEBIBYTE + 1})
    await tour.ask(user, "POST", "/abort-upload", 200, json={n: one[n] for n in ("file_key", "upload_id")})
    await tour.ask(user, "POST", "/abort-upload", 404, json={"file_key": "x", "upload_id": "x"})


async def examples(tour: Tour, user: Account, free: Account) -> None:
    await user.gateway.storage.uploads.put("examples/voyager_1.fil", bytes(MEBIBYTE + 1))
    await tour.ask(user, "GET", "/examples", 200)
    await tour.ask(user, "POST", "/examples/voyager_1", 201)
    await tour.ask(user, "POST", "/examples/unknown", 404)
    tiers = user.gateway.settings.tiers
    before = tiers["free"]
    tiers["free"] = before.model_copy(update={"max_file_mb": 1})
    try:
        await tour.ask(free, "POST", "/examples/voyager_1", 413)
    finally:
        tiers["free"] = before


async def jobs(tour: Tour, user: Account, other: Account, free: Account) -> str:
    key = await user.upload()
    job = await tour.ask(user, "POST", "/analyze", 202, json={"file_key": key}, headers={"Idempotency-Key": "a"})
    await tour.ask(other, "POST", "/analyze", 404, json={"file_key": key})
    reused = {"headers": {"Idempotency-Key": "a"}, "json": {"file_key": key, "filename": "b.fil"}}
    await tour.ask(user, "POST", "/analyze", 409, **reused)
    await tour.ask(user, "POST", "/analyze", 400, json={"file_key": key}, headers={"Idempotency-Key": "é"})
    await tour.ask(user, "GET", "/jobs", 200)
    for query in ("limit=0", "status=x", "cursor=x"):
        await tour.ask(user, "GET", f"/jobs?{query}", 400)
    free_key = await free.upload()
    for _ in range(user.gateway.settings.tiers["free"].concurrent_jobs):
        await tour.ask(free, "POST", "/analyze", 202, json={"file_key": free_key})
    await tour.ask(free, "POST", "/analyze", 429, json={"file_key": free_key})
    return str(job["job_id"])


async def one_job(tour: Tour, user: Account, other: Account, job_id: str) -> None:
    gateway = user.gateway
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/download"), ("GET", "/downloads"), ("GET", "/events")):
        await tour.ask(other, method, f"/jobs/{job_id}{path}", 403)
        await tour.ask(user, method, f"/jobs/{uuid.uuid4()}{path}", 404)
    await tour.ask(user, "GET", f"/jobs/{job_id}/download?format=exe", 400)
    await gateway.worker_events.handle(classified(gateway, job_id))
    await tour.ask(user, "GET", f"/jobs/{job_id}", 200)
    await gateway.worker_events.handle(await export(gateway, job_id))
    await tour.ask(user, "GET", f"/jobs/{job_id}", 200)
    await tour.ask(user, "GET", f"/jobs/{job_id}/downloads", 200)
    for name in FORMATS:
        await tour.ask(user, "GET", f"/jobs/{job_id}/download?format={name}", 200)
    await tour.ask(user, "GET", f"/jobs/{job_id}/download?format=csv&verdicts=true", 202)
    failed_id = await user.analyze()
    await gateway.worker_events.handle(
        JobFailed.make(job_id=failed_id, producer="t", stage="ingest", code="bad_observation", message="A sentence.")
    )
    await tour.ask(user, "GET", f"/jobs/{failed_id}", 200)


async def streams(tour: Tour, user: Account, other: Account, job_id: str) -> None:
    path = f"/jobs/{job_id}/events"
    text = await tour.ask(user, "GET", path, 200)
    (fields,) = events_of(text)
    check_answer("GET", f"/jobs/{job_id}", 200, JSON_HEADERS, json.loads(fields["data"]))
    await tour.ask(user, "GET", path, 204, headers={"Last-Event-ID": fields["id"]})
    open_id = await other.analyze()
    opened = [
        await other.gateway.client.get(f"/jobs/{open_id}/events", headers={"x-api-key": other.api_key})
        for _ in range(other.gateway.settings.events_per_user)
    ]
    await tour.ask(other, "GET", f"/jobs/{open_id}/events", 429)
    for response in opened:
        response.close()
    await asyncio.sleep(0)
    await all_changes(tour, user)


async def all_changes(tour: Tour, user: Account) -> None:
    async with user.gateway.client.get("/events", headers={"x-api-key": user.api_key}) as response:
        # The stream goes on: it ends in the middle of no event.
        text = (await response.content.readuntil(b"data: {}\n\n")).decode()
        check_answer("GET", "/events", response.status, response.headers, text)
    assert [event["event"] for event in events_of(text)] == ["open"]
    tour.exercised.add(("get", "/events", "200"))


JSON_HEADERS = {"Content-Type": "application/json", "X-Request-Id": "x"}


async def cadences(tour: Tour, user: Account, other: Account, job_id: str) -> None:
    gateway, scans = user.gateway, [{"file_key": await user.upload()} for _ in range(2)]
    keyed: dict[str, Any] = {"headers": {"Idempotency-Key": "cadence"}}
    accepted = await tour.ask(user, "POST", "/cadences", 202, json={"scans": scans}, **keyed)
    path = f"/cadences/{accepted['cadence_id']}"
    await tour.ask(user, "POST", "/cadences", 409, json={"scans": scans, "name": "n"}, **keyed)
    await tour.ask(other, "POST", "/cadences", 403, json={"scans": [{"job_id": job_id}, {"job_id": "x"}]})
    await tour.ask(user, "POST", "/cadences", 404, json={"scans": [{"file_key": "x"}, {"job_id": job_id}]})
    await tour.ask(user, "GET", "/cadences", 200)
    for query in ("limit=0", "status=x", "cursor=x"):
        await tour.ask(user, "GET", f"/cadences?{query}", 400)
    for method, below in (("GET", ""), ("DELETE", ""), ("GET", "/download"), ("GET", "/downloads"), ("GET", "/events")):
        await tour.ask(other, method, path + below, 403)
        await tour.ask(user, method, f"/cadences/{uuid.uuid4()}{below}", 404)
    await tour.ask(user, "GET", f"{path}/download?format=exe", 400)
    await finish_jobs(user, await scan_jobs(user, accepted["cadence_id"]))
    (ready,) = ready_events(gateway, accepted["cadence_id"])
    await gateway.worker_events.handle(cadence_classified(ready))
    await gateway.worker_events.handle(await cadence_exported(gateway, accepted["cadence_id"]))
    await tour.ask(user, "GET", path, 200)
    await tour.ask(user, "GET", f"{path}/downloads", 200)
    for name in (*CADENCE_FORMATS, "event_0001"):
        await tour.ask(user, "GET", f"{path}/download?format={name}", 200)
    await verdicts_on(tour, user, other, path, 1)
    await tour.ask(user, "GET", f"{path}/download?format=csv&verdicts=true", 202)
    (fields,) = events_of(await tour.ask(user, "GET", f"{path}/events", 200))
    assert fields["event"] == "cadence"
    check_answer("GET", path, 200, JSON_HEADERS, json.loads(fields["data"]))
    await tour.ask(user, "GET", f"{path}/events", 204, headers={"Last-Event-ID": fields["id"]})
    await tour.ask(user, "DELETE", path, 200)


async def waterfall_and_spectra(tour: Tour, user: Account, other: Account) -> None:
    _, raw = observation()
    job_id = await observed_job(user, raw, await header_of(raw))
    pyramids = Pyramids(job_id)
    for key, content in pyramids.objects.items():
        await user.gateway.storage.results.put(key, content)
    level = f"/waterfall/levels/{MANIFEST.factors[0]}"
    for path in ("/waterfall", level, "/waterfall/noise", "/waterfall/samples", "/spectra"):
        await tour.ask(user, "GET", f"/jobs/{job_id}{path}", 200)
        await tour.ask(user, "GET", f"/jobs/{job_id}{path}", 304, headers={"If-None-Match": tour.etag})
        await tour.ask(other, "GET", f"/jobs/{job_id}{path}", 403)
        await tour.ask(user, "GET", f"/jobs/{uuid.uuid4()}{path}", 404)
    await tour.ask(user, "GET", f"/jobs/{job_id}/spectra?format=csv", 200)
    await tour.ask(user, "GET", f"/jobs/{await user.analyze()}/spectra", 409)


async def verdicts(tour: Tour, user: Account, other: Account, job_id: str) -> None:
    await verdicts_on(tour, user, other, f"/jobs/{job_id}", 0)
    await tour.ask(user, "GET", "/verdicts", 200)


async def verdicts_on(tour: Tour, user: Account, other: Account, path: str, number: int) -> None:
    """Give verdicts, to the most that there may be, on hits or events that count from `number`."""
    given: dict[str, Any] = {"json": {"verdict": "rfi", "note": "n"}}
    at = f"{path}/verdicts/{number}"
    for method, below, more in (("GET", "", {}), ("PUT", f"/{number}", given), ("DELETE", f"/{number}", {})):
        await tour.ask(other, method, f"{path}/verdicts{below}", 403, **more)
        await tour.ask(user, method, f"{path[:-36]}{uuid.uuid4()}/verdicts{below}", 404, **more)
    await tour.ask(user, "PUT", at, 200, **given)
    await tour.ask(user, "GET", f"{path}/verdicts", 200)
    await tour.ask(user, "DELETE", at, 200)
    many = [
        GivenVerdict(user.user_id, "job", path[-36:], 1000 + extra, "rfi", "", extra) for extra in range(MAX_VERDICTS)
    ]
    await user.gateway.store.database["verdicts"].insert_many({"_id": one.verdict_id, **vars(one)} for one in many)
    await tour.ask(user, "PUT", at, 409, **given)


async def keys_and_reports(tour: Tour, user: Account, other: Account, free: Account, job_id: str) -> None:
    await tour.ask(user, "GET", "/usage", 200)
    await tour.ask(free, "POST", "/api-keys", 403)
    await tour.ask(free, "GET", "/api-keys", 403)
    made = await tour.ask(user, "POST", "/api-keys", 201)
    for _ in range(user.gateway.settings.api_keys_per_user - 2):
        await tour.ask(user, "POST", "/api-keys", 201, json={"name": "n", "ttl_days": 1})
    await tour.ask(user, "POST", "/api-keys", 409, json={"name": "n"})
    await tour.ask(user, "GET", "/api-keys", 200)
    await tour.ask(other, "DELETE", f"/api-keys/{made['key_id']}", 403)
    await tour.ask(user, "DELETE", f"/api-keys/{made['key_id']}", 200)
    await tour.ask(user, "DELETE", "/api-keys/none", 404)
    report = {"job_id": job_id, "error_type": "user_report", "description": "d", "metadata": {"a": [1]}}
    await tour.ask(user, "POST", "/reports", 201, json=report)
    await tour.ask(other, "POST", "/reports", 403, json=report)
    await tour.ask(user, "POST", "/reports", 404, json={"job_id": "none"})


async def sessions(tour: Tour, user: Account) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for method in ("GET", "POST", "DELETE"):
        await tour.ask(None, method, "/session", 403, headers=elsewhere)
    for path, status in (("/session/oidc", 302), ("/session/oidc/callback", 303)):
        await tour.ask(None, "GET", path, 403, headers=elsewhere)
        await tour.ask(None, "GET", path, status, allow_redirects=False)
    await tour.ask(None, "POST", "/session", 400, data=b"{")
    await tour.ask(None, "POST", "/session", 413, data=b" " * (MAX_BODY_BYTES + 1))
    await tour.ask(None, "POST", "/session", 415, data=b"{}", headers={"Content-Encoding": "compress"})
    await tour.ask(None, "POST", "/session", 200, json={"api_key": user.api_key})
    await tour.ask(None, "GET", "/session", 200)
    await tour.ask(None, "DELETE", "/session", 200)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_other_methods_of_a_path_are_refused_with_the_allowed_ones(gateway: Gateway, operation: Any) -> None:
    path = re.sub(r"\{\w+\}", "x", operation.path)
    there = {one.method.upper() for one in OPERATIONS if one.path == operation.path}
    for method in {"PUT", "PATCH", "TRACE", "DELETE", "POST", "GET"} - there:
        async with gateway.client.request(method, path) as response:
            assert response.status == 405
            assert set(response.headers["Allow"].split(",")) - {"HEAD"} == there
            assert (await response.json())["error"]["code"] == "method_not_allowed"
