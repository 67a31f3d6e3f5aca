"""Tables with two more columns: the user's verdict on each row, and the note. All other cells stay as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.table import Cells, Column, Contents
from shared.verdicts import VerdictsDocument

VERDICT_COLUMNS = (
    Column("verdict", "text", "", "meta.code", "Verdict: candidate, rfi, instrument or unsure; empty if none"),
    Column("verdict_note", "text", "", "meta.note", "Note that the user wrote with the verdict"),
)


def with_verdicts(cells: Cells, contents: Contents, verdicts: VerdictsDocument) -> tuple[Cells, Contents]:
    """Return a table with the columns of verdicts at the end; its column `id` says what each row is about."""
    values = _values(cells["id"], verdicts)
    added = {column.name: [row[at] for row in values] for at, column in enumerate(VERDICT_COLUMNS)}
    return {**cells, **added}, replace(contents, columns=(*contents.columns, *VERDICT_COLUMNS))


def rows_with_verdicts(rows: Sequence[Mapping[str, Any]], verdicts: VerdictsDocument) -> list[dict[str, Any]]:
    """Return records with the fields of verdicts at the end; their field `id` says what each is about."""
    values = _values([row["id"] for row in rows], verdicts)
    names = [column.name for column in VERDICT_COLUMNS]
    return [{**row, **dict(zip(names, value, strict=True))} for row, value in zip(rows, values, strict=True)]


def _values(numbers: Sequence[int], verdicts: VerdictsDocument) -> list[tuple[str, str]]:
    given = {one.number: (one.verdict, one.note) for one in verdicts.verdicts}
    return [given.get(number, ("", "")) for number in numbers]
