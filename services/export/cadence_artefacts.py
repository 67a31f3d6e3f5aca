"""Every file of a cadence, made from `events.json` and the cut-outs of its tracks."""

from collections.abc import Mapping

from services.export.artefacts import File
from services.export.cadence_picture import draw_event, draw_overview
from services.export.cadence_provenance import cadence_provenance
from services.export.fits_table import to_fits
from services.export.parquet import to_parquet
from services.export.reviewed import with_verdicts
from services.export.votable import to_votable
from shared import formats
from shared.cadence_document import CadenceDocument, EventRecord
from shared.csv_table import to_csv
from shared.event_columns import contents_of, event_cells
from shared.hits import Cutout
from shared.number_texts import number_columns
from shared.table import Cells
from shared.verdicts import VerdictsDocument

# Each takes 0.3 s of processor time.
MAX_EVENT_PICTURES = 30
# Cut-outs by track and scan.
Cutouts = Mapping[int, Mapping[int, Cutout]]


def drawn_events(document: CadenceDocument) -> list[EventRecord]:
    """Return the events that have a picture of their own: the best."""
    return document.events[:MAX_EVENT_PICTURES]


def render_event_tables(document: CadenceDocument, verdicts: VerdictsDocument | None = None) -> list[File]:
    """Return every table of events; with the user's verdicts, if they are given."""
    cells: Cells = event_cells(document)
    contents, provenance = contents_of(document), cadence_provenance(document)
    if verdicts is not None:
        cells, contents = with_verdicts(cells, contents, verdicts)
    numbers = number_columns(cells, contents)
    return [
        File(formats.EVENTS_CSV, to_csv(cells, contents, numbers)),
        File(formats.EVENTS_FITS, to_fits(cells, provenance, contents)),
        File(formats.EVENTS_VOTABLE, to_votable(cells, provenance, numbers, contents)),
        File(formats.EVENTS_PARQUET, to_parquet(cells, provenance, contents)),
    ]


def render_event_pictures(document: CadenceDocument, cutouts: Cutouts) -> list[File]:
    """Return the overview, and one picture for each of the best events."""
    pictures = [
        File(formats.event_picture(event["id"]), draw_event(document, event, cutouts.get(event["track"], {})))
        for event in drawn_events(document)
    ]
    return [File(formats.OVERVIEW, draw_overview(document)), *pictures]
