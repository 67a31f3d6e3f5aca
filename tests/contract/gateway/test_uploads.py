"""Who may ask, and uploads, as users see them."""

import os
import re

import pytest

from services.gateway.settings import MEBIBYTE
from tests.contract.gateway.parts import UUID, Account, Gateway, code


async def test_health_needs_no_key(gateway: Gateway) -> None:
    async with gateway.client.get("/health") as response:
        assert response.status == 200
        assert await response.json() == {"status": "healthy", "version": "0.3.0"}


ROUTES = [
    ("POST", "/upload-url"),
    ("POST", "/complete-upload"),
    ("POST", "/abort-upload"),
    ("POST", "/analyze"),
    ("GET", "/jobs"),
    ("GET", "/jobs/x"),
    ("GET", "/jobs/x/download"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("api_key", ["", "sk_live_" + "0" * 64])
async def test_everything_else_does(gateway: Gateway, method: str, path: str, api_key: str) -> None:
    status, found = code(await Account(gateway, "", api_key).ask(method, path))
    assert (status, found) == (403, "invalid_api_key" if api_key else "missing_api_key")


async def test_a_small_file_is_uploaded_whole(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "my obs.FIL", "file_size": 50 * MEBIBYTE})
    assert status == 200
    assert set(body) == {"upload_url", "file_key", "expires_in", "max_size_mb", "multipart"}
    assert (body["expires_in"], body["max_size_mb"], body["multipart"]) == (3600, 1024, False)
    assert re.fullmatch(rf"uploads/{alice.user_id}/{UUID}/my_obs\.FIL", body["file_key"])
    put = alice.gateway.anybody.put(
        body["upload_url"], data=b"content", headers={"Content-Type": "application/octet-stream"}
    )
    async with put as response:
        assert response.status == 200
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == b"content"


async def test_the_size_is_optional(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "x.h5"})
    assert (status, body["multipart"]) == (200, False)


@pytest.mark.parametrize("quotes", ['"', ""])
async def test_a_large_file_is_uploaded_in_parts(alice: Account, quotes: str) -> None:
    size = 50 * MEBIBYTE + 1
    status, body = await alice.ask("POST", "/upload-url", {"filename": "large_file.fil", "file_size": size})
    assert status == 200
    assert set(body) == {"multipart", "upload_id", "file_key", "parts", "part_size", "max_size_mb", "expires_in"}
    assert (body["multipart"], body["part_size"], body["expires_in"]) == (True, 10485760, 3600)
    assert [part["partNumber"] for part in body["parts"]] == [1, 2, 3, 4, 5, 6]
    content = os.urandom(body["part_size"] + 1)
    chunks = [content[: body["part_size"]], content[body["part_size"] :]]
    parts = []
    for part, chunk in zip(body["parts"], chunks, strict=False):
        async with alice.gateway.anybody.put(part["url"], data=chunk) as response:
            assert response.status == 200
            etag = quotes + response.headers["ETag"].strip('"') + quotes
        parts.append({"partNumber": part["partNumber"], "etag": etag})
    complete = {"file_key": body["file_key"], "upload_id": body["upload_id"], "parts": parts}
    expected = (200, {"message": "Upload complete", "file_key": body["file_key"]})
    assert await alice.ask("POST", "/complete-upload", complete) == expected
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == content
    # A client that lost the answer asks again.
    assert await alice.ask("POST", "/complete-upload", complete) == expected


async def test_an_upload_can_be_aborted(alice: Account, bob: Account) -> None:
    _, body = await alice.ask("POST", "/upload-url", {"filename": "x.fil", "file_size": 60 * MEBIBYTE})
    upload = {"file_key": body["file_key"], "upload_id": body["upload_id"]}
    assert code(await bob.ask("POST", "/abort-upload", upload)) == (404, "file_not_found")
    assert await alice.ask("POST", "/abort-upload", upload) == (200, {"message": "Upload aborted"})
    parts = [{"partNumber": 1, "etag": '"abc123"'}]
    answer = await alice.ask("POST", "/complete-upload", {**upload, "parts": parts})
    assert code(answer) == (400, "invalid_multipart_upload")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing_field")),
        ({"filename": "x.txt"}, (400, "unsupported_file_type")),
        ({"filename": ".fil"}, (400, "invalid_filename")),
        ({"filename": "x.fil", "file_size": "big"}, (400, "invalid_field")),
        ({"filename": "x.fil", "file_size": 1025 * MEBIBYTE}, (413, "file_too_large")),
    ],
)
async def test_wrong_uploads_are_refused(alice: Account, body: dict, expected: tuple[int, str]) -> None:
    assert code(await alice.ask("POST", "/upload-url", body)) == expected
