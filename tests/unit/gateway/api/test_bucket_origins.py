"""The gateway tells the buckets which pages may use presigned URLs."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.gateway.api import bucket_origins
from services.gateway.api.bucket_origins import BucketOrigins, page_origins
from services.gateway.settings import Settings
from shared.blobs import Storage
from shared.cors_rules import PageRule
from shared.errors import PermanentError, TransientError


def settings(**more: Any) -> Settings:
    return Settings(api_key_pepper="a pepper of some length", **more)


@dataclass
class Bucket:
    """A bucket that raises some errors before it accepts a rule."""

    bucket: str = "b"
    errors: list[Exception] = field(default_factory=list)
    rules: list[PageRule] = field(default_factory=list)

    async def allow_pages(self, rule: PageRule) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.rules.append(rule)
        return True


async def run(uploads: Bucket, results: Bucket, **more: Any) -> None:
    storage = cast(Storage, Storage(cast(Any, uploads), cast(Any, results)))
    await asyncio.wait_for(BucketOrigins(settings(**more), storage).run(asyncio.Event()), 30)


def test_the_origin_is_that_of_the_public_url_unless_a_setting_names_others() -> None:
    assert page_origins(settings()) == ["*"]
    assert page_origins(settings(public_url="https://Waterhole.example/")) == ["https://waterhole.example"]
    assert page_origins(settings(public_url="https://a.example", bucket_origins=["https://b.example"])) == [
        "https://b.example"
    ]
    assert page_origins(settings(bucket_origins=[])) == []


async def test_pages_may_put_uploads_and_read_etags_and_get_results() -> None:
    uploads, results = Bucket(), Bucket()
    await run(uploads, results, public_url="https://a.example")
    assert uploads.rules == [PageRule(("https://a.example",), ("PUT",), ("ETag",))]
    assert [rule.methods for rule in results.rules] == [("GET", "HEAD")]


async def test_buckets_with_rules_of_their_own_are_left_alone() -> None:
    uploads, results = Bucket(), Bucket()
    await run(uploads, results, bucket_origins=[])
    assert uploads.rules == results.rules == []


async def test_it_waits_for_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_origins, "RETRY_S", 0.001)
    uploads, results = Bucket(errors=[TransientError("away")] * 3), Bucket()
    await run(uploads, results)
    assert len(uploads.rules) == len(results.rules) == 1


async def test_a_server_without_such_rules_does_not_stop_the_gateway() -> None:
    uploads, results = Bucket(errors=[PermanentError("no", code="storage_refused")]), Bucket()
    await run(uploads, results)
    assert results.rules == []
