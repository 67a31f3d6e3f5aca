"""The catalogue as a VOTable, the XML format of the Virtual Observatory, for TOPCAT and other tools."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io.votable import tree

from services.export.columns import COLUMNS, NO_COUNT, Column, Row
from services.export.provenance import Fact, Provenance

DATATYPES = {
    "text": {"datatype": "unicodeChar", "arraysize": "*"},
    "number": {"datatype": "double"},
    "count": {"datatype": "long"},
}


def _legal(text: str) -> str:
    """Return text that XML can hold and that is read back unchanged: no control characters, no lone surrogates."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _field(document: tree.VOTableFile, column: Column) -> tree.Field:
    field = tree.Field(document, name=column.name, ucd=column.ucd, unit=column.unit or None, **DATATYPES[column.kind])
    field.description = column.description
    if column.kind == "count":
        field.values.null = NO_COUNT
    return field


def _parameter(document: tree.VOTableFile, fact: Fact) -> tree.Param:
    is_text = isinstance(fact.value, str)
    kind = "text" if is_text else "count" if isinstance(fact.value, int) else "number"
    value = _legal(fact.value) if isinstance(fact.value, str) else fact.value
    parameter = tree.Param(
        document,
        # Identifiers must be unique in a document, and a column may have the same name.
        ID=f"fact_{fact.name}",
        name=fact.name,
        value=value,
        ucd=fact.ucd,
        unit=fact.unit or None,
        **DATATYPES[kind],
    )
    parameter.description = fact.description
    return parameter


def _cell(column: Column, value: Any) -> Any:
    if column.kind == "text":
        return _legal(value or "")
    if value is None:
        return np.nan if column.kind == "number" else NO_COUNT
    return value


def to_votable(rows: Sequence[Row], provenance: Provenance) -> bytes:
    """Return a VOTable with one table HITS; facts are its PARAMs, warnings INFOs. Floats keep all their digits."""
    document = tree.VOTableFile()
    resource = tree.Resource(type="results")
    document.resources.append(resource)
    table = tree.TableElement(document, name="HITS")
    table.description = "Narrowband signals found in one observation, most interesting first"
    resource.tables.append(table)
    table.params.extend(_parameter(document, fact) for fact in provenance.facts)
    table.fields.extend(_field(document, column) for column in COLUMNS)
    resource.infos.extend(
        tree.Info(ID=f"warning_{number}", name="warning", value=_legal(warning))
        for number, warning in enumerate(provenance.warnings, start=1)
    )
    table.create_arrays(len(rows))
    for column in COLUMNS:
        # Whole columns at once; cell by cell takes three times as long.
        table.array.data[column.name] = [_cell(column, row[column.name]) for row in rows]
    buffer = io.BytesIO()
    document.to_xml(buffer)
    return buffer.getvalue()
