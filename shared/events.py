"""The events on the bus: a public, versioned contract.

Events are frozen and carry pointers, never arrays. Unknown fields pass; an unknown version does not decode. The same
input gives the same `event_id`, so a consumer can tell a repeat from news.
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
    """Bytes on a topic that are no event of a known type and version."""


class Record(BaseModel):
    """A frozen part of an event; fields that a later producer adds are ignored.

    Numbers are finite: JSON has no others, so an event that held one would be sent and then be read by nobody.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


SnrThreshold = Annotated[float, Field(ge=5.0, le=1e6)]
MaxDriftRate = Annotated[float, Field(ge=0.0, le=50.0)]


class SearchParameters(Record):
    """What the user asked the search for."""

    snr_threshold: SnrThreshold = 10.0
    max_drift_rate_hz_s: MaxDriftRate = 4.0


class Upload(Record):
    """The uploaded file that a job is about."""

    file_key: str = Field(description="Key in the uploads bucket.")
    file_name: str = Field(description="Name as the user gave it, for display.")
    file_size: int = Field(description="Bytes.")
    source_name: str = Field(description="Name of the observation, for display and catalogues.")
    submitted_at: datetime = Field(description="When the job was accepted; processing time counts from here.")


class Chunk(Record):
    """A run of fine channels that one worker searches.

    The chunk owns `[start_channel, stop_channel)` and reads `[read_start_channel, read_stop_channel)`, wider by the
    widest drift path on either side (clipped at the file's ends), so that a signal that crosses an edge is seen whole.
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
    """How an observation is cut into chunks, and how many of them are under way at a time.

    The channels are a row of strides, each of which is cut into `parts` as equal as whole channels allow; the file's
    end cuts the last one. So any chunk follows from its index, and an event stays small however many chunks there are.
    """

    n_channels: int = Field(ge=1)
    count: int = Field(ge=1, description="Chunks of the observation.")
    stride_channels: int = Field(ge=1)
    parts: int = Field(ge=1)
    overlap_channels: int = Field(ge=0, description="Channels that a chunk reads beyond its own on either side.")
    lanes: int = Field(
        default=1, ge=1, description="Chunks announced at first; each one that is searched announces that many further."
    )

    def edge(self, index: int) -> int:
        """First channel of a chunk; of `count`, the number of channels."""
        stride, part = divmod(index, self.parts)
        return min(self.n_channels, stride * self.stride_channels + self.stride_channels * part // self.parts)

    def chunk(self, index: int) -> Chunk:
        """The chunk of that index."""
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
        """Whether no chunk follows on this one."""
        return index + self.lanes >= self.count


# Left out where there is none, as in events of before there were plans.
OptionalPlan = Annotated[ChunkPlan | None, Field(exclude_if=lambda plan: plan is None)]


class Event(Record):
    """What every event carries. `step` tells apart the events of one type within a job."""

    topic: ClassVar[str]

    type: str
    version: int
    event_id: uuid.UUID
    job_id: str
    occurred_at: datetime
    producer: str

    @classmethod
    def make(cls, *, job_id: str, producer: str, step: str = "", **fields: Any) -> Self:
        """Build an event whose id follows from its job, type and step, stamped with the present time (UTC)."""
        return cls(
            event_id=uuid.uuid5(EVENT_NAMESPACE, f"{job_id}/{cls.topic}/{step}"),
            job_id=job_id,
            occurred_at=datetime.now(UTC),
            producer=producer,
            **fields,
        )

    @property
    def partition_key(self) -> str:
        """Kafka key: events of one key arrive in order, on one partition."""
        return self.job_id

    @property
    def lane(self) -> int | None:
        """Events of one job and different lanes go to different partitions, as far as there are; None: by the key."""
        return None

    def to_bytes(self) -> bytes:
        """Serialise as UTF-8 JSON."""
        return self.model_dump_json().encode()


class ObservationSubmitted(Event):
    """Gateway to ingest: a user started an analysis."""

    topic = OBSERVATION_SUBMITTED
    type: Literal["observation.submitted"] = OBSERVATION_SUBMITTED
    version: Literal[1] = 1
    upload: Upload
    parameters: SearchParameters


class ChunkReady(Event):
    """Ingest to dedoppler: one chunk of a valid observation is to be searched.

    With a plan, ingest announces the first `plan.lanes` chunks, and dedoppler with each chunk that is searched the next
    one of its lane; without one (as before there were plans), all chunks are announced at once.
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
    """Dedoppler to classify: one chunk was searched; its hits object is in the results bucket."""

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
    """One row of a job's `top_candidates`, as the API shows it."""

    frequency_hz: float
    drift_rate: float = Field(description="Hz/s.")
    snr: float
    classification: str
    interestingness: float
    rfi_source: str
    source: str


class ResultsSummary(Record):
    """A job's `results`, as the API shows them."""

    raw_hits: int
    filtered_hits: int
    candidates: int
    processing_time_seconds: float
    top_candidates: tuple[TopCandidate, ...]


class ObservationClassified(Event):
    """Classify to export and gateway: all chunks are in, hits are labelled and ranked."""

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
    """One file that a user can download. `format` is the API's name of it."""

    format: str
    key: str
    filename: str
    content_type: str
    size: int
    sha256: str


class ObservationExported(Event):
    """Export to gateway: every artefact of the job is in the results bucket."""

    topic = OBSERVATION_EXPORTED
    type: Literal["observation.exported"] = OBSERVATION_EXPORTED
    version: Literal[1] = 1
    artefacts: tuple[Artefact, ...]


Stage = Literal["ingest", "dedoppler", "classify", "export"]


class JobProgress(Event):
    """Any worker to gateway: `done` of `total` parts of a stage are finished."""

    topic = JOB_PROGRESS
    type: Literal["job.progress"] = JOB_PROGRESS
    version: Literal[1] = 1
    stage: Stage
    done: int
    total: int


class JobFailed(Event):
    """Any worker to gateway: the job can't go on; `message` is a sentence for the user."""

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

    Raises:
        UndecodableEventError: not JSON, or of an unknown type or version, or with a missing or wrong field.
    """
    try:
        event = _ADAPTER.validate_json(raw)
    except ValidationError as error:
        raise UndecodableEventError(f"not an event of a known type and version: {error}") from error
    if "version" not in event.model_fields_set:
        raise UndecodableEventError("an event that does not tell its version")
    return event
