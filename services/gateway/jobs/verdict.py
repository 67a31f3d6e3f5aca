"""Verdicts: what a user thinks of a hit of a job, or of an event of a cadence. There is one for each, at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.errors import TooManyVerdictsError, UnknownEventError, UnknownHitError
from services.gateway.jobs.model import Job
from services.gateway.jobs.paging import Cursor
from shared.verdicts import MAX_VERDICTS, Verdict

Kind = Literal["job", "cadence"]


@dataclass(frozen=True)
class GivenVerdict:
    """A user's verdict about the hit or event `number` of the job or cadence `job_id`."""

    user_id: str
    kind: Kind
    job_id: str
    number: int
    verdict: Verdict
    note: str
    changed_ms: int

    @property
    def verdict_id(self) -> str:
        """Identifies the verdict; a cursor can hold it."""
        return verdict_id(self.job_id, self.number)

    @property
    def changed_at(self) -> int:
        """When it was given or changed, unix seconds."""
        return self.changed_ms // 1000

    @property
    def cursor(self) -> Cursor:
        """Its place in the list of the user's verdicts."""
        return Cursor(self.changed_ms, self.verdict_id)


def verdict_id(job_id: str, number: int) -> str:
    """Return what identifies the verdict about a hit or event."""
    return f"{job_id}-{number}"


def require_hit(job: Job, number: int) -> None:
    """Raise `UnknownHitError` unless the job has a hit of this number: they count from 0."""
    count = job.results.raw_hits if job.results is not None else 0
    if not 0 <= number < count:
        raise UnknownHitError(count)


def require_event(cadence: Cadence, number: int) -> None:
    """Raise `UnknownEventError` unless the cadence has an event of this number: they count from 1."""
    count = cadence.results.events if cadence.results is not None else 0
    if not 1 <= number <= count:
        raise UnknownEventError(count)


def require_space(count: int) -> None:
    """Raise `TooManyVerdictsError` unless a job with so many verdicts may get another one."""
    if count >= MAX_VERDICTS:
        raise TooManyVerdictsError(MAX_VERDICTS)


class VerdictStore(Protocol):
    """What users think of hits and events. Every method raises `TransientError` while MongoDB is unavailable."""

    async def put(self, verdict: GivenVerdict) -> None:
        """Store a verdict in place of an earlier one about the same hit or event."""

    async def get(self, user_id: str, job_id: str, number: int) -> GivenVerdict | None:
        """Return the verdict about a hit or event, or None."""

    async def delete(self, user_id: str, job_id: str, number: int) -> None:
        """Delete the verdict about a hit or event, if there is one."""

    async def of_job(self, user_id: str, job_id: str) -> Sequence[GivenVerdict]:
        """Return a user's verdicts of a job or cadence, by number."""

    async def count(self, user_id: str, job_id: str) -> int:
        """Return how many verdicts a user has given in a job or cadence."""

    async def list_recent(self, user_id: str, limit: int, after: Cursor | None) -> Sequence[GivenVerdict]:
        """Return a page of a user's verdicts, those changed last first."""

    async def delete_of_job(self, job_id: str) -> None:
        """Delete all verdicts of a job or cadence."""
