"""Limits per user: jobs per calendar month, jobs at a time, jobs in the history; and when removed jobs are purged."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from services.gateway.jobs.model import ListedJob, RemovedJob

DAY_S = 86_400
DAY_MS = 1000 * DAY_S
# Clients should not sleep for weeks: after a day they may as well retry.
MAX_RETRY_AFTER_S = DAY_S
# About as long as a small observation takes.
BUSY_RETRY_AFTER_S = 30
# A repeated request renews a slot that is older than this, so that the sweeper does not take it for an abandoned one.
FRESH_MS = 10_000
FIRST_PURGE_MS = 60_000


class Limit(StrEnum):
    """A limit that can keep a job from starting; the value is the API's error code."""

    MONTHLY = "monthly_limit_reached"
    CONCURRENT = "too_many_concurrent_jobs"


@dataclass(frozen=True)
class Slot:
    """A job's slot among its user's active jobs.

    `is_new` says whether this call took the slot and counted the job. `history_is_full` says that with this job the
    user may have more jobs than the tier keeps.
    """

    taken_ms: int
    is_new: bool
    history_is_full: bool = False


@dataclass(frozen=True)
class PruningTurn:
    """The state of a user's quota at the start of a pruning turn.

    `requested` counts the requests to prune so far, `kept` is the stored bound on the user's jobs, `active` holds the
    jobs and cadences that have a slot, and `files` says how many jobs each of these cadences starts. See
    `services.gateway.mongodb.quotas`.
    """

    requested: int
    kept: int
    active: frozenset[str]
    files: Mapping[str, int] = field(default_factory=dict)


def month_of(now_ms: int) -> int:
    """Return the calendar month, UTC, as a number that grows: 202604 is April 2026."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return 100 * now.year + now.month


def retry_after_s(limit: Limit, now_ms: int) -> int:
    """Return when a retry may succeed, s from now: with the next month, or when a running job may have ended."""
    if limit is Limit.CONCURRENT:
        return BUSY_RETRY_AFTER_S
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    left_ms = int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000 - now_ms
    return min(-(-left_ms // 1000), MAX_RETRY_AFTER_S)


def beyond_history(
    oldest_first: Sequence[ListedJob], keep: int, in_use: AbstractSet[str] = frozenset()
) -> list[ListedJob]:
    """Return the jobs to remove so that `keep` stay: the oldest ended ones.

    Open jobs always stay, and so do jobs that a cadence `in_use` has as a scan.
    """
    ended = [job for job in oldest_first if not job.is_open and not job.cadences & in_use]
    return ended[: max(len(oldest_first) - keep, 0)]


def next_purge_ms(removed: RemovedJob, now_ms: int, keep_ms: int) -> int | None:
    """Return when to purge a removed job again, or None once `keep_ms` have passed since its removal.

    A worker may be in the middle of the job when it is removed, or receive its events days later from a bus that was
    unavailable, and write objects late. The intervals double, so that few purges cover the whole time.
    """
    end_ms = removed.removed_ms + keep_ms
    if now_ms >= end_ms:
        return None
    return min(now_ms + max(FIRST_PURGE_MS, now_ms - removed.removed_ms), end_ms)
