"""The numbers of a table as text, made once for all formats that are text.

The catalogue of ten thousand hits holds a quarter of a million numbers. Compiled code that writes
JSON takes a third of the time of `str`, and nearly always writes the same: both give the fewest digits that are read
back as the same number.
"""

from collections.abc import Sequence
from types import NoneType

from pydantic_core import to_json

from shared.table import Cells, Contents

# Others, such as bool, JSON writes in another way.
_PLAIN_TYPES = frozenset({float, int, NoneType})
# What `str` writes in another way contains one of these: numbers below 1e-4 (`str` writes 1e-05, JSON 0.00001),
# exponents, NaN, Infinity and null.
_MARKS = ("0.0000", "e", "N", "I", "n")


def number_columns(cells: Cells, contents: Contents) -> dict[str, list[str]]:
    """Return the cells of a table's columns of numbers as text, by the columns' names; see `number_texts`."""
    return {column.name: number_texts(cells[column.name]) for column in contents.columns if column.kind != "text"}


def number_texts(values: Sequence[float | int | None]) -> list[str]:
    """Return each number as `str` writes it, and empty text for None."""
    if not values or not set(map(type, values)) <= _PLAIN_TYPES:
        return [_text(value) for value in values]
    joined = to_json(values, inf_nan_mode="constants").decode()[1:-1]
    texts = joined.split(",")
    if not any(mark in joined for mark in _MARKS):
        return texts
    return [
        text if text[-1].isdigit() and "e" not in text and "0.0000" not in text else _text(value)
        for text, value in zip(texts, values, strict=True)
    ]


def _text(value: float | int | None) -> str:
    return "" if value is None else str(value)
