"""The table of held-out hits."""

from dataclasses import replace

import pytest

from science.training import table
from science.training.__main__ import HELD_OUT


@pytest.fixture(scope="module")
def held_out():
    return table.from_bytes(HELD_OUT.read_bytes())


def test_the_table_comes_back_to_four_digits(held_out):
    some = held_out[:50]
    again = table.from_bytes(table.to_bytes(some))
    assert again == some
    shaken = [replace(hit, evidence=replace(hit.evidence, snr=hit.evidence.snr * (1 + 1e-6))) for hit in some]
    assert table.from_bytes(table.to_bytes(shaken)) == some
