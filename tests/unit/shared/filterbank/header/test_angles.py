"""Right ascension and declination, packed and as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator.writers import packed_angle
from shared.filterbank.header.angles import from_packed, from_text


@given(st.floats(-89.9999, 89.9999))
def test_packing_and_unpacking_an_angle(angle):
    assert from_packed(packed_angle(angle)) == pytest.approx(angle, abs=1e-7)


@pytest.mark.parametrize("value", [6000.0, 61.0, 126000.0])
def test_60_minutes_or_seconds_are_not_an_angle(value):
    with pytest.raises(ValueError, match="not a packed angle"):
        from_packed(value)


@pytest.mark.parametrize("text", ["", "12:60:00", "1:2:3:4", "nan", "twelve", "12:-5"])
def test_text_that_is_not_an_angle(text):
    with pytest.raises(ValueError):
        from_text(text)


@pytest.mark.parametrize(("text", "angle"), [("−0°30′", -0.5), ("+12d 30m", 12.5), (" 1:30 ", 1.5), ("-12.25", -12.25)])
def test_text_that_is_an_angle(text, angle):
    assert from_text(text) == angle
