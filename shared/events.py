"""The events on the bus: a public, versioned contract.

Events are frozen and carry pointers, never arrays. Unknown fields are ignored; an unknown version does not decode. The
same input gives the same `event_id`, so a consumer recognises a repeat.

An event is not believed just because it is on the bus: numbers have bounds, texts are plain, and what an event says of
itself must agree (`Event.contradiction`). Otherwise it does not decode, and every consumer sets it aside.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.cadence_events import CADENCE_CLASSIFIED as CADENCE_CLASSIFIED
from shared.cadence_events import CADENCE_EXPORTED as CADENCE_EXPORTED
from shared.cadence_events import CADENCE_READY as CADENCE_READY
from shared.cadence_events import TRACK_MEASURED as TRACK_MEASURED
from shared.cadence_events import TRACK_READY as TRACK_READY
from shared.cadence_events import CadenceClassified as CadenceClassified
from shared.cadence_events import CadenceExported as CadenceExported
from shared.cadence_events import CadenceReady as CadenceReady
from shared.cadence_events import TrackMeasured as TrackMeasured
from shared.cadence_events import TrackReady as TrackReady
from shared.chunks import Chunk as Chunk
from shared.chunks import ChunkPlan as ChunkPlan
from shared.chunks import Record as Record
from shared.event import EVENT_NAMESPACE as EVENT_NAMESPACE
from shared.event import MAX_ARTEFACTS as MAX_ARTEFACTS
from shared.event import Artefact as Artefact
from shared.event import Event as Event
from shared.event import Upload as Upload
from shared.event import is_job_id as is_job_id
from shared.event import key_contradiction, upload_contradiction
from shared.event_fields import (
    MAX_CHUNK_HITS,
    ChunkCount,
    Code,
    HitCount,
    Key,
    Label,
    Name,
    Seconds,
    Sentence,
    Sentences,
    ShownText,
    Steps,
)
from shared.header import Header
from shared.review_events import CADENCE_REVIEWED as CADENCE_REVIEWED
from shared.review_events import OBSERVATION_REVIEWED as OBSERVATION_REVIEWED
from shared.review_events import REVIEW_EXPORTED as REVIEW_EXPORTED
from shared.review_events import CadenceReviewed as CadenceReviewed
from shared.review_events import ObservationReviewed as ObservationReviewed
from shared.review_events import ReviewExported as ReviewExported
from shared.search_parameters import JobLimits as JobLimits
from shared.search_parameters import MaxDriftRate as MaxDriftRate
from shared.search_parameters import SearchParameters as SearchParameters
from shared.search_parameters import SnrThreshold as SnrThreshold

OBSERVATION_SUBMITTED: Final = "observation.submitted"
CHUNK_READY: Final = "chunk.ready"
CHUNK_SEARCHED: Final = "chunk.searched"
OBSERVATION_CLASSIFIED: Final = "observation.classified"
OBSERVATION_EXPORTED: Final = "observation.exported"
JOB_PROGRESS: Final = "job.progress"
JOB_FAILED: Final = "job.failed"
JOB_REOPENED: Final = "job.reopened"

TOPICS = (
    OBSERVATION_SUBMITTED,
    CHUNK_READY,
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    JOB_PROGRESS,
    JOB_FAILED,
    JOB_REOPENED,
    CADENCE_READY,
    TRACK_READY,
    TRACK_MEASURED,
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
    OBSERVATION_REVIEWED,
    CADENCE_REVIEWED,
    REVIEW_EXPORTED,
)


class UndecodableEventError(ValueError):
    """The bytes of a message are no event of a known type and version."""


# More than the service makes: 20 candidates.
MAX_TOP_CANDIDATES = 100


# Left out if there is none, as in events from before plans existed.
OptionalPlan = Annotated[ChunkPlan | None, Field(exclude_if=lambda plan: plan is None)]


class ObservationSubmitted(Event):
    """Gateway to ingest: a user started an analysis."""

    topic = OBSERVATION_SUBMITTED
    type: Literal["observation.submitted"] = OBSERVATION_SUBMITTED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    limits: JobLimits | None = Field(
        default=None,
        exclude_if=lambda limits: limits is None,
        description="Left out by early versions; then there are none.",
    )

    def contradiction(self) -> str | None:
        return super().contradiction() or upload_contradiction(self.upload)


class ChunkReady(Event):
    """Ingest to dedoppler: one chunk of a valid observation is to be searched.

    With a plan, ingest announces the first `plan.lanes` chunks, and dedoppler announces the next chunk of a lane after
    each chunk that it searched. Without a plan, ingest announces all chunks at once.
    """

    topic = CHUNK_READY
    type: Literal["chunk.ready"] = CHUNK_READY
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    header: Header
    chunk: Chunk
    warnings: Sentences = ()
    plan: OptionalPlan = None

    @property
    def partition_key(self) -> str:
        return f"{self.job_id}:{self.chunk.index}"

    @property
    def lane(self) -> int | None:
        return self.chunk.index % self.plan.lanes if self.plan is not None else None

    def contradiction(self) -> str | None:
        return super().contradiction() or upload_contradiction(self.upload) or _chunk_contradiction(self)


class ChunkSearched(Event):
    """Dedoppler to classify: one chunk was searched, and its hits object is in the results bucket."""

    topic = CHUNK_SEARCHED
    type: Literal["chunk.searched"] = CHUNK_SEARCHED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    header: Header
    chunk: Chunk
    warnings: Sentences = ()
    plan: OptionalPlan = None
    hits_key: Key = Field(description="Key in the results bucket, below jobs/{job_id}/.")
    n_hits: int = Field(ge=0, le=MAX_CHUNK_HITS)

    def contradiction(self) -> str | None:
        return (
            super().contradiction()
            or upload_contradiction(self.upload)
            or _chunk_contradiction(self)
            or key_contradiction(self.hits_key, self.job_id)
        )


class TopCandidate(Record):
    """One entry of a job's `top_candidates`, as the API shows it."""

    frequency_hz: float
    drift_rate: float = Field(description="Hz/s.")
    snr: float
    classification: Label
    interestingness: float
    rfi_source: ShownText
    source: ShownText


# Left out if there are none, as in events from before summaries had warnings.
Warnings = Annotated[
    Sentences,
    Field(exclude_if=lambda some: not some, description="What the file lacks and what was left out: the first 20."),
]


class ResultsSummary(Record):
    """A job's `results`, as the API shows them."""

    raw_hits: HitCount
    filtered_hits: HitCount
    candidates: HitCount
    processing_time_seconds: Seconds
    top_candidates: tuple[TopCandidate, ...] = Field(max_length=MAX_TOP_CANDIDATES)
    warnings: Warnings = ()


class ObservationClassified(Event):
    """Classify to export and gateway: all chunks are searched, and all hits are labelled and ranked."""

    topic = OBSERVATION_CLASSIFIED
    type: Literal["observation.classified"] = OBSERVATION_CLASSIFIED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    header: Header
    chunk_count: ChunkCount
    plan: OptionalPlan = None
    results_key: Key = Field(description="Key in the results bucket, below jobs/{job_id}/.")
    summary: ResultsSummary

    def contradiction(self) -> str | None:
        if self.plan is not None and self.plan.count != self.chunk_count:
            return f"{self.chunk_count} chunks, of a plan for {self.plan.count}"
        return (
            super().contradiction()
            or upload_contradiction(self.upload)
            or key_contradiction(self.results_key, self.job_id)
        )


class ObservationExported(Event):
    """Export to gateway: every file of the job is in the results bucket."""

    topic = OBSERVATION_EXPORTED
    type: Literal["observation.exported"] = OBSERVATION_EXPORTED
    version: Literal[1] = 1
    artefacts: tuple[Artefact, ...] = Field(max_length=MAX_ARTEFACTS)

    def contradiction(self) -> str | None:
        keys = (key_contradiction(artefact.key, self.job_id) for artefact in self.artefacts)
        return super().contradiction() or next(filter(None, keys), None)


def _chunk_contradiction(event: ChunkReady | ChunkSearched) -> str | None:
    chunk, plan = event.chunk, event.plan
    if plan is not None and (chunk.index >= plan.count or plan.chunk(chunk.index) != chunk):
        return f"chunk {chunk.index} is not that of the plan"
    return None


Stage = Literal["ingest", "dedoppler", "classify", "export"]


class JobProgress(Event):
    """Any worker to gateway: `done` of `total` steps of a stage are finished."""

    topic = JOB_PROGRESS
    type: Literal["job.progress"] = JOB_PROGRESS
    version: Literal[1] = 1
    stage: Stage
    done: Steps
    total: Steps

    def contradiction(self) -> str | None:
        if self.done > self.total:
            return f"{self.done} of {self.total} steps are done"
        return super().contradiction()


class JobFailed(Event):
    """Any worker to gateway: the job failed; `message` is a sentence for the user."""

    topic = JOB_FAILED
    type: Literal["job.failed"] = JOB_FAILED
    version: Literal[1] = 1
    stage: Stage
    code: Code
    message: Sentence


class JobReopened(Event):
    """Operator to gateway: a dead letter of the job is replayed, so a job that failed is processed again."""

    topic = JOB_REOPENED
    type: Literal["job.reopened"] = JOB_REOPENED
    version: Literal[1] = 1
    operator: Name = Field(description="Who replays it.")
    dead_letter: Name = Field(description="Topic, partition and offset of the dead letter.")


AnyEvent = Annotated[
    ObservationSubmitted
    | ChunkReady
    | ChunkSearched
    | ObservationClassified
    | ObservationExported
    | JobProgress
    | JobFailed
    | JobReopened
    | CadenceReady
    | TrackReady
    | TrackMeasured
    | CadenceClassified
    | CadenceExported
    | ObservationReviewed
    | CadenceReviewed
    | ReviewExported,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(AnyEvent)


def decode(raw: bytes) -> Event:
    """Read an event from the bytes of a message.

    Raises
    ------
    UndecodableEventError
        They are no JSON, of an unknown type or version, have a missing or wrong field, or contradict themselves.
    """
    try:
        event = _ADAPTER.validate_json(raw)
    except ValidationError as error:
        raise UndecodableEventError(f"not an event of a known type and version: {error}") from error
    if "version" not in event.model_fields_set:
        raise UndecodableEventError("an event without its version")
    contradiction = event.contradiction()
    if contradiction is not None:
        raise UndecodableEventError(f"not an event of one job: {contradiction}")
    return event
