"""A table as CSV. The same rows give the same bytes."""

import csv
import io
from itertools import islice
from typing import Any

from shared.table import Cells, Contents

# Compiled code that writes all rows in one call would keep the event loop waiting.
ROWS_AT_ONCE = 500
# A spreadsheet evaluates a cell that starts with one of these as a formula; some accept the full-width signs too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(value: Any) -> Any:
    """Return text that no spreadsheet evaluates as a formula, numbers unchanged, and an empty cell for None."""
    if isinstance(value, str):
        # The csv module writes a lone carriage return without quotes, and readers would end the line there.
        return ("'" if value.startswith(FORMULA_STARTS) else "") + value.replace("\r", " ")
    return "" if value is None else value


def to_csv(cells: Cells, contents: Contents) -> bytes:
    """Return a table as UTF-8 CSV with a header line; floats keep all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in contents.columns])
    # The module writes numbers as Python does, and None as an empty cell.
    columns = [
        [plain_cell(value) for value in cells[column.name]] if column.kind == "text" else cells[column.name]
        for column in contents.columns
    ]
    rows = zip(*columns, strict=True)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        writer.writerows(some)
    return text.getvalue().encode()
