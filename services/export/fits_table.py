"""The catalogue as a FITS binary table (extension HITS, or EVENTS of a cadence); the same rows give the same bytes."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from services.export.columns import HITS
from services.export.provenance import Fact, Provenance
from shared.table import NO_COUNT, Cells, Column, Contents

# Longer text needs CONTINUE cards, which not every reader supports.
LONGEST_TEXT = 68
# A card has 80 characters: `KEYWORD = '...' / comment`.
LONGEST_TEXT_AND_COMMENT = 65
# astropy writes the time of day into the comments of the checksum cards, which makes every file different.
CHECKSUM_COMMENT = "of this HDU"


def _plain(value: str) -> str:
    """Return printable ASCII without trailing spaces, which FITS ignores and astropy's checksums miscount."""
    return "".join(char if " " <= char <= "~" else "?" for char in value).rstrip(" ")


def _column(column: Column, values: Sequence[Any]) -> fits.Column:
    """Return one column; text is as wide as its longest cell, so that no column has variable length."""
    unit = column.unit or None
    if column.kind == "text":
        # There are far fewer different texts than hits.
        plain = {value: _plain(value or "") for value in set(values)}
        texts = [plain[value] for value in values]
        return fits.Column(column.name, f"{max(map(len, texts), default=1) or 1}A", array=np.array(texts, dtype="S"))
    if column.kind == "count":
        counts = np.array([NO_COUNT if value is None else value for value in values], dtype=np.int64)
        return fits.Column(column.name, "K", unit=unit, null=NO_COUNT, array=counts)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return fits.Column(column.name, "D", unit=unit, array=numbers)


def _card(fact: Fact) -> fits.Card:
    comment = f"[{fact.unit}] {fact.description}" if fact.unit else fact.description
    if isinstance(fact.value, str):
        value = _plain(fact.value)[:LONGEST_TEXT]
        # A quote is written twice.
        fits_on_card = len(value) + value.count("'") + len(comment) <= LONGEST_TEXT_AND_COMMENT
        return fits.Card(fact.keyword, value, comment if fits_on_card else "")
    if isinstance(fact.value, float):
        # astropy cuts numbers off at 20 characters, which the standard does not require.
        return fits.Card.fromstring(f"{fact.keyword:<8}= {repr(fact.value).upper():>20} / {comment}"[:80])
    return fits.Card(fact.keyword, fact.value, comment)


def _describe(table: fits.BinTableHDU, columns: Sequence[Column]) -> None:
    """Add UCDs and descriptions under the keywords that TOPCAT and other tools read."""
    for number, column in enumerate(columns, start=1):
        table.header[f"TUCD{number}"] = column.ucd
        table.header[f"TCOMM{number}"] = column.description


def to_fits(cells: Cells, provenance: Provenance, contents: Contents = HITS) -> bytes:
    """Return a table with units (TUNITn), UCDs (TUCDn) and descriptions (TCOMMn); facts are keywords of both HDUs."""
    primary = fits.PrimaryHDU()
    columns = [_column(column, cells[column.name]) for column in contents.columns]
    table = fits.BinTableHDU.from_columns(columns, name=contents.name)
    _describe(table, contents.columns)
    for hdu in (primary, table):
        for fact in provenance.facts:
            hdu.header.append(_card(fact), end=True)
        for warning in provenance.warnings:
            hdu.header.add_comment(f"Warning: {_plain(warning)}")
        hdu.add_checksum(when=CHECKSUM_COMMENT)
    buffer = io.BytesIO()
    fits.HDUList([primary, table]).writeto(buffer)
    return buffer.getvalue()
