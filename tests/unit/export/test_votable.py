"""The rows of the VOTable are those that astropy itself writes."""

import io

import numpy as np
import pytest
from astropy.io import votable
from astropy.io.votable import tree

from services.export.columns import COLUMNS, HITS
from services.export.provenance import Provenance
from services.export.votable import _field, to_votable
from shared.number_texts import number_columns
from shared.table import NO_COUNT

TEXTS = ["", None, "a", "<b> & 'c' \"d\"", "Größe", "]]>", " x "]
NUMBERS = [None, 0.0, -0.0, 1.0, -2.5, 1e-5, 1e-4, 1e16, 1.5e300, 5e-324, 8420551214.832812, 0.1]
COUNTS = [None, 0, -7, 2**62, NO_COUNT + 1]


def cells(count, rng):
    values = {"text": TEXTS, "number": NUMBERS, "count": COUNTS}
    return {
        column.name: [values[column.kind][i] for i in rng.integers(0, len(values[column.kind]), count)]
        for column in COLUMNS
    }


def written_by_astropy(table):
    """Return the element TABLEDATA of the same cells, as astropy writes them from its own array."""
    document = tree.VOTableFile()
    resource, element = tree.Resource(), tree.TableElement(document)
    document.resources.append(resource)
    resource.tables.append(element)
    element.fields.extend(_field(document, column) for column in COLUMNS)
    absent = {"text": "", "number": np.nan, "count": NO_COUNT}
    element.create_arrays(len(next(iter(table.values()))))
    for column in COLUMNS:
        values = [absent[column.kind] if value is None else value for value in table[column.name]]
        element.array.data[column.name] = values
    buffer = io.BytesIO()
    document.to_xml(buffer)
    return data_of(buffer.getvalue())


def written(table):
    return to_votable(table, Provenance((), ()), number_columns(table, HITS))


def data_of(document):
    return document[document.index(b"<TABLEDATA>") : document.index(b"</TABLEDATA>")]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_rows_are_written_as_astropy_writes_them(count):
    table = cells(count, np.random.default_rng(count))
    found = data_of(written(table))
    assert found.count(b"<TR>") == count
    assert found == written_by_astropy(table)


def test_without_rows_there_is_no_data():
    found = written({column.name: [] for column in COLUMNS})
    assert b"<TABLEDATA>" not in found
    assert len(votable.parse_single_table(io.BytesIO(found)).array) == 0
