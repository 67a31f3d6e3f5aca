"""CSV that no spreadsheet runs and every reader reads."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from services.export.columns import COLUMNS, HITS
from shared.csv_table import plain_cell, to_csv
from shared.number_texts import number_columns

FORMULAS = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x"]


def row(name, **values):
    numbers = {column.name: -0.5 for column in COLUMNS if column.kind != "text"}
    texts = {column.name: name for column in COLUMNS if column.kind == "text"}
    return numbers | texts | values


def columns(*rows):
    return {column.name: [row[column.name] for row in rows] for column in COLUMNS}


def written(cells):
    return to_csv(cells, HITS, number_columns(cells, HITS))


@pytest.mark.parametrize("name", FORMULAS)
def test_text_can_not_be_a_formula_and_numbers_stay_numbers(name):
    text = written(columns(row(name))).decode()
    (read,) = csv.DictReader(io.StringIO(text, newline=""))
    for column in COLUMNS:
        # A lone carriage return would end the line for some readers.
        expected = "'" + name.replace("\r", " ") if column.kind == "text" else "-0.5"
        assert read[column.name] == expected


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "two\nlines", "one\rline", "Ωmega 名", " =1", "it's"])
def test_other_text_comes_back(name):
    table = pd.read_csv(io.BytesIO(written(columns(row(name)))))
    assert table["source_name"].tolist() == [name.replace("\r", " ")]
    assert len(table.columns) == len(COLUMNS)


def test_an_unknown_value_is_an_empty_cell():
    table = pd.read_csv(io.BytesIO(written(columns(row("x", novelty=None, snr=1e-300)))))
    assert table["novelty"].isna().all()
    assert table["snr"].tolist() == [1e-300]


def test_the_first_line_starts_as_in_the_contract():
    assert written(columns()).startswith(b"source_name,frequency_hz,drift_rate,snr,classification,interestingness,")


@pytest.mark.parametrize("count", [0, 1, 60])
def test_rows_are_those_that_the_csv_module_writes(count):
    rng, texts = np.random.default_rng(count), [*FORMULAS, "", None, "a,b", 'say "x"', "two\nlines", "Ωmega 名", "x"]
    numbers = [None, 0, -7, 2**62, 0.0, -0.0, 1.0, 1e-5, 1e-4, 1e16, 1.5e300, 5e-324, 8420551214.832812, np.nan]
    cells = {
        column.name: [choice[i] for i in rng.integers(0, len(choice), count)]
        for column in COLUMNS
        for choice in [texts if column.kind == "text" else numbers]
    }
    expected = io.StringIO()
    writer = csv.writer(expected, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerows([plain_cell(value) for value in row] for row in zip(*cells.values(), strict=True))
    assert written(cells).decode() == expected.getvalue()
