"""Headers of searched observations. Jobs of early versions keep theirs in `results.json` alone."""

import json
from typing import Protocol

from cachetools import LRUCache

from services.gateway.jobs.model import Job
from services.gateway.observations.errors import SpectraNotReadableError
from shared.errors import ObjectNotFoundError
from shared.formats import JSON
from shared.header import Header
from shared.object_keys import artefact_key

# The header stands before all lists.
HEAD_BYTES = 64 * 1024
NAME = '"observation":'
# About a kilobyte each. The least recently used one is dropped first.
MAX_HEADERS = 1000


class ResultsHeads(Protocol):
    """The bucket of results, as far as headers are read from it (see `shared.blobs`)."""

    async def get_range(self, key: str, start: int, length: int, etag: str | None = None) -> bytes: ...


class Headers:
    """The headers of all jobs."""

    def __init__(self, results: ResultsHeads) -> None:
        self._results = results
        self._known: LRUCache[str, Header] = LRUCache(MAX_HEADERS)

    async def find(self, job: Job) -> Header:
        """Return the header of a job's observation.

        Raises
        ------
        SpectraNotReadableError
            The job is not complete, or its results say nothing of the header.
        TransientError
            Storage is unavailable.
        """
        if job.observation is not None:
            return job.observation
        if job.results_key is None:
            raise SpectraNotReadableError("The spectra can be read once the job is complete.")
        known = self._known.get(job.job_id)
        if known is None:
            known = self._known[job.job_id] = await self._read(artefact_key(job.job_id, JSON.filename))
        return known

    async def _read(self, key: str) -> Header:
        try:
            head = (await self._results.get_range(key, 0, HEAD_BYTES)).decode("utf-8", "replace")
            # In a text of the document, such as a name, the quotation marks would be escaped.
            start = head.index(NAME) + len(NAME)
            return Header.model_validate(json.JSONDecoder().raw_decode(head[start:].lstrip())[0])
        except (ObjectNotFoundError, ValueError) as error:
            raise SpectraNotReadableError(
                "The job's results say nothing of the file's header; analyze the observation again."
            ) from error
