"""Test plain requests for ranges, on a server that answers as each test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest

from shared import range_requests
from shared.range_requests import Range, RangeRequests, is_behind_proxy

CONTENT = bytes(range(256)) * 4096
ETAG = '"one"'

Answer = Callable[[dict[str, str], int], bytes]


def partial(headers: dict[str, str], _number: int) -> bytes:
    """Answer as S3 does."""
    first, _, last = headers["range"].removeprefix("bytes=").partition("-")
    body = CONTENT[int(first) : int(last) + 1]
    return answer(body, f"Content-Range: bytes {first}-{int(first) + len(body) - 1}/{len(CONTENT)}")


def answer(body: bytes, *headers: str, status: str = "206 Partial Content", etag: str = ETAG) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"ETag: {etag}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Counts its connections and requests."""

    def __init__(self, respond: Answer, *, closes: bool) -> None:
        self.respond = respond
        self.closes = closes
        self.url = ""
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.has_request = asyncio.Event()
        self.lost = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with closing(writer):
            while request := await reader.readuntil(b"\r\n\r\n"):
                fields = [line.split(": ", 1) for line in request.decode().split("\r\n")[1:-2]]
                self.requests.append({name.lower(): value for name, value in fields})
                writer.write(self.respond(self.requests[-1], len(self.requests)))
                await writer.drain()
                self.has_request.set()
                if self.closes:
                    return


@asynccontextmanager
async def serving(respond: Answer = partial, *, closes: bool = False) -> AsyncIterator[Server]:
    served = Server(respond, closes=closes)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await served.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            served.lost.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        served.url = f"http://127.0.0.1:{port}/bucket/key?signature=1"
        yield served


async def test_a_range_is_read_into_its_place():
    buffer = bytearray(b"\xff" * (len(CONTENT) + 2))
    async with serving() as server:
        with closing(RangeRequests()) as ranges:
            middle = memoryview(buffer)[1:-1]
            assert await ranges.fill(Range(server.url, 0, middle, ETAG))
            assert await ranges.fill(Range(server.url, 1000, middle[:5], None))
        assert server.connections == 1
    assert bytes(buffer[6:]) == CONTENT[5:] + b"\xff"
    assert bytes(buffer[:6]) == b"\xff" + CONTENT[1000:1005]
    assert [request.get("if-match") for request in server.requests] == [ETAG, None]
    assert [request["range"] for request in server.requests] == ["bytes=0-1048575", "bytes=1000-1004"]


async def test_many_ranges_at_once():
    async with serving() as server:
        with closing(RangeRequests()) as ranges:
            buffers = [bytearray(3000) for _ in range(100)]
            wanted = [Range(server.url, 1000 * i, memoryview(buffer), ETAG) for i, buffer in enumerate(buffers)]
            assert all(await asyncio.gather(*map(ranges.fill, wanted)))
    assert all(bytes(buffer) == CONTENT[1000 * i : 1000 * i + 3000] for i, buffer in enumerate(buffers))


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(lambda _headers, _n: answer(b"", status="412 Precondition Failed"), id="replaced"),
        pytest.param(lambda _headers, _n: answer(b"", status="403 Forbidden"), id="refused"),
        pytest.param(lambda _headers, _n: answer(b"", status="503 Slow Down"), id="busy"),
        pytest.param(lambda _headers, _n: answer(b"0123456789", status="200 OK"), id="whole object"),
        pytest.param(lambda _headers, _n: answer(b"012345678", "Content-Range: bytes 0-8/9"), id="shorter object"),
        pytest.param(lambda _headers, _n: answer(b"0123456789", "Content-Range: bytes 1-10/20"), id="another range"),
        pytest.param(
            lambda _headers, _n: answer(b"0123456789", "Content-Range: bytes 0-9/20", etag='"two"'), id="another ETag"
        ),
        pytest.param(lambda _headers, _n: b"not HTTP\r\n\r\n", id="not HTTP"),
        pytest.param(lambda headers, n: partial(headers, n)[:-1], id="body cut short"),
        pytest.param(lambda _headers, _n: b"", id="no answer"),
    ],
)
async def test_any_other_answer_is_left_to_the_client(respond):
    async with serving(respond, closes=True) as server:
        with closing(RangeRequests()) as ranges:
            assert not await ranges.fill(Range(server.url, 0, memoryview(bytearray(10)), ETAG))


async def test_a_server_that_is_not_there_is_left_to_the_client():
    async with serving() as server:
        pass
    with closing(RangeRequests()) as ranges:
        assert not await ranges.fill(Range(server.url, 0, memoryview(bytearray(10)), ETAG))


async def test_a_kept_connection_that_the_server_closed_is_replaced():
    buffer = bytearray(10)
    async with serving(closes=True) as server:
        with closing(RangeRequests()) as ranges:
            for start in (0, 10, 20):
                assert await ranges.fill(Range(server.url, start, memoryview(buffer), ETAG))
                assert bytes(buffer) == CONTENT[start : start + 10]
        assert server.connections == 3


async def test_a_silent_server_is_left_to_the_client_without_a_second_try(monkeypatch):
    monkeypatch.setattr(range_requests, "READ_S", 0.05)
    async with serving(lambda _headers, _n: b"") as server:
        with closing(RangeRequests()) as ranges:
            assert not await ranges.fill(Range(server.url, 0, memoryview(bytearray(10)), ETAG))
    assert len(server.requests) == server.connections == 1


async def test_an_unusable_certificate_bundle_is_left_to_the_client(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with closing(RangeRequests()) as ranges:
        assert not await ranges.fill(Range("https://127.0.0.1:1/key", 0, memoryview(bytearray(10)), ETAG))


@pytest.mark.parametrize("sent", [0, 200_000])
async def test_a_cancelled_read_ends_and_leaves_the_buffer_alone(sent):
    """The server sends nothing, or a part of the body, and then is silent."""
    buffer = bytearray(500_000)
    async with serving(lambda headers, n: partial(headers, n)[:sent]) as server:
        with closing(RangeRequests()) as ranges:
            reading = asyncio.create_task(ranges.fill(Range(server.url, 0, memoryview(buffer), ETAG)))
            await server.has_request.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            left = bytes(buffer)
            # The connection is not kept for another range.
            await server.lost.wait()
        assert bytes(buffer) == left


async def test_a_read_that_is_cancelled_before_it_starts_sends_nothing():
    async with serving() as server:
        with closing(RangeRequests()) as ranges:
            reading = asyncio.create_task(ranges.fill(Range(server.url, 0, memoryview(bytearray(10)), ETAG)))
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HTTP_PROXY", "http://proxy:3128", True),
        ("ALL_PROXY", "http://proxy:3128", True),
        ("HTTPS_PROXY", "http://proxy:3128", False),
    ],
)
def test_a_proxy_of_the_environment_is_noticed(monkeypatch, name, value, expected):
    for other in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    assert not is_behind_proxy("http://storage:9000/key")
    monkeypatch.setenv(name.lower(), value)
    assert is_behind_proxy("http://storage:9000/key") is expected
    monkeypatch.setenv("no_proxy", "storage")
    assert not is_behind_proxy("http://storage:9000/key")
