"""The catalogue as text: CSV and JSON. The same rows give the same bytes."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from services.export.columns import COLUMNS, Row

# A spreadsheet evaluates a cell that starts with one of these as a formula; some accept the full-width signs too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(value: Any) -> Any:
    """Return text that no spreadsheet evaluates as a formula, numbers unchanged, and an empty cell for None."""
    if isinstance(value, str):
        # The csv module writes a lone carriage return without quotes, and readers would end the line there.
        return ("'" if value.startswith(FORMULA_STARTS) else "") + value.replace("\r", " ")
    return "" if value is None else value


def to_csv(rows: Sequence[Row]) -> bytes:
    """Return the catalogue as UTF-8 CSV with a header line; floats keep all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerows([plain_cell(row[column.name]) for column in COLUMNS] for row in rows)
    return text.getvalue().encode()


def to_json(document: Any) -> bytes:
    """Return the document as strict, indented JSON."""
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode()
