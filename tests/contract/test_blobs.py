"""Test objects in a bucket on an S3 server, for workers and for clients with presigned URLs."""

import time
import uuid
from collections.abc import AsyncIterator
from urllib.parse import unquote

import aiohttp
import pytest

from shared.blobs import Blobs, Storage, open_storage
from shared.errors import ObjectNotFoundError, PermanentError, TransientError
from shared.object_keys import artefact_key, hits_key, hits_prefix, job_prefix
from shared.settings import ServiceSettings
from tests.servers.chosen import EMBEDDED, servers

MIB = 1024 * 1024
LEAST_PART_BYTES = 5 * MIB
DIFFICULT_KEYS = [
    "with spaces/a b.fil",
    "ümläut/Größe.fil",
    "日本語/観測.h5",
    "plus+and&ampersand=1.fil",
    "percent%20literal#hash?.fil",
]


def changed(settings: ServiceSettings, **changes: str) -> ServiceSettings:
    return ServiceSettings(**(settings.model_dump() | changes))


@pytest.fixture(scope="module", params=servers("seaweedfs"))
def s3_settings(request: pytest.FixtureRequest) -> ServiceSettings:
    if request.param == EMBEDDED:
        environment = request.getfixturevalue("embedded").environment
    else:
        environment = request.getfixturevalue("seaweedfs_server").environment
    names = {name.removeprefix("WATERHOLE_").lower(): value for name, value in environment.items()}
    return ServiceSettings(**{name: value for name, value in names.items() if name in ServiceSettings.model_fields})


@pytest.fixture(scope="module")
async def storage(s3_settings: ServiceSettings) -> AsyncIterator[Storage]:
    async with open_storage(s3_settings) as storage:
        yield storage


@pytest.fixture(scope="module")
def blobs(storage: Storage) -> Blobs:
    return storage.uploads


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without S3 credentials."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Return a key that only this test uses."""
    return f"tests/{request.node.originalname}-{uuid.uuid4().hex[:8]}"


async def status_of_get(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as response:
        await response.read()
        return response.status


async def put_part(http: aiohttp.ClientSession, url: str, body: bytes) -> str:
    async with http.put(url, data=body) as response:
        assert response.status == 200
        return response.headers["ETag"]


async def test_get_returns_the_last_content_that_was_put(blobs, key):
    await blobs.put(key, b"first")
    await blobs.put(key, b"second content")
    assert await blobs.get(key) == b"second content"
    assert await blobs.size(key) == 14


async def test_empty_object_exists(blobs, key):
    await blobs.put(key, b"")
    assert await blobs.get(key) == b""
    assert await blobs.size(key) == 0
    assert await blobs.get_range(key, 0, 10) == b""


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (9, 1, b"9"),
        (8, 100, b"89"),
        (0, 100, b"0123456789"),
        (10, 1, b""),
        (1_000, 5, b""),
        (4, 0, b""),
    ],
)
async def test_a_range_ends_where_the_object_ends(blobs, start, length, expected):
    await blobs.put("tests/range", b"0123456789")
    assert await blobs.get_range("tests/range", start, length) == expected


async def test_range_beyond_32_bits_reaches_the_server(blobs, key):
    await blobs.put(key, b"small")
    assert await blobs.get_range(key, 5 * 2**32, 2**33) == b""


async def test_missing_object_is_not_found(blobs, http, key):
    with pytest.raises(ObjectNotFoundError, match=key):
        await blobs.get(key)
    with pytest.raises(ObjectNotFoundError):
        await blobs.get_range(key, 0, 1)
    assert await blobs.size(key) is None
    await blobs.delete(key)
    assert await status_of_get(http, await blobs.presign_get(key, expires_s=60)) == 404


async def test_deleted_object_is_not_found(blobs, key):
    await blobs.put(key, b"content")
    await blobs.delete(key)
    assert await blobs.size(key) is None


async def test_list_keys_returns_sorted_keys_with_the_prefix(storage):
    job = "job-listed"
    wanted = [hits_key(job, chunk) for chunk in (0, 1, 2, 10, 99_999)]
    for key in [*reversed(wanted), artefact_key(job, "results.json"), hits_key(f"{job}2", 0)]:
        await storage.results.put(key, b"x")
    assert await storage.results.list_keys(hits_prefix(job)) == wanted
    assert await storage.results.list_keys("jobs/nobody/") == []
    assert await storage.results.list_keys(job_prefix(job)) == [*wanted, artefact_key(job, "results.json")]


async def test_list_keys_reads_all_pages(storage, monkeypatch):
    job = "job-paged"
    wanted = [hits_key(job, chunk) for chunk in range(7)]
    for key in wanted:
        await storage.results.put(key, b"x")
    paginate = storage.results._client.get_paginator

    class SmallPages:
        def paginate(self, **arguments):
            return paginate("list_objects_v2").paginate(PaginationConfig={"PageSize": 3}, **arguments)

    monkeypatch.setattr(storage.results._client, "get_paginator", lambda _name: SmallPages())
    assert await storage.results.list_keys(hits_prefix(job)) == wanted


async def test_list_pages_returns_the_size_and_age_of_each_object(storage, monkeypatch):
    started_s = time.time()
    prefix = f"tests/aged-{uuid.uuid4().hex[:8]}/"
    for number in range(5):
        await storage.uploads.put(f"{prefix}ü {number}.fil", b"x" * number)
    paginate = storage.uploads._client.get_paginator

    class SmallPages:
        def paginate(self, **arguments):
            return paginate("list_objects_v2").paginate(PaginationConfig={"PageSize": 2}, **arguments)

    monkeypatch.setattr(storage.uploads._client, "get_paginator", lambda _name: SmallPages())
    pages = [page async for page in storage.uploads.list_pages(prefix)]
    assert [len(page) for page in pages if page] == [2, 2, 1]
    found = [one for page in pages for one in page]
    assert sorted((one.key, one.size) for one in found) == [(f"{prefix}ü {number}.fil", number) for number in range(5)]
    # Storage returns whole seconds of its own clock.
    assert all(started_s - 2 < one.modified_s < time.time() + 2 for one in found)
    monkeypatch.undo()
    assert [page async for page in storage.uploads.list_pages("tests/nobody/") if page] == []


async def test_buckets_are_separate(storage, key):
    await storage.uploads.put(key, b"upload")
    assert await storage.results.size(key) is None


@pytest.mark.parametrize("difficult", DIFFICULT_KEYS)
async def test_difficult_keys_work_everywhere(blobs, http, difficult):
    key = f"tests/difficult/{difficult}"
    await blobs.put(key, b"0123")
    assert await blobs.get_range(key, 1, 2) == b"12"
    assert key in await blobs.list_keys("tests/difficult/")
    async with http.put(await blobs.presign_put(key, expires_s=60), data=b"by URL") as response:
        assert response.status == 200
    assert await blobs.get(key) == b"by URL"
    async with http.get(await blobs.presign_get(key, expires_s=60)) as response:
        assert (response.status, await response.read()) == (200, b"by URL")
    await blobs.delete(key)
    assert await blobs.size(key) is None


async def test_a_presigned_get_names_the_file(blobs, http, key):
    await blobs.put(key, b"content", "application/json")
    async with http.get(await blobs.presign_get(key, expires_s=60, filename="results.json")) as response:
        assert await response.read() == b"content"
        assert response.headers["Content-Disposition"] == 'attachment; filename="results.json"'
        assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "filename", ['a "quoted" name.csv', "Größe 観測.fits", "back\\slash.csv", "line\r\nX-Other: 1.csv"]
)
async def test_presigned_get_encodes_unusual_file_names(blobs, http, filename):
    await blobs.put("tests/named", b"content")
    async with http.get(await blobs.presign_get("tests/named", expires_s=60, filename=filename)) as response:
        assert await response.read() == b"content"
        disposition = response.headers["Content-Disposition"]
        assert "X-Other" not in response.headers
    assert response.content_disposition.type == "attachment"
    kind, _, encoded = disposition.partition("; filename*=UTF-8''")
    assert kind == "attachment"
    assert unquote(encoded) == filename


async def test_presigned_url_is_valid_for_its_object_and_method_only(blobs, http, key):
    await blobs.put(key, b"content")
    await blobs.put(f"{key}-other", b"other")
    get = await blobs.presign_get(key, expires_s=60)
    assert await status_of_get(http, get.replace(key, f"{key}-other")) == 403
    async with http.put(get, data=b"forged") as response:
        assert response.status == 403
    async with http.delete(get) as response:
        assert response.status == 403
    put = await blobs.presign_put(key, expires_s=60)
    async with http.put(put.replace(key, f"{key}-other"), data=b"forged") as response:
        assert response.status == 403
    assert await blobs.get(key) == b"content"
    assert await blobs.get(f"{key}-other") == b"other"


async def test_forged_or_missing_signature_is_refused(blobs, http, key):
    await blobs.put(key, b"content")
    url = await blobs.presign_get(key, expires_s=60)
    before, _, signature = url.partition("X-Amz-Signature=")
    forged = ("0" if signature[0] != "0" else "1") + signature[1:]
    assert await status_of_get(http, f"{before}X-Amz-Signature={forged}") == 403
    assert await status_of_get(http, url.partition("?")[0]) == 403
    assert await status_of_get(http, url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")) == 403


async def test_presigned_urls_use_the_public_endpoint(s3_settings):
    async with open_storage(changed(s3_settings, s3_public_endpoint="https://s3.example.org")) as storage:
        assert (await storage.uploads.presign_put("a/b", expires_s=60)).startswith(
            "https://s3.example.org/waterhole-uploads/a/b?"
        )
        await storage.check()


async def test_invalid_key_is_a_permanent_error(blobs):
    with pytest.raises(PermanentError):
        await blobs.get("")


async def test_wrong_credentials_are_refused(s3_settings, key):
    async with open_storage(changed(s3_settings, s3_secret_key="mistyped")) as storage:
        with pytest.raises(PermanentError) as caught:
            await storage.uploads.get(key)
        assert caught.value.code == "storage_refused"
        assert "mistyped" not in str(caught.value)
        with pytest.raises(PermanentError):
            await storage.check()


async def test_missing_bucket_is_a_transient_error(s3_settings, key):
    # The buckets may not have been created yet, so a job must be retried, not failed.
    async with open_storage(changed(s3_settings, uploads_bucket="not-there")) as storage:
        with pytest.raises(TransientError):
            await storage.uploads.get(key)


async def test_unavailable_server_is_a_transient_error(s3_settings):
    async with open_storage(changed(s3_settings, s3_endpoint="http://127.0.0.1:1")) as storage:
        with pytest.raises(TransientError, match="unavailable"):
            await storage.uploads.get("a")
