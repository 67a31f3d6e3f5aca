"""Requests that never reach the application are refused in the form of the API's errors."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.bodies import UploadUrlBody, read_body
from services.gateway.api.http_server import GatewayRunner

PATIENCE_S = 60.0
HOST = b"Host: a\r\n"
BODY = b'{"filename": "x.fil"}'


async def anybody(_request: web.Request) -> User:
    return User("u1", "free", "n", 0)


async def upload(request: web.Request) -> web.Response:
    return web.json_response((await read_body(request, UploadUrlBody)).model_dump())


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/upload", upload), web.get("/jobs/{job_id}", upload)]


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    runner = GatewayRunner(
        make_http_app([Subjects()], anybody), access_log=None, max_line_size=8190, max_field_size=8190, max_headers=100
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def sent(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes; return status, headers and body of the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body
    finally:
        writer.close()


async def refusal(port: int, data: bytes) -> tuple[int, str, str]:
    """Return status, code and sentence of a refusal; fail unless it has the form of all errors."""
    status, headers, body = await sent(port, data)
    assert headers["content-type"].startswith("application/json")
    assert len(headers["x-request-id"]) == 32
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "Waterhole"
    error = json.loads(body)["error"]
    assert error["message"].endswith(".")
    return status, error["code"], error["message"]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", "too long"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: " + b"a" * 9000 + b"\r\n\r\n", "too long"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", "header"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"No colon\r\n\r\n", "header"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-Null: a\0b\r\n\r\n", "header"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", "header"),
        (b"GET / HTTP/9.9.9\r\n" + HOST + b"\r\n", "first line"),
        (b"NO REQUEST AT ALL\r\n\r\n", "first line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "first line"),
    ],
)
async def test_what_is_not_http_is_refused_as_json(port: int, data: bytes, part: str) -> None:
    before = REGISTRY.get_sample_value("waterhole_http_refused_total", {"status": "400"}) or 0
    status, code, message = await refusal(port, data)
    assert (status, code) == (400, "malformed_request")
    assert part in message
    assert REGISTRY.get_sample_value("waterhole_http_refused_total", {"status": "400"}) == before + 1


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress", b"nonsense", b"gzip, br"])
async def test_unknown_content_encodings_are_refused_as_json(port: int, encoding: bytes) -> None:
    length = b"Content-Length: %d\r\n" % len(BODY)
    head = b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Encoding: " + encoding + b"\r\n" + length + b"\r\n"
    status, code, _ = await refusal(port, head + BODY)
    assert (status, code) == (415, "unsupported_content_encoding")


async def test_bad_chunks_are_refused_as_json(port: int) -> None:
    head = b"POST /upload HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunks in (b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n"):
        status, code, _ = await refusal(port, head + chunks)
        assert (status, code) in {(400, "malformed_request"), (400, "invalid_json")}


async def test_an_unknown_expectation_is_refused_as_json(port: int) -> None:
    data = b"POST /upload HTTP/1.1\r\n" + HOST + b"Expect: 200-ok\r\nContent-Length: 0\r\n\r\n"
    assert (await refusal(port, data))[:2] == (417, "unsupported_expectation")


@pytest.mark.parametrize("method", [b"FOO /upload", b"TRACE /upload", b"CONNECT a:1", b"PRI *", b"OPTIONS *"])
async def test_unknown_methods_are_refused_as_json(port: int, method: bytes) -> None:
    status, code, _ = await refusal(port, method + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, code) in {(405, "method_not_allowed"), (404, "not_found"), (400, "malformed_request")}


@pytest.mark.parametrize("path", [b"/upload/", b"/jobs/", b"/jobs/x/", b"/nowhere/", b"//"])
async def test_a_slash_at_the_end_is_named(port: int, path: bytes) -> None:
    status, code, message = await refusal(port, b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, code) == (404, "not_found")
    assert "leave out the one at its end" in message


async def test_other_requests_are_answered_as_always(port: int) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(BODY)
    expect = b"Expect: 100-continue\r\n"
    status, _, body = await sent(port, b"POST /upload HTTP/1.1\r\n" + HOST + length + BODY)
    assert (status, json.loads(body)["filename"]) == (200, "x.fil")
    status, _, _ = await sent(port, b"POST /upload HTTP/1.1\r\n" + HOST + expect + length + BODY)
    assert status == 100
