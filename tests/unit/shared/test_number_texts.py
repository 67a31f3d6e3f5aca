"""Numbers are written as `str` writes them: the digits that are read back as the same number, and no more."""

import numpy as np
import pytest

from shared.number_texts import number_columns, number_texts
from shared.table import Column, Contents

POWERS = np.float64(10) ** np.arange(-30, 30)
COLUMNS = {
    "any bits": np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64),
    "all sizes": 10.0 ** np.random.default_rng(1).uniform(-8, 20, 20_000),
    "like frequencies": -np.round(np.random.default_rng(2).uniform(1e9, 9e9, 20_000), 3),
    "between 0 and 1": np.random.default_rng(3).uniform(0, 1, 20_000),
    "powers of two": np.float64(2) ** np.arange(-1074, 1024),
    "powers of ten": np.concatenate([POWERS, np.nextafter(POWERS, 0), np.nextafter(POWERS, np.inf)]),
    "whole": np.arange(-300.0, 300.0),
    "not finite": np.array([0.0, -0.0, np.nan, np.inf, -np.inf]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_floats(name):
    values = COLUMNS[name].tolist()
    assert number_texts(values) == list(map(str, values))


def test_whole_numbers_and_what_is_missing():
    assert number_texts([]) == []
    assert number_texts([0, -7, 2**62, -(2**63)]) == ["0", "-7", str(2**62), str(-(2**63))]
    assert number_texts([None, 1.5, 2]) == ["", "1.5", "2"]
    assert number_texts([None, None]) == ["", ""]
    assert number_texts([True, 1e-5, None]) == ["True", "1e-05", ""]
    assert number_texts([np.float64(0.1), np.int64(3)]) == ["0.1", "3"]


def test_columns_of_text_are_left_out():
    columns = (
        Column("name", "text", "", "", ""),
        Column("size", "number", "", "", ""),
        Column("n", "count", "", "", ""),
    )
    cells = {"name": ["a"], "size": [0.5], "n": [None]}
    assert number_columns(cells, Contents("T", "", columns)) == {"size": ["0.5"], "n": [""]}
