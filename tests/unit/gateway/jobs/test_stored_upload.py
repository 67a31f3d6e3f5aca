"""What an upload counts for in the course of time."""

from dataclasses import replace

import pytest

from services.gateway.jobs.stored_upload import Lifetimes, StoredUpload, is_upload_key, settled
from services.gateway.settings import DEFAULT_TIERS, MEBIBYTE, Tier

KEY = "uploads/u1/1a7e42f0-0000-4000-8000-000000000000/a.fil"
LIFETIMES = Lifetimes(urls_ms=3600_000, parts_ms=90_000_000)
EARLY, LATE, VERY_LATE = 3_599_999, 3_600_000, 90_000_000
SINGLE = StoredUpload(KEY, 100, is_open=True, is_multipart=False, asked_ms=0)
PARTS = replace(SINGLE, is_multipart=True)
DONE = replace(SINGLE, is_open=False)


def after(upload: StoredUpload, now_ms: int, *, is_used: bool = False, stored: int | None = None) -> object:
    return settled(upload, is_used=is_used, stored_size=stored, now_ms=now_ms, lifetimes=LIFETIMES)


@pytest.mark.parametrize("upload", [SINGLE, PARTS])
@pytest.mark.parametrize("stored", [None, 70])
def test_an_upload_is_open_while_its_urls_are_valid(upload: StoredUpload, stored: int | None) -> None:
    assert after(upload, EARLY, stored=stored) == upload


@pytest.mark.parametrize("upload", [SINGLE, PARTS, DONE])
@pytest.mark.parametrize("now_ms", [0, EARLY, LATE, VERY_LATE])
def test_an_upload_that_a_job_uses_is_not_open_and_takes_what_it_has(upload: StoredUpload, now_ms: int) -> None:
    assert after(upload, now_ms, is_used=True, stored=70) == replace(DONE, size=70)


@pytest.mark.parametrize("upload", [SINGLE, PARTS, DONE])
@pytest.mark.parametrize("now_ms", [LATE, VERY_LATE])
def test_an_object_takes_space_after_its_urls_until_it_is_deleted(upload: StoredUpload, now_ms: int) -> None:
    closed = after(upload, now_ms, stored=70)
    assert closed == replace(DONE, size=70)
    assert after(closed, now_ms) is None


def test_nothing_is_left_of_an_upload_that_did_not_come() -> None:
    assert after(SINGLE, LATE) is None


def test_parts_take_space_until_they_are_removed() -> None:
    closed = after(PARTS, LATE)
    assert closed == replace(PARTS, is_open=False)
    assert after(closed, VERY_LATE - 1) == closed
    assert after(closed, VERY_LATE) is None


def test_a_file_in_parts_is_gone_with_its_job() -> None:
    used = after(PARTS, EARLY, is_used=True, stored=100)
    assert after(used, EARLY) is None


@pytest.mark.parametrize("upload", [SINGLE, PARTS, DONE])
def test_an_upload_of_a_removed_job_is_not_open_though_its_urls_are_valid(upload: StoredUpload) -> None:
    def later(stored: int | None) -> object:
        return settled(upload, is_used=False, was_used=True, stored_size=stored, now_ms=EARLY, lifetimes=LIFETIMES)

    assert later(None) is None
    # Uploaded once more, it takes space.
    assert later(70) == replace(DONE, size=70)


@pytest.mark.parametrize(
    ("key", "expected"),
    [(KEY, True), ("uploads/u1/x/a.fil", False), ("uploads/u1/", False), (KEY + "/b", False), ("jobs/u1/b/c", False)],
)
def test_only_keys_of_uploads_count(key: str, expected: bool) -> None:
    assert is_upload_key(key) is expected


@pytest.mark.parametrize("tier", DEFAULT_TIERS.values(), ids=DEFAULT_TIERS)
def test_the_space_of_a_tier_holds_a_full_history_and_all_open_uploads(tier: Tier) -> None:
    assert tier.max_stored_bytes == (tier.history_jobs + tier.open_uploads) * tier.max_file_bytes
    assert tier.model_copy(update={"stored_mb": 7}).max_stored_bytes == 7 * MEBIBYTE
