"""The table of columns: legal in every format, and patient with records that have more or less than it knows."""

import re

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from deploy.local.servers import REPOSITORY
from services.export.columns import COLUMNS, catalogue_columns, classified_rows
from shared.results import Results
from shared.table import rows_of


def record(**more):
    known = {column.name: 1 if column.kind == "count" else 0.5 for column in COLUMNS if not column.path}
    texts = {column.name: "x" for column in COLUMNS if column.kind == "text"}
    return known | texts | {"interestingness_components": {}, "features": {}} | more


def results(*records):
    return Results.model_construct(source_name="s", raw_hits=list(records), candidates=list(records[:1]))


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_column_is_legal_in_every_format(column):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
    assert check_ucd(column.ucd, check_controlled_vocabulary=True)
    assert column.description.isascii()
    # A FITS card has 80 characters, 12 of them around the text.
    assert 0 < len(column.description) <= 68
    for standard in ("fits", "cds"):
        assert units.Unit(column.unit, format=standard, parse_strict="raise") == units.Unit(column.unit)


def test_names_differ_whatever_their_case():
    assert len({column.name.lower() for column in COLUMNS}) == len(COLUMNS)


def test_the_first_columns_are_the_contract_s():
    assert [column.name for column in COLUMNS[:6]] == [
        "source_name",
        "frequency_hz",
        "drift_rate",
        "snr",
        "classification",
        "interestingness",
    ]


def test_a_value_that_a_record_lacks_is_none_in_its_row():
    bare = record()
    del bare["novelty"], bare["features"]
    (row,) = rows_of(catalogue_columns(results(bare)))
    assert list(row) == [column.name for column in COLUMNS]
    assert (row["novelty"], row["occupancy"], row["snr_component"]) == (None, None, None)


def test_nested_values_are_found():
    parts, features = {"snr": 0.25, "novelty": 0.75}, {"occupancy": 0.9, "hits_with_like_drift": 3}
    (row,) = rows_of(
        catalogue_columns(results(record(interestingness_components=parts, features=features, novelty=0.1)))
    )
    assert (row["snr_component"], row["novelty_component"], row["novelty"]) == (0.25, 0.75, 0.1)
    assert (row["occupancy"], row["hits_with_like_drift"]) == (0.9, 3)


def test_rows_are_ordered_by_interest_and_ranked():
    dull, good = record(id=0, interestingness=0.1), record(id=1, interestingness=0.9)
    rows = rows_of(catalogue_columns(results(dull, good).model_copy(update={"candidates": [good]})))
    assert [(row["id"], row["candidate_rank"]) for row in rows] == [(1, 1), (0, 0)]


def test_classified_has_every_field_of_a_hit():
    hit = record(probabilities={"NOISE": 0.1}, chunk_hit=7)
    (row,) = classified_rows(results(hit))
    assert row["probabilities"] == {"NOISE": 0.1}
    assert "chunk_hit" not in row
    assert list(row)[:5] == ["id", "frequency_hz", "drift_rate", "snr", "classification"]


def test_the_document_lists_every_column_in_order():
    lines = (REPOSITORY / "docs/catalogue.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"`{column.name}`" for column in COLUMNS]
    assert [row[2:] for row in rows] == [[column.unit, column.ucd, column.description] for column in COLUMNS]
