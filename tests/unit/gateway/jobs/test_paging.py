"""Cursors of a list of jobs."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.jobs.paging import Cursor


@given(st.integers(0, 10**15 - 1), st.uuids())
def test_a_decoded_cursor_equals_the_encoded_one(submitted_ms: int, job_id: object) -> None:
    cursor = Cursor(submitted_ms, str(job_id))
    assert Cursor.parse(str(cursor)) == cursor
