"""Request bodies: what is accepted, and what each refusal says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api import bodies
from services.gateway.api.application import MAX_BODY_BYTES, make_http_app
from services.gateway.api.bodies import AnalyzeBody, CompleteUploadBody, ReportBody, UploadUrlBody, read_body


async def anybody(_request: web.Request) -> User:
    return User("u1", "free", "n", 0)


def echo(model: type) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response((await read_body(request, model)).model_dump(mode="json", by_alias=True))

    return handler


async def search_parameters(request: web.Request) -> web.Response:
    return web.json_response((await read_body(request, AnalyzeBody)).search_parameters().model_dump())


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/upload", echo(UploadUrlBody)),
            web.post("/complete", echo(CompleteUploadBody)),
            web.post("/parameters", search_parameters),
            web.post("/report", echo(ReportBody)),
        ]


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_http_app([Subjects()], anybody))) as client:
        yield client


async def ask(client: TestClient, method: str, path: str, **more: object) -> tuple[int, dict]:
    response = await client.request(method, path, **more)
    return response.status, await response.json()


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
async def test_a_body_that_is_not_a_json_object_is_refused(client: TestClient, data: bytes) -> None:
    status, body = await ask(client, "POST", "/upload", data=data)
    assert (status, body["error"]["code"]) == (400, "invalid_json")


async def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/upload", data=b" " * (MAX_BODY_BYTES + 1))
    assert (status, body["error"]["code"]) == (413, "request_too_large")


async def test_nested_fields_are_unchanged(client: TestClient) -> None:
    metadata = {"screen": [1, 2.5, {"deep": [[["é", None, True]]]}], "😀": "\u2028"}
    status, body = await ask(client, "POST", "/report", json={"job_id": "j", "metadata": metadata})
    assert (status, body["metadata"]) == (200, metadata)


async def test_two_content_types_are_refused(client: TestClient) -> None:
    response = await client.post("/upload", data=b"{}", headers=[("Content-Type", "a/b"), ("Content-Type", "c/d")])
    assert response.status == 400


async def test_an_incomplete_body_times_out(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.05)

    async def half() -> AsyncIterator[bytes]:
        yield b'{"filename"'
        await asyncio.sleep(2)

    status, body = await ask(client, "POST", "/upload", data=half())
    assert (status, body["error"]["code"]) == (408, "request_timeout")


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
async def test_an_invalid_field_is_named(client: TestClient, path: str, content: dict, code: str, field: str) -> None:
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


async def test_a_body_that_does_not_match_its_encoding_is_refused(client: TestClient) -> None:
    headers = {"Content-Encoding": "deflate", "Content-Type": "application/json"}
    async with client.post("/parameters", data=b"xxxx", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_json"


async def test_an_unknown_field_is_named_and_refused(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/parameters", json={"file_key": "k", "snr": 20})
    assert (status, body["error"]["code"]) == (400, "unknown_field")
    assert "'snr'" in body["error"]["message"]
