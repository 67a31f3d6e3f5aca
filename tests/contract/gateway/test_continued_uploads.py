"""Multipart uploads that are continued: what is stored is stated, what is missing gets new URLs."""

import asyncio
import json
import os
import uuid
from typing import Any

import pytest

from deploy.local.servers import EmbeddedServers
from services.gateway.settings import DEFAULT_TIERS, MEBIBYTE
from tests.contract.gateway.parts import Account, Gateway, account, code
from tests.contract.gateway.process import running_gateway

PART = 10 * MEBIBYTE
# Five parts, and a sixth of one byte.
SIZE = 50 * MEBIBYTE + 1


@pytest.fixture(scope="module")
async def user(gateway: Gateway) -> Account:
    return await account(gateway)


async def begin(user: Account, **more: Any) -> dict[str, Any]:
    status, body = await user.ask("POST", "/upload-url", {"filename": "large.fil", "file_size": SIZE, **more})
    assert status == 200
    return dict(body)


async def resume(user: Account, upload: dict[str, Any], **more: Any) -> tuple[int, Any]:
    known = {name: upload[name] for name in ("file_key", "upload_id")}
    return await user.ask("POST", "/upload-url", known | more)


async def put(user: Account, part: dict[str, Any], content: bytes) -> dict[str, Any]:
    async with user.gateway.anybody.put(part["url"], data=content) as response:
        assert response.status == 200
        return {"partNumber": part["partNumber"], "etag": response.headers["ETag"], "size": len(content)}


def numbers(parts: list[dict[str, Any]]) -> list[int]:
    return [part["partNumber"] for part in parts]


def of_content(content: bytes, part: dict[str, Any]) -> bytes:
    start = (part["partNumber"] - 1) * PART
    return content[start : start + PART]


async def test_an_upload_is_continued_where_it_was_interrupted(user: Account) -> None:
    content = os.urandom(PART) * 5 + b"!"
    upload = await begin(user)
    assert "uploaded" not in upload
    sent = [
        await put(user, part, of_content(content, part)) for part in upload["parts"] if part["partNumber"] in (2, 5)
    ]
    status, again = await resume(user, upload)
    assert status == 200
    same = ("multipart", "upload_id", "file_key", "part_size", "max_size_mb", "expires_in")
    assert {name: again[name] for name in same} == {name: upload[name] for name in same}
    assert again["uploaded"] == sent
    assert numbers(again["parts"]) == [1, 3, 4, 6]
    sent += [await put(user, part, of_content(content, part)) for part in again["parts"]]
    status, full = await resume(user, upload)
    assert (status, full["parts"], len(full["uploaded"])) == (200, [], 6)
    parts = [{name: one[name] for name in ("partNumber", "etag")} for one in full["uploaded"]]
    known = {name: upload[name] for name in ("file_key", "upload_id")}
    assert (await user.ask("POST", "/complete-upload", {**known, "parts": parts}))[0] == 200
    assert await user.gateway.storage.uploads.get(upload["file_key"]) == content
    assert code(await resume(user, upload)) == (404, "upload_not_found")


async def test_urls_are_given_out_a_few_at_a_time(user: Account) -> None:
    upload = await begin(user, part_numbers=[2, 1, 99])
    assert numbers(upload["parts"]) == [1, 2]
    await put(user, upload["parts"][0], bytes(PART))
    status, more = await resume(user, upload, part_numbers=[1, 2, 3, 6, 7])
    assert (status, numbers(more["parts"]), numbers(more["uploaded"])) == (200, [2, 3, 6], [1])
    # The last part is shorter, and its URL is for its size.
    await put(user, more["parts"][-1], b"!")
    async with user.gateway.anybody.put(more["parts"][0]["url"], data=b"!") as response:
        assert response.status == 403


async def test_parts_of_another_size_are_said_to_be_missing(user: Account) -> None:
    upload = await begin(user)
    uploads = user.gateway.storage.uploads
    for number, size in ((1, PART - 1), (2, PART), (6, 2)):
        url = await uploads.presign_part(upload["file_key"], upload["upload_id"], number, expires_s=60)
        await put(user, {"partNumber": number, "url": url}, bytes(size))
    _, again = await resume(user, upload)
    assert numbers(again["uploaded"]) == [2]
    assert numbers(again["parts"]) == [1, 3, 4, 5, 6]
    # A part that is sent again replaces the one before.
    await put(user, again["parts"][0], bytes(PART))
    _, again = await resume(user, upload)
    assert numbers(again["uploaded"]) == [1, 2]


async def test_only_the_user_of_an_upload_continues_it(user: Account, bob: Account) -> None:
    upload, theirs = await begin(user), await begin(bob)
    assert code(await resume(bob, upload)) == (403, "upload_of_another_user")
    # Whether such an upload exists is not disclosed.
    nowhere = f"uploads/{user.user_id}/{uuid.uuid4()}/large.fil"
    assert code(await resume(bob, {**upload, "file_key": nowhere})) == (403, "upload_of_another_user")
    assert code(await resume(bob, {**theirs, "upload_id": upload["upload_id"]})) == (404, "upload_not_found")
    for key, expected in ((nowhere, "upload_not_found"), ("x", "file_not_found"), ("uploads/a/b/c", "file_not_found")):
        assert code(await resume(user, {**upload, "file_key": key})) == (404, expected)


async def test_an_upload_that_is_gone_is_not_continued(user: Account) -> None:
    upload = await begin(user)
    for unknown in ("unknown", "../../x", "é", "x" * 1024):
        assert code(await resume(user, {**upload, "upload_id": unknown})) == (404, "upload_not_found")
    single = (await user.ask("POST", "/upload-url", {"filename": "small.fil", "file_size": 9}))[1]
    assert code(await resume(user, {**single, "upload_id": "x"})) == (404, "upload_not_found")
    known = {name: upload[name] for name in ("file_key", "upload_id")}
    assert (await user.ask("POST", "/abort-upload", known))[0] == 200
    assert code(await resume(user, upload)) == (404, "upload_not_found")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"file_key": "k"}, "missing_field"),
        ({"upload_id": "u"}, "missing_field"),
        ({"file_key": "k", "upload_id": "u", "filename": "a.fil"}, "unknown_field"),
        ({"file_key": "k", "upload_id": "u", "part_numbers": []}, "invalid_field"),
        ({"file_key": "k", "upload_id": "u", "part_numbers": [0]}, "invalid_field"),
        ({"file_key": "k", "upload_id": "u", "part_numbers": "1"}, "invalid_field"),
    ],
)
async def test_bodies_that_continue_nothing_are_refused(user: Account, body: dict[str, Any], expected: str) -> None:
    assert code(await user.ask("POST", "/upload-url", body)) == (400, expected)


async def space(user: Account) -> tuple[int, int]:
    uploads = (await user.ask("GET", "/usage"))[1]["uploads"]
    return uploads["open"], uploads["stored_bytes"]


async def test_an_upload_that_is_continued_is_counted_once(user: Account) -> None:
    gateway, free = user.gateway, await account(user.gateway, "free")
    uploads = [await begin(free) for _ in range(DEFAULT_TIERS["free"].open_uploads)]
    full = (len(uploads), len(uploads) * SIZE)
    assert await space(free) == full
    # The limit of open uploads is reached, and keeps no upload from being continued.
    assert (await resume(free, uploads[0]))[0] == 200
    assert await space(free) == full
    with gateway.clock.ahead(gateway.settings.upload_expires_s + 1):
        assert await space(free) == (0, full[1])
        await asyncio.gather(*(resume(free, uploads[0]) for _ in range(5)))
        # Its URLs are valid again.
        assert await space(free) == (1, full[1])
    with gateway.clock.ahead(2 * gateway.settings.upload_expires_s + 2):
        assert await space(free) == (0, full[1])


async def test_a_hundred_files_at_once_are_no_attack_and_batches_of_one_upload_are_not_counted(
    servers: EmbeddedServers,
) -> None:
    tiers = {name: tier.model_copy(update={"open_uploads": 200}).model_dump() for name, tier in DEFAULT_TIERS.items()}
    settings = {"tiers": json.dumps(tiers)}
    async with running_gateway(servers.gateway_environment, **settings) as process:
        new = {"filename": "a.fil", "file_size": SIZE, "part_numbers": [1]}
        answers = await asyncio.gather(*(process.ask("POST", "/upload-url", json=new) for _ in range(100)))
        assert [status for status, _ in answers] == [200] * 100
        known = {name: answers[0][1][name] for name in ("file_key", "upload_id")}
        body = {**known, "part_numbers": [1, 2]}
        for _ in range(10):
            again = await asyncio.gather(*(process.ask("POST", "/upload-url", json=body) for _ in range(10)))
            assert [status for status, _ in again] == [200] * 10
