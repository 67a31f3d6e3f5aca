"""JSON as it is written: every value comes back, and numbers that are not finite are refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.strict_json import strict_json

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES)
def test_values_come_back_unchanged(value):
    assert json.loads(strict_json(value)) == value


def test_the_layout_is_that_of_the_standard_library():
    value = {"a": [1, 2.5, "x,\n", {}], "b": {"c": None, "d": [[]]}, "e": []}
    assert strict_json(value).decode() == json.dumps(value, indent=1)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("around", [lambda n: n, lambda n: [n], lambda n: [n, 1], lambda n: {"a": n, "b": 1}])
def test_numbers_that_are_not_finite_are_refused(number, around):
    with pytest.raises(ValueError, match="not finite"):
        strict_json(around(number))


@pytest.mark.parametrize("text", ["NaN", "NaN,\n", "Infinity\n", "a: NaN,\n"])
def test_texts_that_name_such_numbers_are_texts(text):
    assert json.loads(strict_json([text, {"b": text}])) == [text, {"b": text}]
