"""Web pages use presigned URLs as the rules of a bucket say, on every S3 server."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from shared.blobs import Blobs, Storage, UploadedPart
from shared.cors_rules import RULE_ID, PageRule
from tests.contract.test_blobs import blobs, http, key, s3_settings, storage

__all__ = ["blobs", "http", "key", "s3_settings", "storage"]

PAGE, OTHER = "http://127.0.0.1:8080", "https://elsewhere.example"
UPLOADS = PageRule((PAGE,), ("PUT",), ("ETag",))
RESULTS = PageRule((PAGE,), ("GET", "HEAD"), ("ETag", "Content-Length", "Content-Range"))


@pytest.fixture
async def allowed(storage: Storage) -> AsyncIterator[Storage]:
    """Set the rules, and remove them after the test: other tests share the buckets."""
    await storage.uploads.allow_pages(UPLOADS)
    await storage.results.allow_pages(RESULTS)
    yield storage
    for bucket in (storage.uploads, storage.results):
        await bucket._client.delete_bucket_cors(Bucket=bucket.bucket)


async def preflight(http: aiohttp.ClientSession, url: str, origin: str, method: str, *headers: str) -> bool:
    """Return whether a browser would send the request after this preflight."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = ",".join(headers)
    async with http.options(url, headers=asked) as response:
        methods = response.headers.get("Access-Control-Allow-Methods", "").replace(" ", "").split(",")
        names = response.headers.get("Access-Control-Allow-Headers", "").lower().replace(" ", "").split(",")
        is_origin = response.headers.get("Access-Control-Allow-Origin") in (origin, "*")
        is_header = all(name in names or "*" in names for name in headers)
        return response.status < 300 and is_origin and method in methods and is_header


def readable(response: aiohttp.ClientResponse, origin: str) -> set[str]:
    """Return the headers beyond the usual that a page of this origin can read; nothing if it can't read the answer."""
    if response.headers.get("Access-Control-Allow-Origin") not in (origin, "*"):
        return set()
    exposed = response.headers.get("Access-Control-Expose-Headers", "").split(",")
    return {name.strip() for name in exposed}


async def test_a_page_uploads_parts_and_reads_their_etags(allowed, http, key):
    uploads = allowed.uploads
    upload_id = await uploads.create_multipart(key)
    url = await uploads.presign_part(key, upload_id, 1, expires_s=60, length=4)
    assert await preflight(http, url, PAGE, "PUT", "content-type")
    async with http.put(url, data=b"part", headers={"Origin": PAGE}) as response:
        assert response.status == 200
        assert "ETag" in readable(response, PAGE)
        etag = response.headers["ETag"]
    await uploads.complete_multipart(key, upload_id, [UploadedPart(1, etag)])
    assert await uploads.get(key) == b"part"


async def test_a_page_reads_ranges_of_results(allowed, http, key):
    await allowed.results.put(key, b"0123456789")
    url = await allowed.results.presign_get(key, expires_s=60)
    assert await preflight(http, url, PAGE, "GET", "range")
    async with http.get(url, headers={"Origin": PAGE, "Range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")
        assert "Content-Range" in readable(response, PAGE)


async def test_other_pages_and_other_methods_are_refused(allowed, http, key):
    put = await allowed.uploads.presign_put(key, expires_s=60)
    got = await allowed.results.presign_get(key, expires_s=60)
    assert not await preflight(http, put, OTHER, "PUT")
    assert not await preflight(http, put, PAGE, "DELETE")
    assert not await preflight(http, got, OTHER, "GET", "range")
    assert not await preflight(http, got, PAGE, "PUT")
    await allowed.results.put(key, b"x")
    async with http.get(got, headers={"Origin": OTHER}) as response:
        assert readable(response, OTHER) == set()


async def test_rules_of_others_stay_and_ours_is_replaced(allowed, http, key):
    bucket: Blobs = allowed.uploads
    other = {"ID": "other", "AllowedOrigins": [OTHER], "AllowedMethods": ["PUT"]}
    found = (await bucket._client.get_bucket_cors(Bucket=bucket.bucket))["CORSRules"]
    await bucket._client.put_bucket_cors(Bucket=bucket.bucket, CORSConfiguration={"CORSRules": [*found, other]})
    assert await bucket.allow_pages(UPLOADS) is False
    assert await bucket.allow_pages(PageRule(("*",), ("PUT",), ("ETag",))) is True
    assert await bucket.allow_pages(UPLOADS) is True
    rules = (await bucket._client.get_bucket_cors(Bucket=bucket.bucket))["CORSRules"]
    assert [rule["ID"] for rule in rules] == [RULE_ID, "other"]
    assert rules[0] == UPLOADS.to_s3()
    url = await bucket.presign_put(key, expires_s=60)
    assert await preflight(http, url, PAGE, "PUT")
    assert await preflight(http, url, OTHER, "PUT")
