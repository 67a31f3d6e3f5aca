"""Jobs and their states."""

from dataclasses import dataclass
from typing import Literal, Protocol

from shared.events import (
    OBSERVATION_SUBMITTED,
    Artefact,
    Event,
    JobFailed,
    JobProgress,
    JobReopened,
    ResultsSummary,
    SearchParameters,
    Stage,
)
from shared.header import Header

Status = Literal["submitted", "processing", "complete", "failed"]

OPEN_STATUSES: tuple[Status, ...] = ("submitted", "processing")
ENDED_STATUSES: tuple[Status, ...] = ("complete", "failed")
STAGES: tuple[Stage, ...] = ("ingest", "dedoppler", "classify", "export")

# More steps than any stage of a job has.
_STEPS_PER_STAGE = 10**9


# Kafka refuses messages that are further ahead.
MOST_AHEAD_MS = 3_600_000

# Angle quotation marks look like the signs of markup, and no program takes them for it.
_WITHOUT_MARKUP = str.maketrans({"<": "‹", ">": "›"})


def shown(sentence: str) -> str:
    """Return a worker's sentence as users see it: without the signs of markup, which a file's name may hold."""
    return sentence.translate(_WITHOUT_MARKUP)


def shown_summary(summary: ResultsSummary) -> ResultsSummary:
    """Return a summary as users see it."""
    return summary.model_copy(update={"warnings": tuple(map(shown, summary.warnings))})


def believable_ms(event: Event, now_ms: int) -> int:
    """Return when an event occurred, unix ms, but at most an hour from now: no clock is further ahead."""
    return min(round(1000 * event.occurred_at.timestamp()), now_ms + MOST_AHEAD_MS)


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps of a stage are finished."""

    stage: Stage
    done: int
    total: int

    @classmethod
    def of(cls, event: JobProgress) -> "Progress":
        """Return the progress that an event reports."""
        return cls(event.stage, event.done, event.total)

    @property
    def order(self) -> int:
        """A number that grows with the stage, then with `done`. Only progress of a higher order replaces another."""
        return STAGES.index(self.stage) * _STEPS_PER_STAGE + min(max(self.done, 0), _STEPS_PER_STAGE - 1)


@dataclass(frozen=True)
class Failure:
    """Why a stage failed; `message` is a sentence for the user."""

    stage: Stage
    code: str
    message: str

    @classmethod
    def of(cls, event: JobFailed) -> "Failure":
        """Return the failure that an event reports."""
        return cls(event.stage, event.code, shown(event.message))

    @property
    def is_export_failure(self) -> bool:
        """Whether only the exports failed. The results exist before the export starts, so the job is complete."""
        return self.stage == "export"


@dataclass(frozen=True)
class Reopening:
    """An operator's decision that a failed job is processed again; `at_ms` is when, unix ms."""

    operator: str
    dead_letter: str
    at_ms: int

    @classmethod
    def of(cls, event: JobReopened, now_ms: int) -> "Reopening":
        """Return the reopening that an event reports; failures before it count as old."""
        return cls(event.operator, event.dead_letter, believable_ms(event, now_ms))


@dataclass(frozen=True)
class Job:
    """One analysis. Times are unix seconds; `submitted_ms` orders jobs submitted within the same second.

    `file_size` and `etag` are those of the object when the job was accepted. `expires_at` is when the job is removed.
    `slot_ms` is when the quota counted it, unix ms. Jobs stored by early versions have no `parameters` and no `etag`.
    A job that a cadence started has the `cadence_id`, and no slot: the cadence has one for all its jobs.
    `observation` is the header of the searched file; jobs that an early version completed have none.
    """

    job_id: str
    user_id: str
    file_key: str
    filename: str
    source_name: str
    file_size: int
    submitted_ms: int
    status: Status = "submitted"
    completed_at: int | None = None
    results: ResultsSummary | None = None
    results_key: str | None = None
    progress: Progress | None = None
    failure: Failure | None = None
    export_failure: Failure | None = None
    artefacts: tuple[Artefact, ...] = ()
    expires_at: int | None = None
    slot_ms: int | None = None
    parameters: SearchParameters | None = None
    etag: str | None = None
    cadence_id: str | None = None
    observation: Header | None = None

    @property
    def created_at(self) -> int:
        """When the job was accepted."""
        return self.submitted_ms // 1000

    def artefact(self, name: str) -> Artefact | None:
        """Return the artefact of a format, or None if it does not exist (yet)."""
        return next((artefact for artefact in self.artefacts if artefact.format == name), None)


@dataclass(frozen=True)
class ListedJob:
    """A job of a user's list, with the fields that the history limit needs.

    `cadences` are those that it is a scan of and that may be open. `uses` grows with each cadence that takes it.
    """

    job_id: str
    is_open: bool
    cadences: frozenset[str] = frozenset()
    uses: int = 0


@dataclass(frozen=True)
class StartedJob:
    """The fields of a job that stay known after its removal.

    `cadences` are those that it is a scan of and that may be open.
    """

    user_id: str
    is_open: bool
    slot_ms: int | None
    cadences: frozenset[str] = frozenset()
    is_cadence: bool = False


@dataclass(frozen=True)
class RemovedJob:
    """A job that users no longer see. Its objects are to be deleted at `purge_due_ms`, and again later.

    `file_key` is None if the job was never started: then its upload is left alone. It is None for a cadence, too.
    `scan_jobs` are the jobs that a removed cadence used, and `cancels` those that it started; both are empty once the
    cadence has let go of them.
    """

    job_id: str
    user_id: str
    file_key: str | None
    removed_ms: int
    purge_due_ms: int
    scan_jobs: tuple[str, ...] = ()
    cancels: tuple[str, ...] = ()


@dataclass(frozen=True)
class DueEvent:
    """The first event of an unfinished job or cadence: due at `due_ms` (unix ms), published `publications` times.

    An event that a process was about to publish when it died counts as published.
    """

    job_id: str
    event: str
    due_ms: int
    publications: int
    topic: str = OBSERVATION_SUBMITTED


def allowed_from(status: Status) -> tuple[Status, ...]:
    """Return the statuses from which a job may move to `status`. Jobs only move forward, unless they are reopened."""
    if status == "submitted":
        return ()
    return ("submitted",) if status == "processing" else OPEN_STATUSES


class Followed(Protocol):
    """What a job and a cadence have in common."""

    @property
    def job_id(self) -> str: ...
    @property
    def submitted_ms(self) -> int: ...
    @property
    def status(self) -> Status: ...
    @property
    def failure(self) -> Failure | None: ...
    @property
    def export_failure(self) -> Failure | None: ...
    @property
    def artefacts(self) -> tuple[Artefact, ...]: ...


def is_settled(job: Followed) -> bool:
    """Return whether a job or cadence is final: it failed, or it is complete and its exports exist or have failed."""
    if job.status == "complete":
        return bool(job.artefacts) or job.export_failure is not None
    return job.status == "failed"


def silence_s(publications: int, first_s: float, longest_s: float) -> float:
    """Return how long to wait for news of a job before its event is published again, s.

    The wait doubles with each publication. A job that only waits behind many others must not be published at a constant
    rate, or the queue would grow by itself.

    Parameters:
        publications: How many times the event was published so far, 1 or more.
        first_s: The wait after the first publication.
        longest_s: The longest wait.
    """
    return min(first_s * 2.0 ** min(publications - 1, 60), longest_s)
