"""From `observation.classified` to `observation.exported`."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.export import catalogs, picture
from services.export.domain import (
    MAX_PANELS,
    Panel,
    Picture,
    assemble,
    catalogue_rows,
    chunk_edges,
    classified_rows,
)
from shared.blobs import artefact_key, hits_key
from shared.errors import PermanentError
from shared.events import Artefact, Event, JobProgress, ObservationClassified, ObservationExported
from shared.hits import ChunkHits, Cutout

PRODUCER = "export"


class ResultsStore(Protocol):
    """What the handler needs of the results bucket."""

    async def get(self, key: str) -> bytes:
        """The whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write an object, whole."""


@dataclass(frozen=True)
class File:
    """One file to download, by the API's name of its format."""

    format: str
    filename: str
    content_type: str
    body: bytes

    def artefact(self, job_id: str) -> Artefact:
        """How the event speaks of it."""
        return Artefact(
            format=self.format,
            key=artefact_key(job_id, self.filename),
            filename=self.filename,
            content_type=self.content_type,
            size=len(self.body),
            sha256=hashlib.sha256(self.body).hexdigest(),
        )


@dataclass(frozen=True)
class _ChunkPart:
    """What the pictures need of one chunk; the rest of the hits object is let go."""

    waterfall: npt.NDArray[np.float32]
    cutouts: dict[int, Cutout]


class Handler:
    """Reads the results, draws and writes the files."""

    def __init__(self, results: ResultsStore, *, concurrent_reads: int = 8) -> None:
        self._results = results
        self._concurrent_reads = concurrent_reads

    async def handle(self, event: Event) -> Sequence[Event]:
        """Write every artefact of a classified observation and publish where they are."""
        if not isinstance(event, ObservationClassified):
            raise PermanentError(f"Export can't handle {event.topic}.", code="unexpected_event")
        raw = await self._results.get(event.results_key)
        results = await asyncio.to_thread(json.loads, raw)
        parts = await self._read_parts(event, results["candidates"][:MAX_PANELS])
        written = await asyncio.to_thread(render, event, results, parts)
        await asyncio.gather(
            *(
                self._results.put(artefact_key(event.job_id, file.filename), file.body, file.content_type)
                for file in written
            )
        )
        unchanged = File("json", "results.json", "application/json", raw)
        artefacts = tuple(file.artefact(event.job_id) for file in (unchanged, *written))
        return [
            ObservationExported.make(job_id=event.job_id, producer=PRODUCER, artefacts=artefacts),
            JobProgress.make(
                job_id=event.job_id, producer=PRODUCER, step="export/1/1", stage="export", done=1, total=1
            ),
        ]

    async def _read_parts(self, event: ObservationClassified, shown: Iterable[Mapping[str, Any]]) -> list[_ChunkPart]:
        wanted: dict[int, list[int]] = {}
        for record in shown:
            wanted.setdefault(record["chunk"], []).append(record["chunk_hit"])
        gate = asyncio.Semaphore(self._concurrent_reads)

        async def read(index: int) -> _ChunkPart:
            async with gate:
                raw = await self._results.get(hits_key(event.job_id, index))
            chunk = await asyncio.to_thread(ChunkHits.from_bytes, raw)
            return _ChunkPart(chunk.waterfall, {at: chunk.cutouts[at] for at in wanted.get(index, [])})

        return list(await asyncio.gather(*map(read, range(event.chunk_count))))


def render(event: ObservationClassified, results: Mapping[str, Any], parts: Sequence[_ChunkPart]) -> list[File]:
    """Every file but `results.json`, which classify wrote."""
    header, rows = event.header, catalogue_rows(results)
    drawing = Picture(
        header=header,
        title=f"{results['source_name']}  ({results['file_name']})",
        waterfall=assemble(
            [part.waterfall for part in parts], chunk_edges(header, results["noise"]), picture.WATERFALL_COLUMNS
        ),
        hits=results["raw_hits"],
        panels=[
            Panel(record, parts[record["chunk"]].cutouts[record["chunk_hit"]])
            for record in results["candidates"][:MAX_PANELS]
        ],
        warnings=results["warnings"],
    )
    about = {key: results[key] for key in ("job_id", "source_name", "file_name")}
    classified = {**about, "signals": classified_rows(results)}
    catalogue = {**about, "signals": rows}
    json_type = "application/json"
    return [
        File("classified", "classified.json", json_type, catalogs.to_json(classified)),
        File("catalog_json", "catalog.json", json_type, catalogs.to_json(catalogue)),
        File("csv", "catalog.csv", "text/csv; charset=utf-8", catalogs.to_csv(rows)),
        File("fits", "catalog.fits", "application/fits", catalogs.to_fits(rows, header, results["source_name"])),
        File("waterfall", "waterfall.png", "image/png", picture.draw(drawing)),
        File("waterfall_thumb", "waterfall_thumb.png", "image/png", picture.draw_thumbnail(drawing)),
    ]
