"""CSV that no spreadsheet runs and every reader reads."""

import csv
import io

import pandas as pd
import pytest

from services.export.columns import COLUMNS, HITS
from shared.csv_table import to_csv

FORMULAS = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x"]


def row(name, **values):
    numbers = {column.name: -0.5 for column in COLUMNS if column.kind != "text"}
    texts = {column.name: name for column in COLUMNS if column.kind == "text"}
    return numbers | texts | values


def columns(*rows):
    return {column.name: [row[column.name] for row in rows] for column in COLUMNS}


@pytest.mark.parametrize("name", FORMULAS)
def test_text_can_not_be_a_formula_and_numbers_stay_numbers(name):
    text = to_csv(columns(row(name)), HITS).decode()
    (read,) = csv.DictReader(io.StringIO(text, newline=""))
    for column in COLUMNS:
        # A lone carriage return would end the line for some readers.
        expected = "'" + name.replace("\r", " ") if column.kind == "text" else "-0.5"
        assert read[column.name] == expected


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "two\nlines", "one\rline", "Ωmega 名", " =1", "it's"])
def test_other_text_comes_back(name):
    table = pd.read_csv(io.BytesIO(to_csv(columns(row(name)), HITS)))
    assert table["source_name"].tolist() == [name.replace("\r", " ")]
    assert len(table.columns) == len(COLUMNS)


def test_an_unknown_value_is_an_empty_cell():
    table = pd.read_csv(io.BytesIO(to_csv(columns(row("x", novelty=None, snr=1e-300)), HITS)))
    assert table["novelty"].isna().all()
    assert table["snr"].tolist() == [1e-300]


def test_the_first_line_starts_as_in_the_contract():
    assert to_csv(columns(), HITS).startswith(
        b"source_name,frequency_hz,drift_rate,snr,classification,interestingness,"
    )
