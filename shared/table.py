"""A table as all formats write it: columns with names, units and descriptions, and their cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Row = Mapping[str, Any]
# The cells of a catalogue by the name of their column. The writers work column by column: row by row, ten thousand hits
# take them several times as long.
Cells = Mapping[str, Sequence[Any]]

Kind = Literal["text", "number", "count"]
# Means "no value" among counts in formats that have no null.
NO_COUNT = -(2**63)


@dataclass(frozen=True)
class Column:
    """One column: `kind` is text (UTF-8), number (float64) or count (int64).

    `unit` is written as in FITS and VOTable, empty for none; `ucd` is from the IVOA's list (UCD1+). `path` is the place
    of the value in a hit of `results.json`, by default the column's name. Without a value there, the cell is empty.
    """

    name: str
    kind: Kind
    unit: str
    ucd: str
    description: str
    path: tuple[str, str] | None = None


def cells_of(columns: Sequence[Column], records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns' values in each record, by name; None where a record has none.

    Records are read one after another: the values of one lie together in memory, and column by column ten thousand hits
    take several times as long.
    """
    places = [column.path or ("", column.name) for column in columns]
    outer = sorted({name for name, _ in places if name})
    rows = []
    for record in records:
        parts = {name: record.get(name) or {} for name in outer}
        parts[""] = record
        rows.append([parts[name].get(key) for name, key in places])
    values = zip(*rows, strict=True) if rows else [()] * len(places)
    return {column.name: list(found) for column, found in zip(columns, values, strict=True)}


@dataclass(frozen=True)
class Contents:
    """What a table holds: `name` is that of the table in FITS and VOTable."""

    name: str
    description: str
    columns: tuple[Column, ...]


def rows_of(cells: Cells) -> list[Row]:
    """Return the cells as rows, by the columns' names."""
    return [dict(zip(cells, values, strict=True)) for values in zip(*cells.values(), strict=True)]
