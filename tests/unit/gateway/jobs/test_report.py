"""The nesting depth of a report's metadata."""

import pytest

from services.gateway.jobs.report import nesting_depth


@pytest.mark.parametrize(
    ("content", "depth"), [(1, 0), ("x", 0), ({}, 1), ({"a": 1}, 1), ([[]], 2), ({"a": [{"b": None}], "c": {}}, 3)]
)
def test_nesting_is_counted_in_levels(content: object, depth: int) -> None:
    assert nesting_depth(content) == depth
