"""The files that a finished job offers for download: one table for export, the gateway and its API description."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One downloadable file.

    `name` is the API's name of the format, `filename` the file's name in the results bucket and on the user's disk.
    """

    name: str
    filename: str
    content_type: str
    description: str


JSON = Format("json", "results.json", "application/json", "everything that was found")
CSV = Format("csv", "catalog.csv", "text/csv; charset=utf-8", "every hit, answered inline")
CATALOG_JSON = Format("catalog_json", "catalog.json", "application/json", "the same rows as JSON")
CLASSIFIED = Format("classified", "classified.json", "application/json", "each hit's label and why")
FITS = Format("fits", "catalog.fits", "application/fits", "a FITS binary table")
VOTABLE = Format("votable", "catalog.vot", "application/x-votable+xml", "a VOTable (IVOA's XML)")
PARQUET = Format("parquet", "catalog.parquet", "application/vnd.apache.parquet", "for pandas and the like")
DAT = Format("dat", "hits.dat", "text/plain; charset=us-ascii", "as turboSETI writes it")
WATERFALL = Format("waterfall", "waterfall.png", "image/png", "the observation with its hits")
WATERFALL_THUMB = Format("waterfall_thumb", "waterfall_thumb.png", "image/png", "the same, small")

# By name, in the order in which the API lists them.
FORMATS = {
    item.name: item
    for item in (JSON, CSV, CATALOG_JSON, CLASSIFIED, FITS, VOTABLE, PARQUET, DAT, WATERFALL, WATERFALL_THUMB)
}

# Those that can hold the verdicts of the user.
REVIEWED_FORMATS = {item.name: item for item in (CSV, CATALOG_JSON, CLASSIFIED, FITS, VOTABLE, PARQUET)}

EVENTS_JSON = Format("json", "events.json", "application/json", "everything that was found")
EVENTS_CSV = Format("csv", "events.csv", "text/csv; charset=utf-8", "every event, answered inline")
EVENTS_FITS = Format("fits", "events.fits", "application/fits", "a FITS binary table")
EVENTS_VOTABLE = Format("votable", "events.vot", "application/x-votable+xml", "a VOTable (IVOA's XML)")
EVENTS_PARQUET = Format("parquet", "events.parquet", "application/vnd.apache.parquet", "for pandas and the like")
OVERVIEW = Format("overview", "overview.png", "image/png", "all events on the band, scan by scan")
# One picture per event too, `event_0001.png` and so on: see `event_picture`.
CADENCE_FORMATS = {
    item.name: item for item in (EVENTS_JSON, EVENTS_CSV, EVENTS_FITS, EVENTS_VOTABLE, EVENTS_PARQUET, OVERVIEW)
}
# Those that can hold the verdicts of the user.
REVIEWED_EVENT_FORMATS = {item.name: item for item in (EVENTS_CSV, EVENTS_FITS, EVENTS_VOTABLE, EVENTS_PARQUET)}


def event_picture(event_id: int) -> Format:
    """Return the format of the picture of one event of a cadence."""
    name = f"event_{event_id:04d}"
    return Format(name, f"{name}.png", "image/png", "one event, scan by scan")
