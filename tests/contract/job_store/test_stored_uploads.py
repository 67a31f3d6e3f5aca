"""Counts of uploads as they are stored, under races."""

import asyncio
import uuid
from dataclasses import replace

from services.gateway.jobs.stored_upload import StoredUpload, UploadLimit, UploadUsage
from services.gateway.mongodb.store import Store

LIMITS = {"open_limit": 5, "bytes_limit": 1000}


def an_upload(size: int = 100) -> StoredUpload:
    key = f"uploads/u1/{uuid.uuid4()}/a.b$c.fil"
    return StoredUpload(key, size, is_open=True, is_multipart=False, asked_ms=1_712_444_400_000)


async def take(store: Store, upload: StoredUpload, **limits: int) -> UploadLimit | None:
    return await store.stored_uploads.take("u1", upload, **(LIMITS | limits))


async def usage(store: Store) -> UploadUsage:
    """Return the counts; fail unless they are those of the uploads themselves."""
    counted = await store.stored_uploads.usage("u1")
    uploads = await store.stored_uploads.all_of("u1")
    assert counted == UploadUsage(sum(one.is_open for one in uploads), sum(one.size for one in uploads))
    return counted


async def test_no_race_opens_more_uploads_than_allowed(store: Store) -> None:
    found = await asyncio.gather(*(take(store, an_upload()) for _ in range(60)))
    assert (found.count(None), found.count(UploadLimit.OPEN)) == (5, 55)
    assert await usage(store) == UploadUsage(5, 500)


async def test_no_race_takes_more_bytes_than_allowed(store: Store) -> None:
    found = await asyncio.gather(*(take(store, an_upload(300), open_limit=50) for _ in range(60)))
    assert (found.count(None), found.count(UploadLimit.STORED)) == (3, 57)
    assert await usage(store) == UploadUsage(3, 900)


async def test_what_was_taken_is_read_back(store: Store) -> None:
    assert await store.stored_uploads.all_of("u1") == []
    assert await usage(store) == UploadUsage(0, 0)
    large = an_upload(2**43)
    assert await take(store, large, bytes_limit=2**50) is None
    assert await store.stored_uploads.all_of("u1") == [large]


async def test_of_many_equal_changes_one_counts(store: Store) -> None:
    upload = an_upload()
    await take(store, upload)
    closed = replace(upload, is_open=False, size=70)
    for before, after, expected in (
        (upload, closed, UploadUsage(0, 70)),
        (closed, None, UploadUsage(0, 0)),
        (None, closed, UploadUsage(0, 70)),
    ):
        changed = await asyncio.gather(*(store.stored_uploads.change("u1", before, after) for _ in range(20)))
        assert sorted(changed) == [False] * 19 + [True]
        assert await usage(store) == expected


async def test_a_change_of_another_state_changes_nothing(store: Store) -> None:
    upload = an_upload()
    await take(store, upload)
    for other in (replace(upload, size=99), replace(upload, is_open=False), an_upload()):
        assert not await store.stored_uploads.change("u1", other, None)
    assert not await store.stored_uploads.change("u2", upload, None)
    assert await store.stored_uploads.all_of("u1") == [upload]


async def test_racing_takes_and_releases_lose_nothing(store: Store) -> None:
    async def run() -> bool:
        upload = an_upload()
        if await take(store, upload, open_limit=3) is not None:
            return False
        assert (await store.stored_uploads.usage("u1")).open_count <= 3
        return await store.stored_uploads.change("u1", upload, None)

    ran = await asyncio.gather(*(run() for _ in range(40)))
    assert sum(ran) >= 3
    assert await usage(store) == UploadUsage(0, 0)
