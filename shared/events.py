"""The events on the bus: a public, versioned contract.

Events are frozen and carry pointers, never arrays. Unknown fields are ignored; an unknown version does not decode. The
same input gives the same `event_id`, so a consumer recognises a repeat.
"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.header import Header

EVENT_NAMESPACE = uuid.UUID("6f1f6f0e-52d5-5d0b-9b5b-1420405751a7")

OBSERVATION_SUBMITTED: Final = "observation.submitted"
CHUNK_READY: Final = "chunk.ready"
CHUNK_SEARCHED: Final = "chunk.searched"
OBSERVATION_CLASSIFIED: Final = "observation.classified"
OBSERVATION_EXPORTED: Final = "observation.exported"
JOB_PROGRESS: Final = "job.progress"
JOB_FAILED: Final = "job.failed"

TOPICS = (
    OBSERVATION_SUBMITTED,
    CHUNK_READY,
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    JOB_PROGRESS,
    JOB_FAILED,
)


class UndecodableEventError(ValueError):
    """The bytes of a message are no event of a known type and version."""


class Record(BaseModel):
    """A frozen part of an event; fields that a later producer adds are ignored.

    Numbers are finite: JSON has no others, so no consumer could read an event with NaN or infinity.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


SnrThreshold = Annotated[float, Field(ge=5.0, le=1e6)]
MaxDriftRate = Annotated[float, Field(ge=0.0, le=50.0)]


class SearchParameters(Record):
    """The search parameters that the user chose."""

    snr_threshold: SnrThreshold = 10.0
    max_drift_rate_hz_s: MaxDriftRate = 4.0


class Upload(Record):
    """The uploaded file of a job."""

    file_key: str = Field(description="Key in the uploads bucket.")
    file_name: str = Field(description="Name as the user gave it, for display.")
    file_size: int = Field(description="Bytes of the object when the job was accepted.")
    source_name: str = Field(description="Name of the observation, for display and catalogues.")
    submitted_at: datetime = Field(description="When the job was accepted; processing time counts from here.")
    etag: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        exclude_if=lambda etag: etag is None,
        description="ETag of the object when the job was accepted: an object with another one is not read. Left out by "
        "early versions.",
    )


class Chunk(Record):
    """A run of fine channels that one worker searches.

    The chunk owns `[start_channel, stop_channel)` and reads `[read_start_channel, read_stop_channel)`: more by the
    widest drift path on either side (clipped at the file's ends), so that a signal that crosses an edge is complete.
    """

    index: int = Field(ge=0)
    count: int = Field(ge=1)
    start_channel: int = Field(ge=0)
    stop_channel: int
    read_start_channel: int = Field(ge=0)
    read_stop_channel: int

    @property
    def channels(self) -> range:
        """The channels that the chunk owns."""
        return range(self.start_channel, self.stop_channel)


class ChunkPlan(Record):
    """How an observation is cut into chunks, and how many of them are in progress at a time.

    The channels are divided into strides of `stride_channels`, the last of which ends with the file. Each stride is cut
    into `parts` that are as equal as whole channels allow. Any chunk follows from its index, so an event stays small
    for any number of chunks.
    """

    n_channels: int = Field(ge=1)
    count: int = Field(ge=1, description="Chunks of the observation.")
    stride_channels: int = Field(ge=1)
    parts: int = Field(ge=1)
    overlap_channels: int = Field(
        ge=0, description="Channels that a chunk reads in addition to its own on either side."
    )
    lanes: int = Field(
        default=1,
        ge=1,
        description="Number of chunks announced at the start; after chunk i, chunk i + lanes is announced.",
    )

    def edge(self, index: int) -> int:
        """Return the first channel of a chunk; for index `count`, the number of channels."""
        stride, part = divmod(index, self.parts)
        return min(self.n_channels, stride * self.stride_channels + self.stride_channels * part // self.parts)

    def chunk(self, index: int) -> Chunk:
        """Return the chunk of an index."""
        start, stop = self.edge(index), self.edge(index + 1)
        return Chunk(
            index=index,
            count=self.count,
            start_channel=start,
            stop_channel=stop,
            read_start_channel=max(0, start - self.overlap_channels),
            read_stop_channel=min(self.n_channels, stop + self.overlap_channels),
        )

    def ends_lane(self, index: int) -> bool:
        """Return whether the chunk is the last of its lane."""
        return index + self.lanes >= self.count


# Left out if there is none, as in events from before plans existed.
OptionalPlan = Annotated[ChunkPlan | None, Field(exclude_if=lambda plan: plan is None)]


class Event(Record):
    """The fields of every event."""

    topic: ClassVar[str]

    type: str
    version: int
    event_id: uuid.UUID
    job_id: str
    occurred_at: datetime
    producer: str

    @classmethod
    def make(cls, *, job_id: str, producer: str, step: str = "", **fields: Any) -> Self:
        """Make an event whose id follows from its job, type and `step`, with the current time (UTC).

        `step` distinguishes the events of one type within a job.
        """
        return cls(
            event_id=uuid.uuid5(EVENT_NAMESPACE, f"{job_id}/{cls.topic}/{step}"),
            job_id=job_id,
            occurred_at=datetime.now(UTC),
            producer=producer,
            **fields,
        )

    @property
    def partition_key(self) -> str:
        """Return the Kafka key: events with the same key arrive in order, on one partition."""
        return self.job_id

    @property
    def lane(self) -> int | None:
        """Return the event's lane, or None if it has none.

        Lanes of one job go to different partitions if there are enough; without a lane, the key decides.
        """
        return None

    def to_bytes(self) -> bytes:
        """Return the event as UTF-8 JSON."""
        return self.model_dump_json().encode()


class JobLimits(Record):
    """What the user's tier allows for one job."""

    max_unpacked_bytes: int = Field(ge=1, description="Bytes of the samples of the file, once they are unpacked.")
    max_processor_s: float = Field(gt=0, description="Processor time of the whole job, as ingest predicts it, s.")


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
    warnings: tuple[str, ...] = ()
    plan: OptionalPlan = None

    @property
    def partition_key(self) -> str:
        return f"{self.job_id}:{self.chunk.index}"

    @property
    def lane(self) -> int | None:
        return self.chunk.index % self.plan.lanes if self.plan is not None else None


class ChunkSearched(Event):
    """Dedoppler to classify: one chunk was searched, and its hits object is in the results bucket."""

    topic = CHUNK_SEARCHED
    type: Literal["chunk.searched"] = CHUNK_SEARCHED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    header: Header
    chunk: Chunk
    warnings: tuple[str, ...] = ()
    plan: OptionalPlan = None
    hits_key: str
    n_hits: int


class TopCandidate(Record):
    """One entry of a job's `top_candidates`, as the API shows it."""

    frequency_hz: float
    drift_rate: float = Field(description="Hz/s.")
    snr: float
    classification: str
    interestingness: float
    rfi_source: str
    source: str


# Left out if there are none, as in events from before summaries had warnings.
Warnings = Annotated[
    tuple[str, ...],
    Field(
        exclude_if=lambda warnings: not warnings,
        description="Sentences about what the file lacks and what was left out; the first 20, all are in results.json.",
    ),
]


class ResultsSummary(Record):
    """A job's `results`, as the API shows them."""

    raw_hits: int
    filtered_hits: int
    candidates: int
    processing_time_seconds: float
    top_candidates: tuple[TopCandidate, ...]
    warnings: Warnings = ()


class ObservationClassified(Event):
    """Classify to export and gateway: all chunks are searched, and all hits are labelled and ranked."""

    topic = OBSERVATION_CLASSIFIED
    type: Literal["observation.classified"] = OBSERVATION_CLASSIFIED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters
    header: Header
    chunk_count: int
    plan: OptionalPlan = None
    results_key: str
    summary: ResultsSummary


class Artefact(Record):
    """One file that a user can download; `format` is the API's name of its format."""

    format: str
    key: str
    filename: str
    content_type: str
    size: int
    sha256: str


class ObservationExported(Event):
    """Export to gateway: every file of the job is in the results bucket."""

    topic = OBSERVATION_EXPORTED
    type: Literal["observation.exported"] = OBSERVATION_EXPORTED
    version: Literal[1] = 1
    artefacts: tuple[Artefact, ...]


Stage = Literal["ingest", "dedoppler", "classify", "export"]


class JobProgress(Event):
    """Any worker to gateway: `done` of `total` steps of a stage are finished."""

    topic = JOB_PROGRESS
    type: Literal["job.progress"] = JOB_PROGRESS
    version: Literal[1] = 1
    stage: Stage
    done: int
    total: int


class JobFailed(Event):
    """Any worker to gateway: the job failed; `message` is a sentence for the user."""

    topic = JOB_FAILED
    type: Literal["job.failed"] = JOB_FAILED
    version: Literal[1] = 1
    stage: Stage
    code: str
    message: str


AnyEvent = Annotated[
    ObservationSubmitted
    | ChunkReady
    | ChunkSearched
    | ObservationClassified
    | ObservationExported
    | JobProgress
    | JobFailed,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(AnyEvent)


def decode(raw: bytes) -> Event:
    """Read an event from the bytes of a message.

    Raises
    ------
    UndecodableEventError
        They are no JSON, of an unknown type or version, or have a missing or wrong field.
    """
    try:
        event = _ADAPTER.validate_json(raw)
    except ValidationError as error:
        raise UndecodableEventError(f"not an event of a known type and version: {error}") from error
    if "version" not in event.model_fields_set:
        raise UndecodableEventError("an event without its version")
    return event
