"""Which requests need a key, and uploads, as users see them."""

import os
import re
from typing import Any

import pytest

from services.gateway.settings import MEBIBYTE
from tests.contract.gateway.parts import UUID, Account, Gateway, account, code


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
    ("DELETE", "/jobs/x"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("api_key", ["", "sk_live_" + "0" * 64])
async def test_everything_else_needs_a_key(gateway: Gateway, method: str, path: str, api_key: str) -> None:
    status, found = code(await Account(gateway, "", api_key).ask(method, path))
    assert (status, found) == (403, "invalid_api_key" if api_key else "missing_api_key")


async def test_a_small_file_is_uploaded_in_one_request(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "my obs.FIL", "file_size": len(b"content")})
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


async def test_an_upload_of_another_size_than_announced_is_refused(alice: Account) -> None:
    single = (await alice.ask("POST", "/upload-url", {"filename": "x.fil", "file_size": 50 * MEBIBYTE}))[1]
    assert single["multipart"] is False
    parts = (await begin(alice))["parts"]
    for url, size in ((single["upload_url"], 9), (parts[0]["url"], 5 * MEBIBYTE), (parts[-1]["url"], 2)):
        async with alice.gateway.anybody.put(url, data=bytes(size)) as response:
            assert response.status == 403
            assert "SignatureDoesNotMatch" in await response.text()
    assert await alice.gateway.storage.uploads.size(single["file_key"]) is None


async def test_the_size_is_optional(alice: Account) -> None:
    status, body = await alice.ask("POST", "/upload-url", {"filename": "x.h5"})
    assert (status, body["multipart"]) == (200, False)


async def begin(user: Account, size: int = 50 * MEBIBYTE + 1) -> dict[str, Any]:
    status, body = await user.ask("POST", "/upload-url", {"filename": "large_file.fil", "file_size": size})
    assert status == 200
    return dict(body)


def empty_parts(body: dict[str, Any]) -> list[bytes]:
    """Return content for the parts of a file of 50 MiB and one byte."""
    return [bytes(body["part_size"])] * (len(body["parts"]) - 1) + [b"!"]


async def put_all(user: Account, body: dict[str, Any]) -> list[dict[str, Any]]:
    """PUT all parts and return their entries for /complete-upload."""
    return [await put(user, *both) for both in zip(body["parts"], empty_parts(body), strict=True)]


async def put(user: Account, part: dict[str, Any], content: bytes) -> dict[str, Any]:
    """PUT one part and return its entry for /complete-upload."""
    async with user.gateway.anybody.put(part["url"], data=content) as response:
        assert response.status == 200
        return {"partNumber": part["partNumber"], "etag": response.headers["ETag"]}


def named(body: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"file_key": body["file_key"], "upload_id": body["upload_id"], "parts": parts}


@pytest.mark.parametrize("quotes", ['"', ""])
async def test_a_large_file_is_uploaded_in_parts(alice: Account, quotes: str) -> None:
    body = await begin(alice)
    assert set(body) == {"multipart", "upload_id", "file_key", "parts", "part_size", "max_size_mb", "expires_in"}
    assert (body["multipart"], body["part_size"], body["expires_in"]) == (True, 10485760, 3600)
    assert [part["partNumber"] for part in body["parts"]] == [1, 2, 3, 4, 5, 6]
    content = os.urandom(body["part_size"]) * 5 + b"!"
    chunks = [content[start : start + body["part_size"]] for start in range(0, len(content), body["part_size"])]
    parts = [await put(alice, part, chunk) for part, chunk in zip(body["parts"], chunks, strict=True)]
    for part in parts:
        part["etag"] = quotes + part["etag"].strip('"') + quotes
    expected = (200, {"message": "Upload complete", "file_key": body["file_key"]})
    # A client that uploads parts in parallel need not list them in order.
    assert await alice.ask("POST", "/complete-upload", named(body, parts[::-1])) == expected
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == content
    # A client that lost the answer repeats the request.
    assert await alice.ask("POST", "/complete-upload", named(body, parts)) == expected


async def test_a_file_with_a_missing_part_is_not_completed(alice: Account) -> None:
    body = await begin(alice)
    parts = await put_all(alice, body)
    for wrong in (parts[:-1], parts[1:], [*parts, parts[0]], [*parts[:2], *parts[3:]]):
        answer = await alice.ask("POST", "/complete-upload", named(body, wrong))
        assert code(answer) == (400, "invalid_parts")
        assert "1 to 6" in answer[1]["error"]["message"]
    forged = [*parts[:-1], {"partNumber": 6, "etag": '"00000000000000000000000000000000"'}]
    answer = await alice.ask("POST", "/complete-upload", named(body, forged))
    assert code(answer) == (400, "invalid_multipart_upload")
    assert await alice.gateway.storage.uploads.size(body["file_key"]) is None


async def test_parts_that_make_too_large_a_file_are_removed(gateway: Gateway) -> None:
    tiers = gateway.settings.tiers
    before = tiers["free"]
    carol = await account(gateway, "free")
    body = await begin(carol)
    parts = await put_all(carol, body)
    tiers["free"] = before.model_copy(update={"max_file_mb": 20})
    try:
        assert code(await carol.ask("POST", "/complete-upload", named(body, parts))) == (413, "file_too_large")
    finally:
        tiers["free"] = before
    assert await gateway.storage.uploads.size(body["file_key"]) is None
    assert code(await carol.ask("POST", "/analyze", {"file_key": body["file_key"]})) == (404, "file_not_found")


async def test_an_upload_can_be_aborted(alice: Account, bob: Account) -> None:
    body = await begin(alice)
    parts = await put_all(alice, body)
    upload = {"file_key": body["file_key"], "upload_id": body["upload_id"]}
    assert code(await bob.ask("POST", "/abort-upload", upload)) == (404, "file_not_found")
    assert code(await bob.ask("POST", "/complete-upload", named(body, parts))) == (404, "file_not_found")
    assert await alice.ask("POST", "/abort-upload", upload) == (200, {"message": "Upload aborted"})
    answer = await alice.ask("POST", "/complete-upload", named(body, parts))
    assert code(answer) == (400, "invalid_multipart_upload")


async def test_a_stored_file_beyond_the_limit_is_removed_when_it_is_analyzed(gateway: Gateway) -> None:
    carol, before = await account(gateway, "free"), gateway.settings.tiers["free"]
    key = await carol.upload(bytes(MEBIBYTE + 1))
    gateway.settings.tiers["free"] = before.model_copy(update={"max_file_mb": 1})
    try:
        assert code(await carol.ask("POST", "/analyze", {"file_key": key})) == (413, "file_too_large")
    finally:
        gateway.settings.tiers["free"] = before
    assert await gateway.storage.uploads.size(key) is None


async def test_a_job_is_of_the_object_that_was_accepted(alice: Account) -> None:
    body = (await alice.ask("POST", "/upload-url", {"filename": "x.fil"}))[1]
    sizes, uploads = [], []
    for content in (b"first", b"the second, which is longer"):
        async with alice.gateway.anybody.put(body["upload_url"], data=content) as response:
            assert response.status == 200
        job_id = await alice.start(body["file_key"])
        sizes.append((await alice.ask("GET", f"/jobs/{job_id}"))[1]["file_size"])
        uploads.append(alice.gateway.bus.events[-1].upload)
    assert sizes == [len(b"first"), len(b"the second, which is longer")] == [upload.file_size for upload in uploads]
    content = await alice.gateway.storage.uploads.content(body["file_key"])
    assert uploads[1].etag == content.etag != uploads[0].etag
    stored = await alice.gateway.store.jobs.get(job_id)
    assert (stored.file_size, stored.etag) == (content.size, content.etag)


async def test_names_are_shown_as_the_client_gave_them(alice: Account) -> None:
    key = await alice.upload(name="C:\\data\\GJ 1002 (né)?.fil")
    assert key.endswith("/GJ_1002__né__.fil")
    job_id = await alice.start(key)
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["filename"], job["source_name"]) == ("GJ 1002 (né)?.fil", "GJ 1002 (né)?.fil")


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
async def test_invalid_uploads_are_refused(alice: Account, body: dict, expected: tuple[int, str]) -> None:
    assert code(await alice.ask("POST", "/upload-url", body)) == expected
