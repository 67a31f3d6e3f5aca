"""The query parameters of GET /jobs."""

from contextlib import suppress
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.page_query import next_page_headers, page_of
from services.gateway.jobs.errors import BadPageError
from services.gateway.jobs.model import Job
from services.gateway.jobs.paging import Cursor, Page


@given(st.text(max_size=60))
def test_arbitrary_texts_are_refused_or_accepted_without_a_crash(text: str) -> None:
    for name in ("cursor", "limit", "status", "q"):
        with suppress(BadPageError):
            page_of({name: text})


@pytest.mark.parametrize("limit", ["0", "101", "1000000000", "9" * 20, "-1", "1.0", "1e1", " 5", "", "٣"])
def test_a_limit_out_of_range_is_refused(limit: str) -> None:
    with pytest.raises(BadPageError):
        page_of({"limit": limit})


@pytest.mark.parametrize("text", ["x" * 101, "a\nb", "\0", "\x9f", "\ud800"])
def test_a_text_that_no_name_has_is_refused(text: str) -> None:
    with pytest.raises(BadPageError):
        page_of({"q": text})


def test_the_next_page_is_of_the_same_text() -> None:
    headers = next_page_headers("/jobs", Page(20, text="a&b ü"), Job("a-1", "u", "k", "f", "s", 1, 5))
    target = headers["Link"].partition(">")[0]
    assert parse_qs(target.partition("?")[2])["q"] == ["a&b ü"]


def test_parameters_define_the_page() -> None:
    cursor = Cursor(7, "a1b2c3d4-e5f6-7890-abcd-ef1234567890")
    assert page_of({}) == page_of({"q": ""}) == Page(50, None, None)
    assert page_of({"q": "a.*b"}).text == "a.*b"
    assert page_of({"limit": "100", "status": "failed", "cursor": str(cursor)}) == Page(100, "failed", cursor)
    headers = next_page_headers("/jobs", Page(20, "failed"), Job("a-1", "u", "k", "f", "s", 1, 5))
    assert headers["X-Next-Cursor"] == str(Cursor(5, "a-1"))
    assert headers["Link"] == f'</jobs?limit=20&status=failed&cursor={Cursor(5, "a-1")}>; rel="next"'
