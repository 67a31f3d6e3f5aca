"""The bodies of answers about verdicts."""

from typing import Literal

from pydantic import Field

from services.gateway.api.answers import Answer
from services.gateway.jobs.verdict import GivenVerdict, Kind
from shared.verdicts import Verdict


class _Judged(Answer):
    """What every verdict says. Times are unix seconds."""

    verdict: Verdict
    note: str = Field(description="Plain text; empty if there is none.")
    changed_at: int


class HitVerdict(_Judged):
    """A verdict on a hit."""

    hit: int = Field(description="The hit's `id` in the catalogue.")

    @classmethod
    def of(cls, given: GivenVerdict) -> "HitVerdict":
        """Return a verdict as the API shows it."""
        return cls(hit=given.number, verdict=given.verdict, note=given.note, changed_at=given.changed_at)


class EventVerdict(_Judged):
    """A verdict on an event of a cadence."""

    event: int = Field(description="The event's `id` in the table of events.")

    @classmethod
    def of(cls, given: GivenVerdict) -> "EventVerdict":
        """Return a verdict as the API shows it."""
        return cls(event=given.number, verdict=given.verdict, note=given.note, changed_at=given.changed_at)


class HitVerdicts(Answer):
    """All verdicts on the hits of a job, by hit."""

    verdicts: list[HitVerdict]


class EventVerdicts(Answer):
    """All verdicts on the events of a cadence, by event."""

    verdicts: list[EventVerdict]


class ListedVerdict(_Judged):
    """A verdict, with what it is about: `id` is that of a job or cadence, `number` the hit or event."""

    kind: Kind
    id: str
    number: int

    @classmethod
    def of(cls, given: GivenVerdict) -> "ListedVerdict":
        """Return a verdict as the API lists it."""
        return cls(
            kind=given.kind,
            id=given.job_id,
            number=given.number,
            verdict=given.verdict,
            note=given.note,
            changed_at=given.changed_at,
        )


class ListedVerdicts(Answer):
    """A page of your verdicts."""

    verdicts: list[ListedVerdict]


class VerdictDeleted(Answer):
    """The hit or event has no verdict any more."""

    message: str = "Verdict deleted"


class DownloadPreparing(Answer):
    """The catalogue with verdicts is being made: ask again after the seconds of Retry-After."""

    status: Literal["preparing"] = "preparing"
    format: str
