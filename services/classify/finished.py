"""A record of a finished job, so that a repeated event publishes the same again without doing the work again."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version

from pydantic import BaseModel, ValidationError

from shared.events import ChunkSearched, ResultsSummary
from shared.hits import ChunkHits


class Finished(BaseModel):
    """What a job was finished from and what came of it: digests of its inputs and of `results.json`."""

    inputs: str
    document: str
    summary: ResultsSummary

    def to_bytes(self) -> bytes:
        """Return the record as JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def read(cls, raw: bytes) -> "Finished | None":
        """Read a record; None if another version wrote it."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError:
            return None


def document_digest(document: bytes) -> str:
    """Return the digest of `results.json`."""
    return hashlib.sha256(document).hexdigest()


def inputs_digest(event: ChunkSearched, chunks: Sequence[ChunkHits], rules: str) -> str:
    """Return a digest of all that `results.json` follows from, but for the time.

    Parameters
    ----------
    event
        Any of the job's events.
    chunks
        What was found in each chunk. Cut-outs and waterfalls are not looked at: a search that would make others would
        be of another version, and so would be its hits.
    rules
        The version of the model, and any setting that the results depend on.
    """
    shared = event.model_dump_json(exclude={"event_id", "occurred_at", "producer", "chunk", "hits_key", "n_hits"})
    digest = hashlib.sha256(f"{version('waterhole')}\n{rules}\n{shared}\n{event.chunk.count}\n".encode())
    for chunk in chunks:
        digest.update(chunk.hits.tobytes())
        digest.update(repr((chunk.channels, chunk.statistics(), chunk.warnings)).encode())
    return digest.hexdigest()
