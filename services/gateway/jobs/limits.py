"""What a user may have: jobs per calendar month and at a time, and history. How long removed jobs are looked after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

DAY_S = 86_400
DAY_MS = 1000 * DAY_S
# Nobody's program should sleep for weeks: after a day it may as well look again.
MAX_RETRY_AFTER_S = DAY_S
# About as long as a small observation takes.
BUSY_RETRY_AFTER_S = 30
# A repeated request renews a slot that is older than this, so that nobody takes it for one that was left behind.
FRESH_MS = 10_000
FIRST_PURGE_MS = 60_000


class Limit(StrEnum):
    """Which limit keeps a job from starting; the value is the API's code."""

    MONTHLY = "monthly_limit_reached"
    CONCURRENT = "too_many_concurrent_jobs"


@dataclass(frozen=True)
class Slot:
    """A job's place among the active ones of its user. `is_new` tells whether this call took and counted it.

    `history_is_full` tells that with this job the user may have more jobs than the tier keeps.
    """

    taken_ms: int
    is_new: bool
    history_is_full: bool = False


@dataclass(frozen=True)
class PruningTurn:
    """What whoever prunes a user's history has to know: see `services.gateway.mongodb.quotas`."""

    wanted: int
    kept: int
    active: frozenset[str]


@dataclass(frozen=True)
class ListedJob:
    """A job of a user's list, as far as the history needs to know it."""

    job_id: str
    is_open: bool


@dataclass(frozen=True)
class StartedJob:
    """What is left to know of any job that was ever started, even after its removal."""

    user_id: str
    is_open: bool
    slot_ms: int | None


@dataclass(frozen=True)
class RemovedJob:
    """A job that users see no more, and whose objects are to be looked for at `purge_due_ms` (again).

    `file_key` is None where the upload is none of its business: the job was never started.
    """

    job_id: str
    user_id: str
    file_key: str | None
    removed_ms: int
    purge_due_ms: int


def month_of(now_ms: int) -> int:
    """The calendar month, UTC, as a number that grows: 202604 is April 2026."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return 100 * now.year + now.month


def retry_after_s(limit: Limit, now_ms: int) -> int:
    """When another try may do better: with the next month, or as soon as a job may have ended."""
    if limit is Limit.CONCURRENT:
        return BUSY_RETRY_AFTER_S
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    left_ms = int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000 - now_ms
    return min(-(-left_ms // 1000), MAX_RETRY_AFTER_S)


def beyond_history(oldest_first: Sequence[ListedJob], keep: int) -> list[str]:
    """The jobs that have to go for `keep` to stay: the oldest that have ended. Open ones stay, however many."""
    ended = [job.job_id for job in oldest_first if not job.is_open]
    return ended[: max(len(oldest_first) - keep, 0)]


def next_purge_ms(removed: RemovedJob, now_ms: int, keep_ms: int) -> int | None:
    """When to look for late objects of a removed job again; None when it is long over.

    A worker may be in the middle of the job when it is removed, or get its events days later from a bus that was away.
    The pauses double, so that few looks cover all that time.
    """
    end_ms = removed.removed_ms + keep_ms
    if now_ms >= end_ms:
        return None
    return min(now_ms + max(FIRST_PURGE_MS, now_ms - removed.removed_ms), end_ms)
