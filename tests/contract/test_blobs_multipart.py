"""Multipart uploads, on every S3 server."""

import os
import time
import uuid
from contextlib import suppress

import pytest

from shared.blobs import MultipartError, UploadedPart
from tests.contract.test_blobs import (
    LEAST_PART_BYTES,
    blobs,
    http,
    key,
    put_part,
    s3_settings,
    storage,
)

__all__ = ["blobs", "http", "key", "s3_settings", "storage"]


async def test_multipart_uploads_are_listed_until_they_end(blobs, http):
    started_s = time.time()
    prefix = f"tests/parts-{uuid.uuid4().hex[:8]}/"
    keys = [f"{prefix}{name}/é 1.fil" for name in ("aborted", "completed", "open", "untouched")]
    ids = {key: await blobs.create_multipart(key) for key in keys}
    etags = {
        key: await put_part(http, await blobs.presign_part(key, ids[key], 1, expires_s=60), b"part") for key in keys[:3]
    }
    await blobs.create_multipart(f"tests/elsewhere-{uuid.uuid4().hex[:8]}")
    listed = await blobs.list_multiparts(prefix)
    assert {one.key: one.upload_id for one in listed} == ids
    assert all(started_s - 2 < one.initiated_s < time.time() + 2 for one in listed)
    await blobs.abort_multipart(keys[0], ids[keys[0]])
    await blobs.complete_multipart(keys[1], ids[keys[1]], [UploadedPart(1, etags[keys[1]])])
    assert {one.key for one in await blobs.list_multiparts(prefix)} == set(keys[2:])
    for one in await blobs.list_multiparts(prefix):
        await blobs.abort_multipart(one.key, one.upload_id)
    assert await blobs.list_multiparts(prefix) == []
    assert await blobs.size(keys[1]) == 4


async def test_list_multiparts_reads_all_pages(blobs, monkeypatch):
    prefix = f"tests/many-{uuid.uuid4().hex[:8]}/"
    ids = {await blobs.create_multipart(f"{prefix}{number}") for number in range(7)}
    paginate = blobs._client.get_paginator

    class SmallPages:
        def paginate(self, **arguments):
            return paginate("list_multipart_uploads").paginate(PaginationConfig={"PageSize": 3}, **arguments)

    monkeypatch.setattr(blobs._client, "get_paginator", lambda _name: SmallPages())
    assert {one.upload_id for one in await blobs.list_multiparts(prefix)} == ids


async def test_parts_are_listed_with_their_sizes_until_the_upload_ends(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    assert await blobs.list_parts(key, upload_id) == []
    etags = {
        number: await put_part(http, await blobs.presign_part(key, upload_id, number, expires_s=60), bytes(number))
        for number in (7, 3)
    }
    listed = await blobs.list_parts(key, upload_id)
    assert {part.number: (part.size, part.etag) for part in listed} == {n: (n, etags[n]) for n in (3, 7)}
    assert all(abs(part.modified_s - time.time()) < 600 for part in listed)
    await blobs.abort_multipart(key, upload_id)
    with pytest.raises(MultipartError):
        await blobs.list_parts(key, upload_id)


async def test_of_a_part_that_was_sent_twice_the_last_one_is_listed(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    url = await blobs.presign_part(key, upload_id, 1, expires_s=60)
    for body in (b"first", b"the second"):
        etag = await put_part(http, url, body)
    listed = await blobs.list_parts(key, upload_id)
    assert (10, etag) in {(part.size, part.etag) for part in listed if part.number == 1}
    await blobs.complete_multipart(key, upload_id, [UploadedPart(1, etag)])
    assert await blobs.get(key) == b"the second"
    with pytest.raises(MultipartError):
        await blobs.list_parts(key, upload_id)


@pytest.mark.parametrize("upload_id", ["unknown", "../x", "a/b", "é", " ", "x" * 900])
async def test_parts_of_no_upload_are_not_listed(blobs, key, upload_id):
    with pytest.raises(MultipartError):
        await blobs.list_parts(key, upload_id)


async def test_an_upload_id_of_another_key_gives_no_parts(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    await put_part(http, await blobs.presign_part(key, upload_id, 1, expires_s=60), b"x")
    with pytest.raises(MultipartError):
        await blobs.list_parts(f"{key}-other", upload_id)


async def test_list_parts_reads_all_pages(blobs, http, key, monkeypatch):
    upload_id = await blobs.create_multipart(key)
    for number in range(1, 8):
        await put_part(http, await blobs.presign_part(key, upload_id, number, expires_s=60), bytes(number))
    paginate = blobs._client.get_paginator

    class SmallPages:
        def paginate(self, **arguments):
            return paginate("list_parts").paginate(PaginationConfig={"PageSize": 3}, **arguments)

    monkeypatch.setattr(blobs._client, "get_paginator", lambda _name: SmallPages())
    assert [(part.number, part.size) for part in await blobs.list_parts(key, upload_id)] == [
        (n, n) for n in range(1, 8)
    ]


async def test_multipart_upload_is_assembled_in_order(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    bodies = {1: os.urandom(LEAST_PART_BYTES), 2: b"the rest"}
    etags = {}
    for number in (2, 1):
        url = await blobs.presign_part(key, upload_id, number, expires_s=60)
        etags[number] = await put_part(http, url, bodies[number])
    assert await blobs.size(key) is None
    await blobs.complete_multipart(key, upload_id, [UploadedPart(n, etags[n]) for n in (2, 1)])
    assert await blobs.size(key) == LEAST_PART_BYTES + 8
    assert await blobs.get_range(key, LEAST_PART_BYTES - 3, 100) == bodies[1][-3:] + b"the rest"
    # Some servers no longer know the upload, others accept the abort. The object stays on all of them.
    with suppress(MultipartError):
        await blobs.abort_multipart(key, upload_id)
    assert await blobs.size(key) == LEAST_PART_BYTES + 8


async def test_etags_without_quotes_are_accepted(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    etag = await put_part(http, await blobs.presign_part(key, upload_id, 1, expires_s=60), b"small")
    await blobs.complete_multipart(key, upload_id, [UploadedPart(1, etag.strip('"'))])
    assert await blobs.get(key) == b"small"


async def test_aborted_upload_leaves_no_object(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    url = await blobs.presign_part(key, upload_id, 1, expires_s=60)
    etag = await put_part(http, url, b"part")
    await blobs.abort_multipart(key, upload_id)
    assert await blobs.size(key) is None
    with pytest.raises(MultipartError):
        await blobs.complete_multipart(key, upload_id, [UploadedPart(1, etag)])
    async with http.put(url, data=b"part") as response:
        assert response.status == 404


async def test_wrong_parts_are_refused_and_can_be_corrected(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    etag = await put_part(http, await blobs.presign_part(key, upload_id, 1, expires_s=60), b"part")
    wrong = [
        [],
        [UploadedPart(1, '"00000000000000000000000000000000"')],
        [UploadedPart(2, etag)],
        [UploadedPart(1, etag), UploadedPart(2, etag)],
    ]
    for parts in wrong:
        with pytest.raises(MultipartError):
            await blobs.complete_multipart(key, upload_id, parts)
    assert await blobs.size(key) is None
    await blobs.complete_multipart(key, upload_id, [UploadedPart(1, etag)])
    assert await blobs.get(key) == b"part"


@pytest.mark.parametrize("upload_id", ["unheard-of", "../../etc", "x" * 300])
async def test_an_unknown_upload_id_is_refused(blobs, key, upload_id):
    with pytest.raises(MultipartError) as caught:
        await blobs.complete_multipart(key, upload_id, [UploadedPart(1, '"00"')])
    assert caught.value.code == "invalid_multipart_upload"
    with pytest.raises(MultipartError):
        await blobs.abort_multipart(key, upload_id)


async def test_upload_id_is_valid_for_its_key_only(blobs, http, key):
    upload_id = await blobs.create_multipart(key)
    etag = await put_part(http, await blobs.presign_part(key, upload_id, 1, expires_s=60), b"part")
    with pytest.raises(MultipartError):
        await blobs.complete_multipart(f"{key}-other", upload_id, [UploadedPart(1, etag)])
    assert await blobs.size(f"{key}-other") is None
