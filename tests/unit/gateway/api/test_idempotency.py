"""The idempotency key of a request."""

import pytest
from aiohttp.test_utils import make_mocked_request

from services.gateway.api.bodies import AnalyzeBody
from services.gateway.api.idempotency import request_key
from services.gateway.jobs.errors import BadIdempotencyKeyError
from services.gateway.jobs.idempotency import RequestKey


def key_of(headers: dict[str, str], **fields: str | None) -> RequestKey | None:
    return request_key(make_mocked_request("POST", "/analyze", headers), "u", AnalyzeBody(**fields))


def test_requests_with_the_same_meaning_are_the_same() -> None:
    headers = {"Idempotency-Key": "k"}
    plain = key_of(headers, file_key="a")
    assert plain is not None
    assert key_of(headers, file_key="a", filename=None) == plain
    assert key_of(headers, file_key="a", filename="b") != plain
    assert key_of({}, file_key="a") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(BadIdempotencyKeyError):
        key_of({"Idempotency-Key": key}, file_key="a")
