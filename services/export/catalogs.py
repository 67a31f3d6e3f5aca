"""The catalogues as bytes: CSV, JSON and FITS. The same rows give the same bytes."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from services.export.domain import COLUMNS, Column
from shared.header import Header

Row = Mapping[str, Any]

# A spreadsheet runs a cell that starts with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain_cell(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula; numbers as they are, nothing for None."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return "" if value is None else value


def to_csv(rows: Sequence[Row]) -> bytes:
    """The catalogue as UTF-8 CSV with a header line; floats keep all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerows([plain_cell(row[column.name]) for column in COLUMNS] for row in rows)
    return text.getvalue().encode()


def to_json(document: Any) -> bytes:
    """Strict JSON, readable."""
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode()


def _fits_text(value: Any) -> str:
    """FITS text is printable ASCII."""
    return "".join(char if " " <= char <= "~" else "?" for char in str(value))


def _fits_column(column: Column, rows: Sequence[Row]) -> fits.Column:
    values = [row[column.name] for row in rows]
    unit = column.unit or None
    if column.kind == "text":
        texts = [_fits_text(value or "") for value in values]
        return fits.Column(column.name, f"{max(map(len, texts), default=1) or 1}A", array=np.array(texts, dtype="S"))
    if column.kind == "count":
        return fits.Column(column.name, "K", unit=unit, array=np.array(values, dtype=np.int64))
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return fits.Column(column.name, "D", unit=unit, array=numbers)


def to_fits(rows: Sequence[Row], header: Header, source_name: str) -> bytes:
    """The catalogue as a FITS binary table (extension HITS) with the observation's keywords."""
    table = fits.BinTableHDU.from_columns([_fits_column(column, rows) for column in COLUMNS], name="HITS")
    # Longer values would need CONTINUE cards.
    name = _fits_text(source_name)[:60]
    keywords: list[tuple[str, Any, str]] = [
        ("OBJECT", name, "source name of the observation"),
        ("SOURCE", _fits_text(header.source_name)[:60], "source name in the file's header"),
        ("TELESCOP", header.telescope_id, "SIGPROC telescope id"),
        ("FCH1", header.fch1_mhz, "[MHz] centre of the first channel"),
        ("FOFF", header.foff_mhz, "[MHz] channel width, signed"),
        ("NCHANS", header.n_channels, "fine channels"),
        ("NSPECTRA", header.n_spectra, "spectra"),
        ("TSAMP", header.tsamp_s, "[s] time per spectrum"),
        ("TSTART", header.tstart_mjd, "[d] MJD of the first spectrum"),
    ]
    if header.ra_hours is not None and header.dec_deg is not None:
        keywords += [
            ("RA", header.ra_hours * 15, "[deg] right ascension"),
            ("DEC", header.dec_deg, "[deg] declination"),
        ]
    for card in keywords:
        table.header.append(card)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()


def warm_up() -> None:
    """Load what the first catalogue would have to wait for."""
    header = Header(
        file_format="fil", n_spectra=2, n_channels=1, n_ifs=1, n_bits=32, fch1_mhz=1.0, foff_mhz=1e-6, tsamp_s=1.0
    )
    to_fits([], header, "")
