"""An object is read as it was accepted, and a presigned URL takes the length that was stated, on every S3 server."""

import pytest

from shared.blobs import UploadedPart
from shared.errors import ObjectChangedError, ObjectNotFoundError
from tests.contract.test_blobs import blobs, http, key, s3_settings, storage

__all__ = ["blobs", "http", "key", "s3_settings", "storage"]


async def test_a_read_that_names_an_etag_refuses_a_replaced_object(blobs, key):
    await blobs.put(key, b"0123456789")
    accepted = await blobs.content(key)
    assert accepted.size == 10
    buffer = bytearray(4)
    assert await blobs.get_range(key, 2, 3, accepted.etag) == b"234"
    assert await blobs.get_range_into(key, 6, memoryview(buffer), accepted.etag) == 4
    assert bytes(buffer) == b"6789"
    assert await blobs.get_range(key, 10, 3, accepted.etag) == b""
    for replacing in (b"abcdefghij", b"ab"):
        await blobs.put(key, replacing)
        for read in (
            blobs.get_range(key, 2, 3, accepted.etag),
            blobs.get_range_into(key, 6, memoryview(buffer), accepted.etag),
        ):
            with pytest.raises(ObjectChangedError):
                await read
    assert bytes(buffer) == b"6789"
    await blobs.put(key, b"0123456789")
    assert await blobs.content(key) == accepted
    await blobs.delete(key)
    assert await blobs.content(key) is None
    with pytest.raises(ObjectNotFoundError):
        await blobs.get_range(key, 2, 3, accepted.etag)


async def test_a_server_that_ignores_the_condition_is_found_out_by_its_answer(blobs, key, monkeypatch):
    await blobs.put(key, b"0123456789")
    accepted = await blobs.content(key)
    ask = blobs._client.get_object

    def unconditional(**request):
        assert request.pop("IfMatch") == accepted.etag
        return ask(**request)

    monkeypatch.setattr(blobs._client, "get_object", unconditional)
    assert await blobs.get_range(key, 2, 3, accepted.etag) == b"234"
    for replacing in (b"abcdefghij", b"ab"):
        await blobs.put(key, replacing)
        with pytest.raises(ObjectChangedError):
            await blobs.get_range(key, 2, 3, accepted.etag)
        with pytest.raises(ObjectChangedError):
            await blobs.get_range_into(key, 2, memoryview(bytearray(3)), accepted.etag)


@pytest.mark.parametrize("name", ["plain.fil", "with spaces & ümläut+%20.fil"])
async def test_a_whole_range_is_read_without_the_client(blobs, key, name, monkeypatch):
    def unexpected(**_request):
        raise AssertionError("The client was asked.")

    key, content = f"{key}/{name}", bytes(range(256)) * 1000
    await blobs.put(key, content)
    accepted = await blobs.content(key)
    buffer = bytearray(100_000)
    # A longer range than the object has is left to the client.
    assert await blobs.get_range_into(key, 255_000, memoryview(buffer), accepted.etag) == 1000
    monkeypatch.setattr(blobs._client, "get_object", unexpected)
    for etag in (None, accepted.etag):
        for start in (0, 1, 156_000):
            assert await blobs.get_range_into(key, start, memoryview(buffer), etag) == len(buffer)
            assert bytes(buffer) == content[start : start + len(buffer)]


async def test_a_url_for_a_stated_length_takes_no_other(blobs, http, key):
    url = await blobs.presign_put(key, expires_s=60, length=5)
    for body, status in ((b"1234", 403), (b"123456", 403), (b"", 403), (b"12345", 200)):
        async with http.put(url, data=body, headers={"Content-Type": "application/octet-stream"}) as response:
            assert response.status == status
    assert await blobs.get(key) == b"12345"
    upload_id = await blobs.create_multipart(key)
    part = await blobs.presign_part(key, upload_id, 1, expires_s=60, length=5)
    for body, status in ((b"1234", 403), (b"123456", 403), (b"54321", 200)):
        async with http.put(part, data=body) as response:
            assert response.status == status
    await blobs.complete_multipart(key, upload_id, [UploadedPart(1, response.headers["ETag"])])
    completed = await blobs.content(key)
    assert await blobs.get_range(key, 0, 2, completed.etag) == b"54"


async def test_an_object_is_copied_by_the_server(blobs, key):
    await blobs.put(f"{key} source.fil", b"content")
    await blobs.copy(f"{key} source.fil", f"{key}/copy.fil")
    await blobs.delete(f"{key} source.fil")
    assert await blobs.get(f"{key}/copy.fil") == b"content"
    with pytest.raises(ObjectNotFoundError):
        await blobs.copy(f"{key} source.fil", f"{key}/other.fil")
    assert await blobs.content(f"{key}/other.fil") is None
