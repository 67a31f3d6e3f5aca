"""Request bodies: what is accepted, and what each refusal says."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api import bodies
from services.gateway.api.application import MAX_BODY_BYTES, make_http_app
from services.gateway.api.bodies import AnalyzeBody, CompleteUploadBody, ReportBody, UploadUrlBody, read_body
from shared.events import SearchParameters


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
    ("data", "part"),
    [
        (b"", "is empty"),
        (b"{", "at line 1, column 2"),
        (b'{"filename":\n x}', "at line 2, column 2"),
        (b"[]", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b"\xff\xfe", "not valid UTF-8: see byte 1"),
        (b"[" * 900, "not valid JSON"),
        (b'{"filename": "x.fil", "file_size": NaN}', "NaN is no JSON number"),
        (b'{"filename": "x.fil", "file_size": -Infinity}', "-Infinity is no JSON number"),
        (b'{"filename": "x\xed\xa0\x80.fil"}', "not valid UTF-8: see byte 16"),
        (b'{"filename": "x\xff.fil"}', "not valid UTF-8: see byte 16"),
        ('{"filename": "x.fil"}'.encode("utf-16"), "not valid UTF-8: see byte 1"),
        (b'{"filename": "x.fil"} {}', "Extra data"),
        (b'{"filename": "x.fil", "filename": "y.fil"}', "The field 'filename' is given more than once"),
        (b'{"filename": "x.fil", "other": {"a": 1, "b": 2, "a": 1}}', "The field 'a' is given more than once"),
        (b'{"filename": "x.fil", "other": %s1%s}' % (b"[" * 100_000, b"]" * 100_000), "32 levels"),
    ],
)
async def test_a_body_that_is_not_a_json_object_is_refused(client: TestClient, data: bytes, part: str) -> None:
    status, body = await ask(client, "POST", "/upload", data=data)
    assert (status, body["error"]["code"]) == (400, "invalid_json")
    assert part in body["error"]["message"]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'{"filename": "x\\u0000.fil"}', "'filename' is not valid: it must not hold NUL"),
        (b'{"filename": "x\\ud800.fil"}', "'filename' is not valid: it must not hold halves of surrogate pairs"),
        (b'{"filename": "x.fil", "other": "\\ud800"}', "'other' is not valid: it must not hold halves"),
        (b'{"filename": "x.fil", "a\\u0000": 1}', "is not valid: it must not hold NUL"),
        (b'{"filename": "x.fil", "file_size": 9223372036854775808}', "'file_size' is not valid: integers must be from"),
        (b'{"filename": "x.fil", "file_size": -9223372036854775808}', "'file_size' is not valid: integers must be"),
        (b'{"filename": "x.fil", "file_size": 1%s}' % (b"0" * 30), "'file_size' is not valid: the number is out of"),
        (b'{"filename": "x.fil", "file_size": 1%s}' % (b"0" * 5000), "'file_size' is not valid: the number is out of"),
        (b'{"filename": "x.fil", "other": 1e999}', "'other' is not valid: the number is out of range"),
        (b'{"filename": "x.fil", "other": {"a": [0, -1e999]}}', "'other.a.1' is not valid: the number is out of range"),
        (b'{"filename": "x.fil", "other": %s1%s}' % (b"[" * 32, b"]" * 32), "'other' is not valid: it must not be nes"),
    ],
)
async def test_a_field_that_no_store_can_hold_is_named(client: TestClient, data: bytes, part: str) -> None:
    status, body = await ask(client, "POST", "/upload", data=data)
    assert (status, body["error"]["code"]) == (400, "invalid_field")
    assert part in body["error"]["message"]


async def test_the_largest_integer_is_accepted(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/upload", data=b'{"filename": "x.fil", "file_size": 9223372036854775807}')
    assert (status, body["file_size"]) == (200, 2**63 - 1)


async def test_a_byte_order_mark_is_ignored(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/upload", data=b'\xef\xbb\xbf{"filename": "x.fil"}')
    assert (status, body["filename"]) == (200, "x.fil")


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "utf-8", "x-gzip", "*"])
async def test_an_unknown_content_encoding_is_refused(client: TestClient, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    response = await client.post("/upload", data=b'{"filename": "x.fil"}', headers=headers, skip_auto_headers=headers)
    assert response.status == 415
    assert response.headers["Accept-Encoding"] == "identity, gzip, deflate"
    assert (await response.json())["error"]["code"] == "unsupported_content_encoding"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b'{"filename": "x.fil"}', mtime=0)),  # Workers agree on the test's id.
        ("deflate", zlib.compress(b'{"filename": "x.fil"}')),
        ("identity", b'{"filename": "x.fil"}'),
    ],
)
async def test_known_content_encodings_are_decoded(client: TestClient, encoding: str, data: bytes) -> None:
    # As a stream, since aiohttp's client would compress bytes once more.
    async def sent() -> AsyncIterator[bytes]:
        yield data

    response = await client.post("/upload", data=sent(), headers={"Content-Encoding": encoding}, compress=None)
    assert (response.status, (await response.json()).get("filename")) == (200, "x.fil")


async def test_a_body_that_is_not_what_its_encoding_says_is_refused(client: TestClient) -> None:
    async def sent() -> AsyncIterator[bytes]:
        yield b'{"filename": "x.fil"}'

    response = await client.post("/upload", data=sent(), headers={"Content-Encoding": "gzip"})
    assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_json")


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
        ("/parameters", {"file_key": "k", "ifs": "second"}, "invalid_field", "ifs"),
        ("/parameters", {"file_key": "k", "pol_type": "XY"}, "invalid_field", "pol_type"),
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
    ifs = {"ifs": "stokes_i", "pol_type": "AABBCRCI"}
    assert await ask(client, "POST", "/parameters", json={"file_key": "k", **ifs}) == (
        200,
        {"snr_threshold": 10.0, "max_drift_rate_hz_s": 4.0, **ifs},
    )
    assert await ask(client, "POST", "/parameters", json={"file_key": "k", "chirps": True}) == (
        200,
        {"snr_threshold": 10.0, "max_drift_rate_hz_s": 4.0, "chirps": True},
    )


def test_users_may_choose_every_search_parameter() -> None:
    assert SearchParameters.model_fields.keys() <= AnalyzeBody.model_fields.keys()


async def test_a_body_that_does_not_match_its_encoding_is_refused(client: TestClient) -> None:
    headers = {"Content-Encoding": "deflate", "Content-Type": "application/json"}
    async with client.post("/parameters", data=b"xxxx", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_json"


async def test_an_unknown_field_is_named_and_refused(client: TestClient) -> None:
    status, body = await ask(client, "POST", "/parameters", json={"file_key": "k", "snr": 20})
    assert (status, body["error"]["code"]) == (400, "unknown_field")
    assert "'snr'" in body["error"]["message"]


async def test_a_checksum_is_64_hexadecimal_digits(client: TestClient) -> None:
    body = {"file_key": "uploads/u/f"}
    assert (await ask(client, "POST", "/parameters", json=body | {"sha256": "ab" * 32}))[0] == 200
    for wrong in ("ab" * 31, "AB" * 32, "xy" * 32, "ab" * 32 + "\n", 7):
        status, answer = await ask(client, "POST", "/parameters", json=body | {"sha256": wrong})
        assert (status, answer["error"]["code"]) == (400, "invalid_field")
        assert "'sha256'" in answer["error"]["message"]
