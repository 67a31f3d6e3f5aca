"""The fields and rules of every event on the bus, and the upload that events of several types describe."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from pydantic import Field

from shared.chunks import Record
from shared.event_fields import JobId, Key, Label, Name, ObjectBytes, Sha256, ShownText, Time
from shared.object_keys import UPLOADS, is_below, job_prefix

EVENT_NAMESPACE = uuid.UUID("6f1f6f0e-52d5-5d0b-9b5b-1420405751a7")

# The one spelling of a UUID that job ids are made with.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_job_id(text: str) -> bool:
    """Return whether the gateway could have made a job id."""
    return _UUID.fullmatch(text) is not None


class Upload(Record):
    """The uploaded file of a job."""

    file_key: Key = Field(description="Key in the uploads bucket, below uploads/.")
    file_name: Name = Field(description="Name as the user gave it, for display.")
    file_size: ObjectBytes = Field(description="Bytes of the object when the job was accepted.")
    source_name: Name = Field(description="Name of the observation, for display and catalogues.")
    submitted_at: Time = Field(description="When the job was accepted; processing time counts from here.")
    etag: Name | None = Field(
        default=None,
        min_length=1,
        exclude_if=lambda etag: etag is None,
        description="ETag of the object when the job was accepted: an object with another one is not read. Left out by "
        "early versions.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        exclude_if=lambda sha256: sha256 is None,
        description="SHA-256 of the file as its owner stated it, in hexadecimal. Then export does not compute it.",
    )


# More than the service makes: ten formats of an observation, and a picture of each of the best events of a cadence.
MAX_ARTEFACTS = 100


class Artefact(Record):
    """One file that a user can download; `format` is the API's name of its format."""

    format: Label
    key: Key = Field(description="Key in the results bucket, below jobs/{job_id}/.")
    filename: ShownText
    content_type: ShownText
    size: ObjectBytes
    sha256: Sha256


class Event(Record):
    """The fields of every event."""

    topic: ClassVar[str]

    type: str
    version: int
    event_id: uuid.UUID
    job_id: JobId = Field(description="A UUID, in lower case.")
    occurred_at: Time
    producer: Name

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

    def contradiction(self) -> str | None:
        """Return what the event says of another job, or against itself; None if it agrees with itself."""
        return None if is_job_id(self.job_id) else f"the job_id {self.job_id!r} is no UUID in lower case"

    def to_bytes(self) -> bytes:
        """Return the event as UTF-8 JSON."""
        return self.model_dump_json().encode()


def key_contradiction(key: str, job_id: str) -> str | None:
    """Return what is wrong with the key of a job's object; None if it is below the job's prefix."""
    return None if is_below(job_prefix(job_id), key) else f"the key {key!r} is not below {job_prefix(job_id)!r}"


def upload_contradiction(upload: Upload) -> str | None:
    """Return what is wrong with the key of an upload; None if it is below the prefix of uploads."""
    return None if is_below(UPLOADS, upload.file_key) else f"the key {upload.file_key!r} is not below {UPLOADS!r}"
