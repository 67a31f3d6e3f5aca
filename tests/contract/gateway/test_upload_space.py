"""Limits on open uploads and on stored bytes, and how /usage shows them."""

import asyncio
from typing import Any

import pytest

from services.gateway.settings import DEFAULT_TIERS, MEBIBYTE
from shared.errors import TransientError
from tests.contract.gateway.parts import Account, Gateway, account, code

FREE = DEFAULT_TIERS["free"]
LARGE = {"filename": "a.fil", "file_size": 51 * MEBIBYTE}


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "free")


async def begin(user: Account, **body: Any) -> dict[str, Any]:
    status, answer = await user.ask("POST", "/upload-url", {"filename": "a.fil"} | body)
    assert status == 200
    return dict(answer)


async def space(user: Account) -> tuple[int, int]:
    """Return how many uploads are open, and how many bytes are taken."""
    status, body = await user.ask("GET", "/usage")
    assert status == 200
    uploads = body["uploads"]
    assert (uploads["open_limit"], uploads["stored_bytes_limit"]) == (FREE.open_uploads, FREE.max_stored_bytes)
    return uploads["open"], uploads["stored_bytes"]


async def test_sixty_multipart_uploads_at_once_are_too_many(user: Account) -> None:
    answers = await asyncio.gather(*(user.ask("POST", "/upload-url", LARGE) for _ in range(60)))
    assert [status for status, _ in answers].count(200) == FREE.open_uploads
    assert {code(answer) for answer in answers if answer[0] != 200} == {(429, "too_many_open_uploads")}
    assert await space(user) == (FREE.open_uploads, FREE.open_uploads * LARGE["file_size"])
    prefix = f"uploads/{user.user_id}/"
    assert len(await user.gateway.storage.uploads.list_multiparts(prefix)) == FREE.open_uploads


async def test_an_upload_that_is_analyzed_is_no_longer_open(user: Account) -> None:
    for _ in range(FREE.concurrent_jobs):
        await user.analyze()
    assert await space(user) == (0, FREE.concurrent_jobs * len(b"data"))
    # The next one finds that out without /usage.
    jobs = [job["job_id"] for job in (await user.ask("GET", "/jobs"))[1]]
    await user.ask("DELETE", f"/jobs/{jobs[0]}")
    for _ in range(FREE.open_uploads):
        await user.upload()
    assert await space(user) == (FREE.open_uploads, (FREE.open_uploads + FREE.concurrent_jobs - 1) * len(b"data"))
    assert code(await user.ask("POST", "/upload-url", LARGE)) == (429, "too_many_open_uploads")


async def test_uploads_whose_jobs_are_deleted_keep_no_user_from_the_next(user: Account) -> None:
    for _ in range(FREE.open_uploads):
        job_id = await user.analyze()
        assert (await user.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
    await user.upload()
    assert await space(user) == (1, len(b"data"))


async def test_a_full_count_is_corrected_before_an_upload_is_refused(user: Account) -> None:
    keys = [await user.upload() for _ in range(FREE.open_uploads)]
    assert code(await user.ask("POST", "/upload-url", LARGE)) == (429, "too_many_open_uploads")
    await user.start(keys[0])
    await begin(user)
    assert code(await user.ask("POST", "/upload-url", LARGE)) == (429, "too_many_open_uploads")


async def test_an_upload_that_is_aborted_takes_nothing(user: Account) -> None:
    begun = [await begin(user, **LARGE) for _ in range(FREE.open_uploads)]
    wrong = {"file_key": begun[0]["file_key"], "upload_id": "nonsense"}
    assert (await user.ask("POST", "/abort-upload", wrong))[0] == 404
    assert await space(user) == (FREE.open_uploads, FREE.open_uploads * LARGE["file_size"])
    right = wrong | {"upload_id": begun[0]["upload_id"]}
    assert (await user.ask("POST", "/abort-upload", right))[0] == 200
    assert await space(user) == (FREE.open_uploads - 1, (FREE.open_uploads - 1) * LARGE["file_size"])
    await begin(user, **LARGE)


async def test_an_upload_whose_urls_have_expired_is_no_longer_open(user: Account) -> None:
    gateway = user.gateway
    await user.upload()
    await begin(user)
    parts = await begin(user, **LARGE)
    assert await space(user) == (3, 4 + FREE.max_file_bytes + LARGE["file_size"])
    with gateway.clock.ahead(gateway.settings.upload_expires_s):
        # The file and the parts are kept for a day; nothing is left of the URL that was not used.
        assert await space(user) == (0, 4 + LARGE["file_size"])
        await gateway.storage.uploads.abort_multipart(parts["file_key"], parts["upload_id"])
    with gateway.clock.ahead(gateway.settings.unused_upload_s + 2 * gateway.settings.sweep_storage_interval_s):
        await gateway.sweeper.delete_unused_uploads()
        assert await space(user) == (0, 0)


async def test_a_deleted_job_frees_its_bytes(user: Account) -> None:
    job_id = await user.start(await user.upload(bytes(1000)))
    assert await space(user) == (0, 1000)
    await user.ask("DELETE", f"/jobs/{job_id}")
    assert await space(user) == (0, 0)


async def test_uploads_may_not_take_more_bytes_than_the_tier_stores(user: Account) -> None:
    tiers = user.gateway.settings.tiers
    tiers["free"] = FREE.model_copy(update={"stored_mb": 120})
    try:
        await begin(user, file_size=60 * MEBIBYTE)
        assert code(await user.ask("POST", "/upload-url", {"filename": "a.fil", "file_size": 61 * MEBIBYTE})) == (
            429,
            "storage_limit_reached",
        )
        # Without a size, the largest file is counted.
        assert code(await user.ask("POST", "/upload-url", {"filename": "a.fil"})) == (429, "storage_limit_reached")
        await begin(user, file_size=60 * MEBIBYTE)
    finally:
        tiers["free"] = FREE


async def test_an_upload_that_could_not_be_prepared_is_not_counted(
    user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_key: str) -> str:
        raise TransientError("away")

    with monkeypatch.context() as patched:
        patched.setattr(user.gateway.storage.uploads, "create_multipart", away)
        for _ in range(FREE.open_uploads + 1):
            assert (await user.ask("POST", "/upload-url", LARGE))[0] == 503
    assert await space(user) == (0, 0)


async def test_usage_is_shown_while_storage_is_unavailable(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    await user.analyze()

    def away(_prefix: str) -> Any:
        raise TransientError("away")

    with monkeypatch.context() as patched:
        patched.setattr(user.gateway.storage.uploads, "list_pages", away)
        assert await space(user) == (1, len(b"data"))
    assert await space(user) == (0, len(b"data"))


async def test_uploads_from_before_they_were_counted_take_bytes(user: Account) -> None:
    await user.upload(bytes(500))
    await user.gateway.store.database["stored_uploads"].delete_one({"_id": user.user_id})
    assert await space(user) == (0, 500)
