"""A table as CSV. The same rows give the same bytes."""

import csv
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from shared.table import Cells, Contents

# A spreadsheet evaluates a cell that starts with one of these as a formula; some accept the full-width signs too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(value: Any) -> Any:
    """Return text that no spreadsheet evaluates as a formula, numbers unchanged, and an empty cell for None."""
    if isinstance(value, str):
        # The csv module writes a lone carriage return without quotes, and readers would end the line there.
        return ("'" if value.startswith(FORMULA_STARTS) else "") + value.replace("\r", " ")
    return "" if value is None else value


def to_csv(cells: Cells, contents: Contents, numbers: Mapping[str, Sequence[str]]) -> bytes:
    """Return a table as UTF-8 CSV with a header line; `numbers` are its `number_columns`, floats with all digits."""
    columns = [
        _quoted(cells[column.name]) if column.kind == "text" else numbers[column.name] for column in contents.columns
    ]
    # Row by row, since one call for all rows would keep the event loop waiting.
    rows = [",".join(row) for row in zip(*columns, strict=True)]
    header = ",".join(_quoted([column.name for column in contents.columns]))
    return "".join(f"{row}\n" for row in (header, *rows)).encode()


def _quoted(values: Sequence[Any]) -> list[str]:
    """Return texts as cells, in quotes where they need them; there are far fewer different texts than hits."""
    different, rows = list(set(values)), list[str]()
    # The module writes each row by one call. With a second cell that is empty, an empty one needs no quotes.
    writer = csv.writer(SimpleNamespace(write=rows.append), lineterminator="\n")
    writer.writerows([plain_cell(value), ""] for value in different)
    cells = {value: row.removesuffix(",\n") for value, row in zip(different, rows, strict=True)}
    return [cells[value] for value in values]
