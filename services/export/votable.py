"""The catalogue as a VOTable, the XML format of the Virtual Observatory, for TOPCAT and other tools."""

import io
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from astropy.io.votable import tree

from services.export.columns import HITS
from services.export.provenance import Fact, Provenance
from shared.table import NO_COUNT, Cells, Column, Contents

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


def _texts(values: Sequence[Any]) -> list[str]:
    """Return texts as cells; there are far fewer different texts than hits."""
    cells = {value: escape(_legal(value or "")) for value in set(values)}
    return [cells[value] for value in values]


def _numbers(column: Column, texts: Sequence[str]) -> list[str]:
    """Return numbers as astropy writes them, which takes it many times as long."""
    absent = str(NO_COUNT) if column.kind == "count" else "NaN"
    return [text.removesuffix(".0") or absent for text in texts]


def _table_data(cells: Cells, table_columns: Sequence[Column], numbers: Mapping[str, Sequence[str]]) -> bytes:
    """Return the element TABLEDATA."""
    columns = [
        _texts(cells[column.name]) if column.kind == "text" else _numbers(column, numbers[column.name])
        for column in table_columns
    ]
    between = "</TD>\n      <TD>"
    lines = (
        # Texts have no tags, since `escape` was there.
        f"     <TR>\n      <TD>{between.join(row)}</TD>\n     </TR>\n".replace("<TD></TD>", "<TD/>")
        for row in zip(*columns, strict=True)
    )
    return f"<TABLEDATA>\n{''.join(lines)}    </TABLEDATA>".encode()


def to_votable(
    cells: Cells, provenance: Provenance, numbers: Mapping[str, Sequence[str]], contents: Contents = HITS
) -> bytes:
    """Return a VOTable with one table; facts are its PARAMs, warnings INFOs.

    `numbers` are the table's `number_columns`, floats with all their digits.
    """
    document = tree.VOTableFile()
    resource = tree.Resource(type="results")
    document.resources.append(resource)
    table = tree.TableElement(document, name=contents.name)
    table.description = contents.description
    resource.tables.append(table)
    table.params.extend(_parameter(document, fact) for fact in provenance.facts)
    table.fields.extend(_field(document, column) for column in contents.columns)
    resource.infos.extend(
        tree.Info(ID=f"warning_{number}", name="warning", value=_legal(warning))
        for number, warning in enumerate(provenance.warnings, start=1)
    )
    # astropy writes a table without rows without data. Otherwise our rows take the place of an empty one.
    table.create_arrays(min(len(cells[contents.columns[0].name]), 1))
    buffer = io.BytesIO()
    document.to_xml(buffer)
    before, start, rest = buffer.getvalue().partition(b"<TABLEDATA>")
    after = rest.partition(b"</TABLEDATA>")[2]
    return before + _table_data(cells, contents.columns, numbers) + after if start else before
