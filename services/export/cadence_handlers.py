"""From `cadence.classified` to `cadence.exported`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from services.export.artefacts import File
from services.export.cadence_artefacts import Cutouts, drawn_events, render_event_pictures, render_event_tables
from shared.cadence_document import CadenceDocument
from shared.errors import PermanentError
from shared.event import Event
from shared.events import CadenceClassified, CadenceExported, JobProgress
from shared.formats import EVENTS_JSON
from shared.hits import Cutout
from shared.object_keys import artefact_key, measured_key
from shared.tracks import MeasuredTracks

PRODUCER = "export"


class EventsStore(Protocol):
    """The operations on the results bucket that the handler uses."""

    async def get(self, key: str) -> bytes:
        """Return the whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write the whole object."""


class CadenceHandler:
    """Reads the events of a cadence and writes its files."""

    def __init__(self, results: EventsStore) -> None:
        self._results = results

    async def handle(self, event: Event) -> Sequence[Event]:
        """Write every file of a classified cadence; return the bus event with their keys, and the progress.

        Raises
        ------
        PermanentError
            The bus event is of another type, or `events.json` can't be read.
        """
        if not isinstance(event, CadenceClassified):
            raise PermanentError(f"Export can't handle {event.topic}.", code="unexpected_event")
        raw = await self._results.get(event.events_key)
        document = await asyncio.to_thread(CadenceDocument.from_bytes, raw)
        tables = await self._written(event.job_id, await asyncio.to_thread(render_event_tables, document))
        cutouts = await self._cutouts(event, document)
        pictures = await self._written(event.job_id, await asyncio.to_thread(render_event_pictures, document, cutouts))
        artefacts = tuple(file.artefact(event.job_id) for file in (File(EVENTS_JSON, raw), *tables, *pictures))
        return [
            CadenceExported.make(job_id=event.job_id, producer=PRODUCER, artefacts=artefacts),
            JobProgress.make(
                job_id=event.job_id, producer=PRODUCER, step="export/1/1", stage="export", done=1, total=1
            ),
        ]

    async def _written(self, job_id: str, files: list[File]) -> list[File]:
        await asyncio.gather(
            *(
                self._results.put(artefact_key(job_id, file.format.filename), file.body, file.format.content_type)
                for file in files
            )
        )
        return files

    async def _cutouts(self, event: CadenceClassified, document: CadenceDocument) -> Cutouts:
        """Return the cut-outs of the events that are drawn, reading one part of the measurements at a time."""
        wanted = {record["track"] for record in drawn_events(document)}
        found: dict[int, dict[int, Cutout]] = {}
        for part in range(event.parts if wanted else 0):
            measured = await asyncio.to_thread(
                MeasuredTracks.from_bytes, await self._results.get(measured_key(event.job_id, part))
            )
            for track, cutout in zip(measured.cutout_tracks, measured.cutouts, strict=True):
                if track in wanted:
                    # A copy, since a view would keep the whole object in memory.
                    found.setdefault(track, {})[measured.scan] = replace(cutout, power=cutout.power.copy())
        return found
