"""From `observation.reviewed` and `cadence.reviewed` to `review.exported`."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from services.export.artefacts import File, render_reviewed_tables
from services.export.cadence_artefacts import render_event_tables
from shared.cadence_document import CadenceDocument
from shared.errors import ObjectNotFoundError, PermanentError
from shared.event import Artefact, Event
from shared.events import CadenceReviewed, ObservationClassified, ObservationReviewed, ReviewExported
from shared.formats import CATALOG_JSON
from shared.header import Header
from shared.hit_lists import without_lists
from shared.object_keys import artefact_key, reviewed_key
from shared.results import Results
from shared.verdicts import VerdictsDocument

logger = structlog.get_logger(__name__)

PRODUCER = "export"


class ReviewStore(Protocol):
    """The operations on the results bucket that the handler uses."""

    async def get(self, key: str) -> bytes:
        """Return the whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write the whole object."""


class ReviewHandler:
    """Reads results and verdicts, and writes the catalogues with both."""

    def __init__(self, results: ReviewStore, large: asyncio.Lock) -> None:
        """`large` is held while a catalogue is made: one large job at a time is in memory."""
        self._results = results
        self._large = large

    async def handle(self, event: Event) -> Sequence[Event]:
        """Write every catalogue of a review; return the event with their keys.

        A review whose verdicts are gone is not wanted any more: the gateway deletes them when others are asked for, and
        with the job. Then there is nothing to answer.

        Raises
        ------
        PermanentError
            The event is of another type, or the verdicts or the results can't be read.
        """
        if not isinstance(event, ObservationReviewed | CadenceReviewed):
            raise PermanentError(f"Export can't handle {event.topic}.", code="unexpected_event")
        try:
            raw = await self._results.get(event.verdicts_key)
        except ObjectNotFoundError:
            logger.info("review not wanted any more", job_id=event.job_id, revision=event.revision)
            return []
        verdicts = VerdictsDocument.from_bytes(raw)
        if (verdicts.job_id, verdicts.revision) != (event.job_id, event.revision):
            raise PermanentError("The verdicts are those of another revision.", code="inconsistent_event")
        async with self._large:
            files = await self._files(event, verdicts)
            artefacts = await self._written(event, files)
        return [
            ReviewExported.make(
                job_id=event.job_id,
                producer=PRODUCER,
                step=event.revision,
                revision=event.revision,
                artefacts=artefacts,
            )
        ]

    async def _files(self, event: ObservationReviewed | CadenceReviewed, verdicts: VerdictsDocument) -> list[File]:
        if isinstance(event, CadenceReviewed):
            raw = await self._results.get(event.events_key)
            document = await asyncio.to_thread(CadenceDocument.from_bytes, raw)
            return await asyncio.to_thread(render_event_tables, document, verdicts)
        raw = await self._results.get(event.results_key)
        results = await asyncio.to_thread(Results.from_bytes, raw)
        input_sha256 = event.upload.sha256 or await self._input_sha256(event.job_id)
        return await asyncio.to_thread(
            render_reviewed_tables, _classified(event, results), results, input_sha256, verdicts
        )

    async def _input_sha256(self, job_id: str) -> str | None:
        """Return the checksum of the observation as the first export stated it; the observation may be gone by now."""
        try:
            raw = await self._results.get(artefact_key(job_id, CATALOG_JSON.filename))
        except ObjectNotFoundError:
            return None
        about, _ = await asyncio.to_thread(without_lists, raw, ("signals",))
        provenance: dict[str, Any] = json.loads(about).get("provenance", {})
        sha256 = provenance.get("input_sha256")
        return sha256 if isinstance(sha256, str) else None

    async def _written(
        self, event: ObservationReviewed | CadenceReviewed, files: Sequence[File]
    ) -> tuple[Artefact, ...]:
        keys = [reviewed_key(event.job_id, event.revision, file.format.filename) for file in files]
        await asyncio.gather(
            *(
                self._results.put(key, file.body, file.format.content_type)
                for key, file in zip(keys, files, strict=True)
            )
        )
        return tuple(file.artefact_at(key) for key, file in zip(keys, files, strict=True))


def _classified(event: ObservationReviewed, results: Results) -> ObservationClassified:
    """Return the event from which the first catalogues were made, as far as they depend on it."""
    return ObservationClassified.make(
        job_id=event.job_id,
        producer=PRODUCER,
        upload=event.upload,
        parameters=results.parameters,
        header=Header(**results.observation.model_dump(include=set(Header.model_fields))),
        chunk_count=len(results.noise),
        results_key=event.results_key,
        summary=results.summary,
    )
