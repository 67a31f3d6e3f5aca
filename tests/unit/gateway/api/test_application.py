"""What every route has in common: errors, authentication, request ids, bodies."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from services.gateway.accounts.model import ApiKey, User, format_api_key, hash_api_key
from services.gateway.api import bodies
from services.gateway.api.application import MAX_BODY_BYTES, make_http_app
from services.gateway.api.auth import USER, ApiKeyAuthentication
from services.gateway.api.bodies import AnalyzeBody, CompleteUploadBody, ReportBody, UploadUrlBody, read_body
from services.gateway.api.errors import errors_middleware
from services.gateway.api.request_log import drop_malformed_requests
from shared.errors import TransientError

PEPPER = "a pepper of some length"
NOW_S = 1_000_000.0


def secret(number: int) -> str:
    return format_api_key(bytes([number]) * 32)


VALID, REVOKED, EXPIRED, ORPHANED, UNKNOWN = map(secret, range(5))


class Directory:
    def __init__(self) -> None:
        self.keys = {
            hash_api_key(text, PEPPER): ApiKey(str(number), user_id, "n", "h", "p", 0, expires_at, active)
            for number, (text, user_id, expires_at, active) in enumerate(
                [
                    (VALID, "u1", 2_000_000, True),
                    (REVOKED, "u1", 2_000_000, False),
                    (EXPIRED, "u1", 1_000_000, True),
                    (ORPHANED, "u2", 2_000_000, True),
                ]
            )
        }

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        return self.keys.get(key_hash)

    async def user(self, user_id: str) -> User | None:
        return User("u1", "free", "n", 0) if user_id == "u1" else None


async def whoami(request: web.Request) -> web.Response:
    return web.json_response(request[USER].user_id)


async def bug(_request: web.Request) -> web.Response:
    raise RuntimeError("the secret of the house")


async def away(_request: web.Request) -> web.Response:
    raise TransientError("host 10.0.0.1 is away")


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def late(_request: web.Request) -> web.Response:
    raise TimeoutError("a bug, and none of the limit's")


def echo(model: type) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response((await read_body(request, model)).model_dump(mode="json", by_alias=True))

    return handler


async def search_parameters(request: web.Request) -> web.Response:
    return web.json_response((await read_body(request, AnalyzeBody)).search_parameters().model_dump())


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/whoami/{name}", whoami),
            web.get("/bug", bug),
            web.get("/away", away),
            web.get("/slow", slow),
            web.get("/late", late),
            web.post("/upload", echo(UploadUrlBody)),
            web.post("/complete", echo(CompleteUploadBody)),
            web.post("/parameters", search_parameters),
            web.post("/report", echo(ReportBody)),
        ]


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    authenticate = ApiKeyAuthentication(Directory(), pepper=PEPPER, now_s=lambda: NOW_S)
    app = make_http_app([Subjects()], authenticate, request_timeout_s=0.2)
    async with TestClient(TestServer(app)) as client:
        yield client


async def ask(client: TestClient, method: str, path: str, **more: object) -> tuple[int, dict]:
    response = await client.request(method, path, headers={"x-api-key": VALID}, **more)
    return response.status, await response.json()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"x-api-key": " "}, "missing_api_key"),
        ({"x-api-key": "sk_live_short"}, "invalid_api_key"),
        ({"x-api-key": '{"$ne": null}'}, "invalid_api_key"),
        ({"x-api-key": UNKNOWN}, "invalid_api_key"),
        ({"x-api-key": REVOKED}, "revoked_api_key"),
        ({"x-api-key": EXPIRED}, "expired_api_key"),
        ({"x-api-key": ORPHANED}, "invalid_api_key"),
    ],
)
async def test_without_a_valid_key_there_is_no_way_in(client: TestClient, headers: dict, code: str) -> None:
    response = await client.get("/whoami/x", headers=headers)
    assert response.status == 403
    assert (await response.json())["error"]["code"] == code


async def test_a_valid_key_names_its_user(client: TestClient) -> None:
    assert await ask(client, "GET", "/whoami/x") == (200, "u1")


async def test_unknown_paths_and_methods_have_the_shape_of_errors(client: TestClient) -> None:
    status, body = await ask(client, "GET", "/nowhere")
    assert (status, body["error"]["code"]) == (404, "not_found")
    response = await client.delete("/bug")
    assert response.status == 405
    assert response.headers["Allow"] == "GET,HEAD"
    assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_a_bug_is_told_without_its_trace(client: TestClient) -> None:
    response = await client.get("/bug", headers={"x-api-key": VALID})
    text = await response.text()
    assert response.status == 500
    assert json.loads(text)["error"]["code"] == "internal_error"
    assert "secret" not in text
    assert "Traceback" not in text


async def test_what_is_away_for_now_is_worth_another_try(client: TestClient) -> None:
    response = await client.get("/away", headers={"x-api-key": VALID})
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "10.0.0.1" not in await response.text()


async def test_a_line_of_the_log_tells_whose_request_it_is_and_not_whose_the_one_before_was(client: TestClient) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        await ask(client, "GET", "/whoami/x")
        # On the same connection.
        await (await client.get("/whoami/x")).read()
    first, second = (line for line in lines if line["event"] == "request")
    assert first["user_id"] == "u1"
    assert "user_id" not in second
    assert first["request_id"] != second["request_id"]


async def test_request_ids_come_back(client: TestClient) -> None:
    kept = await client.get("/bug", headers={"X-Request-Id": "abc-1"})
    assert kept.headers["X-Request-Id"] == "abc-1"
    replaced = await client.get("/bug", headers={"X-Request-Id": "a b<script>"})
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_requests_are_counted_by_route_template(client: TestClient) -> None:
    labels = {"method": "GET", "route": "/whoami/{name}", "status": "200"}
    before = REGISTRY.get_sample_value("waterhole_http_requests_total", labels) or 0.0
    await ask(client, "GET", "/whoami/a")
    await ask(client, "GET", "/whoami/b")
    assert REGISTRY.get_sample_value("waterhole_http_requests_total", labels) == before + 2


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 900, b'{"filename": "x.fil", "file_size": NaN}'),
        b'{"filename": "x\\u0000.fil"}',
        b'{"filename": "x\\ud800.fil"}',
        b'{"filename": "x\xed\xa0\x80.fil"}',
        b'{"filename": "x\xff.fil"}',
        '{"filename": "x.fil"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"filename": "x.fil"}',
        b'{"filename": "x.fil", "other": "\\ud800"}',
        b'{"filename": "x.fil", "a\\u0000": 1}',
        b'{"filename": "x.fil", "file_size": 1%s}' % (b"0" * 30),
        b'{"filename": "x.fil", "file_size": 1%s}' % (b"0" * 5000),
        b'{"filename": "x.fil", "other": 1e999}',
        b'{"filename": "x.fil", "other": %s1%s}' % (b"[" * 32, b"]" * 32),
        b'{"filename": "x.fil", "other": %s1%s}' % (b"[" * 100_000, b"]" * 100_000),
        b'{"filename": "x.fil"} {}',
    ],
)
async def test_what_is_no_json_object_is_refused(client: TestClient, data: bytes) -> None:
    status, body = await ask(client, "POST", "/upload", data=data)
    assert (status, body["error"]["code"]) == (400, "invalid_json")


async def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/upload", data=b" " * (MAX_BODY_BYTES + 1))
    assert (status, body["error"]["code"]) == (413, "request_too_large")


async def test_nested_fields_are_kept_as_they_are(client: TestClient) -> None:
    metadata = {"screen": [1, 2.5, {"deep": [[["é", None, True]]]}], "😀": "\u2028"}
    status, body = await ask(client, "POST", "/report", json={"job_id": "j", "metadata": metadata})
    assert (status, body["metadata"]) == (200, metadata)


async def test_two_content_types_are_refused(client: TestClient) -> None:
    response = await client.post(
        "/upload", data=b"{}", headers=[("x-api-key", VALID), ("Content-Type", "a/b"), ("Content-Type", "c/d")]
    )
    assert response.status == 400


async def test_a_body_that_stops_is_not_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.05)

    async def half() -> AsyncIterator[bytes]:
        yield b'{"filename"'
        await asyncio.sleep(2)

    status, body = await ask(client, "POST", "/upload", data=half())
    assert (status, body["error"]["code"]) == (408, "request_timeout")


async def test_what_takes_too_long_is_given_up(client: TestClient) -> None:
    response = await client.get("/slow", headers={"x-api-key": VALID})
    assert (response.status, (await response.json())["error"]["code"]) == (503, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) > 0


async def test_a_time_out_of_another_kind_is_a_bug(client: TestClient) -> None:
    status, body = await ask(client, "GET", "/late")
    assert (status, body["error"]["code"]) == (500, "internal_error")


async def test_head_is_get_without_the_body(client: TestClient) -> None:
    response = await client.head("/whoami/x", headers={"x-api-key": VALID})
    assert (response.status, await response.read()) == (200, b"")
    assert (await client.head("/whoami/x")).status == 403


async def test_options_tells_the_methods_without_a_key(client: TestClient) -> None:
    response = await client.options("/whoami/x")
    assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert (await client.options("/nowhere")).status == 404


@pytest.mark.parametrize("method", ["GET", "TRACE", "PATCH"])
async def test_other_methods_are_not_allowed(client: TestClient, method: str) -> None:
    response = await client.request(method, "/upload", headers={"x-api-key": VALID})
    assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "content", "code", "field"),
    [
        ("/upload", {}, "missing_field", "filename"),
        ("/upload", {"filename": 7}, "invalid_field", "filename"),
        ("/upload", {"filename": ""}, "invalid_field", "filename"),
        ("/upload", {"filename": "x.fil", "file_size": "7"}, "invalid_field", "file_size"),
        ("/upload", {"filename": "x.fil", "file_size": True}, "invalid_field", "file_size"),
        ("/upload", {"filename": "x.fil", "file_size": 0}, "invalid_field", "file_size"),
        ("/complete", {"file_key": "k", "upload_id": "u", "parts": []}, "invalid_field", "parts"),
        ("/complete", {"file_key": "k", "upload_id": "u", "parts": [{"etag": "a"}]}, "missing_field", "parts.0.partN"),
        ("/parameters", {}, "missing_field", "file_key"),
        ("/parameters", {"file_key": "k", "source_name": "a\nb"}, "invalid_field", "source_name"),
        ("/parameters", {"file_key": "k", "filename": "x" * 256}, "invalid_field", "filename"),
        ("/parameters", {"file_key": "k", "snr_threshold": 1}, "invalid_field", "snr_threshold"),
        ("/parameters", {"file_key": "k", "max_drift_rate_hz_s": 51}, "invalid_field", "max_drift_rate_hz_s"),
    ],
)
async def test_a_wrong_field_is_named(client: TestClient, path: str, content: dict, code: str, field: str) -> None:
    status, body = await ask(client, "POST", path, json=content)
    assert (status, body["error"]["code"]) == (400, code)
    assert f"'{field}" in body["error"]["message"]


async def test_search_parameters_are_optional(client: TestClient) -> None:
    assert await ask(client, "POST", "/parameters", json={"file_key": "k"}) == (
        200,
        {"snr_threshold": 10.0, "max_drift_rate_hz_s": 4.0},
    )
    chosen = {"snr_threshold": 25, "max_drift_rate_hz_s": 0.5, "source_name": None}
    assert await ask(client, "POST", "/parameters", json={"file_key": "k", **chosen}) == (
        200,
        {"snr_threshold": 25.0, "max_drift_rate_hz_s": 0.5},
    )


async def test_a_body_that_is_not_what_its_encoding_says_is_no_fault_of_ours(client: TestClient) -> None:
    headers = {"x-api-key": VALID, "Content-Encoding": "deflate", "Content-Type": "application/json"}
    async with client.post("/parameters", data=b"xxxx", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_json"


async def test_a_connection_of_ours_that_breaks_is_no_client_that_went_away() -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise ConnectionResetError

    app = web.Application(middlewares=[errors_middleware])
    app.router.add_get("/", broken)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        assert response.status == 500
        assert (await response.json())["error"]["code"] == "internal_error"


async def test_a_field_that_is_not_known_is_named_and_never_passed_over(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/parameters", json={"file_key": "k", "snr": 20})
    assert (status, body["error"]["code"]) == (400, "unknown_field")
    assert "'snr'" in body["error"]["message"]


def test_only_what_is_no_http_is_left_out_of_the_frameworks_log() -> None:
    def record(error: Exception | None) -> logging.LogRecord:
        exc_info = (type(error), error, None) if error is not None else None
        return logging.LogRecord("aiohttp.server", logging.ERROR, "f", 1, "m", (), exc_info)

    assert not drop_malformed_requests(record(BadHttpMessage("no HTTP")))
    assert drop_malformed_requests(record(RuntimeError("a bug")))
    assert drop_malformed_requests(record(None))
