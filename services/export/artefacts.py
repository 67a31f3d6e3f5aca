"""Every file of a classified observation, made from its results."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from services.export import picture
from services.export.columns import COLUMNS, HITS, catalogue_columns, classified_rows
from services.export.dat import to_dat
from services.export.fits_table import to_fits
from services.export.parquet import to_parquet
from services.export.picture import MAX_PANELS, Panel, Picture
from services.export.provenance import Provenance, provenance_of
from services.export.reviewed import rows_with_verdicts, with_verdicts
from services.export.votable import to_votable
from services.export.waterfall import ChunkPart, assemble
from shared import formats
from shared.csv_table import to_csv
from shared.events import Artefact, ObservationClassified, ResultsSummary, SearchParameters, Upload
from shared.formats import Format
from shared.header import Header
from shared.hit_lists import list_text, record_texts, with_lists
from shared.hits import Cutout
from shared.number_texts import number_columns
from shared.object_keys import artefact_key
from shared.results import HitRecord, ModelUse, Observation, Results
from shared.strict_json import strict_json
from shared.table import Cells, Contents, Row, rows_of
from shared.verdicts import VerdictsDocument


@dataclass(frozen=True)
class File:
    """One file to download, and its SHA-256 if that is known already."""

    format: Format
    body: bytes
    sha256: str | None = None

    def artefact(self, job_id: str) -> Artefact:
        """The entry of this file in `observation.exported`."""
        return self.artefact_at(artefact_key(job_id, self.format.filename))

    def artefact_at(self, key: str) -> Artefact:
        """The entry of this file, with its key."""
        return Artefact(
            format=self.format.name,
            key=key,
            filename=self.format.filename,
            content_type=self.format.content_type,
            size=len(self.body),
            sha256=self.sha256 or hashlib.sha256(self.body).hexdigest(),
        )


def render_pictures(event: ObservationClassified, results: Results, parts: Sequence[ChunkPart]) -> list[File]:
    """Return the waterfall picture and its thumbnail."""
    drawing = Picture(
        header=event.header,
        title=results.source_name,
        file_name=results.file_name,
        waterfall=assemble(parts, picture.WATERFALL_COLUMNS),
        hits=results.raw_hits,
        panels=[
            Panel(record, parts[record["chunk"]].cutouts[record["chunk_hit"]])
            for record in results.candidates[:MAX_PANELS]
        ],
        n_candidates=len(results.candidates),
        warnings=results.warnings,
    )
    return [
        File(formats.WATERFALL, picture.draw(drawing)),
        File(formats.WATERFALL_THUMB, picture.draw_thumbnail(drawing)),
    ]


def render_tables(event: ObservationClassified, results: Results, input_sha256: str | None) -> list[File]:
    """Return every catalogue except `results.json`, which classify wrote; `input_sha256` is None if it is not known."""
    provenance = provenance_of(event, results, input_sha256)
    return [
        *_tables(results, provenance, classified_rows(results), catalogue_columns(results), HITS),
        File(formats.DAT, to_dat(results.raw_hits, event, input_sha256)),
    ]


def render_reviewed_tables(
    event: ObservationClassified, results: Results, input_sha256: str | None, verdicts: VerdictsDocument
) -> list[File]:
    """Return every catalogue that can hold the verdicts of the user, with them."""
    provenance = provenance_of(event, results, input_sha256)
    cells, contents = with_verdicts(catalogue_columns(results), HITS, verdicts)
    return _tables(results, provenance, rows_with_verdicts(classified_rows(results), verdicts), cells, contents)


def _tables(
    results: Results, provenance: Provenance, classified: Sequence[Row], cells: Cells, contents: Contents
) -> list[File]:
    numbers = number_columns(cells, contents)
    about = {"job_id": results.job_id, "source_name": results.source_name, "file_name": results.file_name}
    return [
        File(formats.CLASSIFIED, _with_signals(about, classified)),
        File(formats.CATALOG_JSON, _with_signals({**about, "provenance": provenance.values()}, rows_of(cells))),
        File(formats.CSV, to_csv(cells, contents, numbers)),
        File(formats.FITS, to_fits(cells, provenance, contents)),
        File(formats.VOTABLE, to_votable(cells, provenance, numbers, contents)),
        File(formats.PARQUET, to_parquet(cells, provenance, contents)),
    ]


def _with_signals(about: Mapping[str, Any], rows: Sequence[Row]) -> bytes:
    """Return a JSON document that lists rows, as `strict_json` writes it."""
    return with_lists(strict_json({**about, "signals": []}), {"signals": list_text(record_texts(rows))})


def _example() -> tuple[ObservationClassified, Results, list[ChunkPart]]:
    """Return the smallest observation with a candidate."""
    header = Header(
        file_format="fil", n_spectra=2, n_channels=8, n_ifs=1, n_bits=32, fch1_mhz=1.0, foff_mhz=1e-6, tsamp_s=1.0
    )
    event = ObservationClassified.make(
        job_id="warm-up",
        producer="export",
        upload=Upload(file_key="", file_name="", file_size=0, source_name="", submitted_at=datetime.now(UTC)),
        parameters=SearchParameters(),
        header=header,
        chunk_count=1,
        results_key="",
        summary=ResultsSummary(
            raw_hits=1, filtered_hits=1, candidates=1, processing_time_seconds=0.0, top_candidates=()
        ),
    )
    # Of a hit's fields only those that are drawn or listed matter.
    shown: dict[str, Any] = {column.name: "" if column.kind == "text" else 1 for column in COLUMNS}
    hit = cast(HitRecord, shown | {"chunk": 0, "chunk_hit": 0, "interestingness_components": {}})
    results = Results.model_construct(
        job_id="",
        source_name="",
        file_name="",
        observation=Observation(**header.model_dump()),
        parameters=event.parameters,
        noise=[],
        labels=ModelUse(model="", hits_unlike_training=0),
        warnings=[],
        summary=event.summary,
        processing_time_seconds=0.0,
        raw_hits=[hit],
        filtered_hits=[hit],
        candidates=[hit],
    )
    power = np.zeros((2, 8), np.float32)
    return event, results, [ChunkPart(range(8), power, {0: Cutout(power, 0)})]


def warm_up() -> None:
    """Make the files of a small observation, which loads fonts, colours and lazily imported modules."""
    event, results, parts = _example()
    render_pictures(event, results, parts)
    render_tables(event, results, None)
