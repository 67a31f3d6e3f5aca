"""Rules for limits and for deleting objects of removed jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.jobs.limits import (
    DAY_MS,
    Limit,
    beyond_history,
    month_of,
    next_purge_ms,
    retry_after_s,
)
from services.gateway.jobs.model import ListedJob, RemovedJob

MAY_MS = 1_714_521_600_000
INSTANTS = st.integers(0, 4_000_000_000_000)


@pytest.mark.parametrize(
    ("now_ms", "month"), [(0, 197001), (MAY_MS - 1, 202404), (MAY_MS, 202405), (1_735_689_600_000 - 1, 202412)]
)
def test_months_change_at_midnight_utc(now_ms: int, month: int) -> None:
    assert month_of(now_ms) == month


@given(INSTANTS, INSTANTS)
def test_months_never_go_back(one_ms: int, other_ms: int) -> None:
    earlier, later = sorted((one_ms, other_ms))
    assert month_of(earlier) <= month_of(later)


@given(INSTANTS)
def test_the_next_month_has_begun_at_the_time_to_retry(now_ms: int) -> None:
    seconds = retry_after_s(Limit.MONTHLY, now_ms)
    assert 1 <= seconds <= 86_400
    if seconds < 86_400:
        assert month_of(now_ms + 1000 * seconds) > month_of(now_ms)
        assert month_of(now_ms + 1000 * (seconds - 1)) == month_of(now_ms)


def test_a_refusal_by_a_limit_says_when_to_retry() -> None:
    assert retry_after_s(Limit.CONCURRENT, MAY_MS) == 30
    assert retry_after_s(Limit.MONTHLY, MAY_MS - 1) == 1
    assert retry_after_s(Limit.MONTHLY, MAY_MS - 1500) == 2
    assert retry_after_s(Limit.MONTHLY, MAY_MS) == 86_400


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 20))
def test_the_oldest_ended_jobs_are_removed_and_no_more_than_necessary(opened: list[bool], keep: int) -> None:
    jobs = [ListedJob(str(number), is_open) for number, is_open in enumerate(opened)]
    gone = [job.job_id for job in beyond_history(jobs, keep)]
    ended = [job.job_id for job in jobs if not job.is_open]
    assert gone == ended[: len(gone)]
    left = len(jobs) - len(gone)
    assert left == max(min(len(jobs), keep), len(jobs) - len(ended))
    assert beyond_history([job for job in jobs if job.job_id not in gone], keep) == []


def test_searches_for_late_objects_become_rarer_and_end() -> None:
    job, now_ms, looks = RemovedJob("j", "u", "k", 0, 0), 0, []
    while (due_ms := next_purge_ms(job, now_ms, 7 * DAY_MS)) is not None:
        looks.append(due_ms)
        now_ms = due_ms
    assert looks[:3] == [60_000, 120_000, 240_000]
    assert looks[-1] == 7 * DAY_MS
    assert len(looks) < 20
