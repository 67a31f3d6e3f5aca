"""From `observation.submitted` to one `chunk.ready` per chunk."""

from collections.abc import Sequence
from typing import Protocol

from services.ingest.domain import plan_chunks
from shared.errors import PermanentError
from shared.events import Chunk, ChunkReady, Event, JobProgress, ObservationSubmitted
from shared.filterbank import BlobSource, read_header
from shared.header import Header

PRODUCER = "ingest"


class UploadsStore(Protocol):
    """What the handler needs of the uploads bucket."""

    async def size(self, key: str) -> int | None:
        """Bytes of an object, or None where there is none."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`; fewer where the object ends."""


class Handler:
    """Reads an upload's header and plans its chunks."""

    def __init__(self, uploads: UploadsStore, *, max_chunk_samples: int) -> None:
        self._uploads = uploads
        self._max_chunk_samples = max_chunk_samples

    async def handle(self, event: Event) -> Sequence[Event]:
        """Publish every chunk of the observation, in channel order, then that ingest is done.

        Raises:
            BadObservationError: the file can't be searched.
            ObjectNotFoundError: the upload is no longer there.
            PermanentError: the file is too long for the drift range, or would fall into too many chunks.
            TransientError: storage is out of reach.
        """
        if not isinstance(event, ObservationSubmitted):
            raise PermanentError(f"Ingest can't handle {event.topic}.", code="unexpected_event")
        source = BlobSource(self._uploads, event.upload.file_key, event.upload.file_name)
        header, warnings = await read_header(source)
        chunks = plan_chunks(header, event.parameters, max_chunk_samples=self._max_chunk_samples)
        ready = [_chunk_ready(event, header, chunk, warnings) for chunk in chunks]
        done = JobProgress.make(
            job_id=event.job_id, producer=PRODUCER, step="ingest/1/1", stage="ingest", done=1, total=1
        )
        return [*ready, done]


def _chunk_ready(event: ObservationSubmitted, header: Header, chunk: Chunk, warnings: tuple[str, ...]) -> ChunkReady:
    return ChunkReady.make(
        job_id=event.job_id,
        producer=PRODUCER,
        step=str(chunk.index),
        upload=event.upload,
        parameters=event.parameters,
        header=header,
        chunk=chunk,
        warnings=warnings,
    )
