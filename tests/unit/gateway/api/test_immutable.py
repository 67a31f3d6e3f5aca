"""Answers that never change are sent once, and compressed where that helps."""

import gzip

import numpy as np
import pytest
from aiohttp.test_utils import make_mocked_request

from services.gateway.api.immutable import CACHE_CONTROL, LEAST_ZIPPED_BYTES, THREAD_BYTES, Immutable

NOISE = np.random.default_rng(1).normal(56, 8, 200_000).round().astype(np.uint8).tobytes()
RANDOM = np.random.default_rng(1).bytes(200_000)


def answer(path="/a?x=1", *identity, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Immutable(make_mocked_request("GET", path, headers=named), *identity)


async def etag(made):
    return (await made.response(b"1", "text/plain")).headers["ETag"]


async def test_the_validator_follows_from_path_query_and_identity():
    first = await etag(answer("/a?x=1&y=2", "j", 5))
    assert first.startswith('W/"')
    assert first == await etag(answer("/a?y=2&x=1", "j", 5))
    others = [("/a?x=1&y=3", "j", 5), ("/b?x=1&y=2", "j", 5), ("/a?x=1&y=2", "j", 6), ("/a?x=1&y=2", "j", None)]
    assert len({first, *[await etag(answer(*other)) for other in others]}) == 5


async def test_a_client_that_has_it_gets_no_body():
    known = await etag(answer("/a", "j"))
    for sent in (known, known.removeprefix("W/"), f'"other", {known}', "*"):
        made = answer("/a", "j", If_None_Match=sent)
        assert made.is_known
        response = made.not_modified()
        assert (response.status, response.headers["ETag"], response.body) == (304, known, None)
        assert response.headers["Cache-Control"] == CACHE_CONTROL
    assert not answer("/a", "j").is_known
    assert not answer("/a", "j", If_None_Match='"other"').is_known


async def test_caches_keep_the_answers_of_users_and_codings_apart():
    response = await answer().response(b"1", "text/plain", {"X-Ifs": "2"})
    assert response.headers["X-Ifs"] == "2"
    assert {"Authorization", "Cookie", "X-Api-Key", "Accept-Encoding"} <= set(response.headers["Vary"].split(", "))


@pytest.mark.parametrize("body", [NOISE, bytearray(NOISE[: THREAD_BYTES // 2])])
@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP"])
async def test_noise_is_compressed_if_the_client_accepts_it(body, accepted):
    response = await answer(Accept_Encoding=accepted).response(body, "application/octet-stream")
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.body) == bytes(body)
    assert len(response.body) < 0.75 * len(body)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [(NOISE, ""), (NOISE, "br"), (NOISE, "gzip;q=0"), (RANDOM, "gzip"), (NOISE[: LEAST_ZIPPED_BYTES - 1], "gzip")],
    ids=["not asked for", "another coding", "refused", "no shorter", "short"],
)
async def test_other_answers_are_sent_as_they_are(body, accepted):
    response = await answer(Accept_Encoding=accepted).response(body, "application/octet-stream")
    assert "Content-Encoding" not in response.headers
    assert response.body == body
