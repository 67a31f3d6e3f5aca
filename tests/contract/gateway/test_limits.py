"""Limits on what a client can send to the gateway, and how the gateway stops."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import EmbeddedServers
from services.gateway.accounts.model import User
from services.gateway.api.application import MAX_BODY_BYTES, make_http_app
from services.gateway.api.errors import ApiError
from services.gateway.api.routes.health import HealthRoutes
from shared.service import KEEP_ALIVE_S, MAX_HEADER_BYTES, MAX_HEADERS
from tests.contract.gateway.process import PATIENCE_S, GatewayProcess, Relay, running_gateway


async def nobody(_request: web.Request) -> User:
    raise ApiError(403, "missing_api_key", "Nobody is let in.")


@pytest.fixture(scope="module")
async def mongodb(servers: EmbeddedServers) -> AsyncIterator[Relay]:
    relay = Relay(urlsplit(servers.mongodb).port)
    await relay.start()
    yield relay
    await relay.cut()


@pytest.fixture(scope="module")
async def process(servers: EmbeddedServers, mongodb: Relay) -> AsyncIterator[GatewayProcess]:
    environment = servers.gateway_environment
    environment["WATERHOLE_MONGODB_URL"] = mongodb.instead_of(servers.mongodb)
    async with running_gateway(environment) as process:
        yield process


def refused(answer: bytes) -> tuple[int, str]:
    """Return status and code of a refusal; fail unless it is JSON with a sentence and a request id."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nX-Request-Id: " in head
    error = json.loads(body)["error"]
    assert error["message"].endswith(".")
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"a" * MAX_HEADER_BYTES + b"\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(MAX_HEADERS + 1)),
        b"Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: -1\r\n",
        b"No colon\r\n",
        b"X-Null: a\0b\r\n",
    ],
)
async def test_malformed_or_oversized_headers_are_refused(process: GatewayProcess, headers: bytes) -> None:
    answer = await process.raw(b"POST /analyze HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n{}")
    assert refused(answer) == (400, "malformed_request")


async def test_a_path_that_is_too_long_is_refused(process: GatewayProcess) -> None:
    answer = await process.raw(b"GET /" + b"a" * MAX_HEADER_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert refused(answer) == (400, "malformed_request")


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress"])
async def test_an_unknown_content_encoding_is_refused(process: GatewayProcess, encoding: bytes) -> None:
    key = f"x-api-key: {process.api_key}\r\n".encode()
    head = b"POST /analyze HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n" + key
    answer = await process.raw(head + b"Content-Encoding: " + encoding + b"\r\n\r\n{}")
    assert refused(answer) == (415, "unsupported_content_encoding")


@pytest.mark.parametrize("path", ["/jobs/%00", "/jobs/%ff%fe", "/jobs/%ed%a0%80", "/jobs/..%2f..", "/jobs?limit=%00"])
async def test_odd_paths_are_not_found(process: GatewayProcess, path: str) -> None:
    answer = await process.raw(
        f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: {process.api_key}\r\n\r\n".encode()
    )
    assert answer.split(b"\r\n", 1)[0].split()[1] in {b"400", b"404"}
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error"}


async def test_a_body_that_is_too_large_is_refused_with_or_without_a_declared_size(process: GatewayProcess) -> None:
    body = b'{"file_key": "' + b"a" * MAX_BODY_BYTES + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    for data in (body, chunks()):
        status, answer = await process.ask("POST", "/analyze", data=data)
        assert (status, answer["error"]["code"]) == (413, "request_too_large")


async def test_an_incomplete_request_times_out() -> None:
    app = make_http_app([HealthRoutes("1")], nobody)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=0.2)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, HOST, port).start()
    for half in (b"", b"GET /health HTTP/1.1\r\nHost"):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(half)
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()
    await runner.cleanup()
    assert 0 < KEEP_ALIVE_S <= 120


# This is the last test here: the embedded broker accepts no other gateway beside the one that this test ends.
async def test_running_requests_and_streams_complete_when_the_gateway_stops(
    process: GatewayProcess, mongodb: Relay
) -> None:
    _, job = await process.ask("POST", "/analyze", json={"file_key": await process.upload()})
    path = f"/jobs/{job['job_id']}"
    async with process.request("GET", f"{path}/events") as stream:
        await stream.content.readuntil(b"data: ")
        mongodb.hang()
        in_hand = asyncio.create_task(process.ask("GET", path))
        await asyncio.sleep(0.3)
        process.terminate()
        await asyncio.sleep(0.3)
        await mongodb.start()
        assert (await asyncio.wait_for(in_hand, PATIENCE_S))[0] == 200
        await asyncio.wait_for(stream.content.read(), PATIENCE_S)
    log = await process.log()
    assert process.process.returncode == 0
    assert [line["event"] for line in log][-1] == "service stopped"
    assert not [line for line in log if line["level"] in {"error", "critical"}]
