"""The catalogue as text: CSV and JSON. The same rows give the same bytes."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from services.export.columns import COLUMNS, Row

# A spreadsheet runs a cell that starts with one of these as a formula; some take the full-width signs for the same.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula; numbers as they are, nothing for None."""
    if isinstance(value, str):
        # The csv module would write a lone carriage return without quotes, and readers would take it for a line's end.
        return ("'" if value.startswith(FORMULA_STARTS) else "") + value.replace("\r", " ")
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
