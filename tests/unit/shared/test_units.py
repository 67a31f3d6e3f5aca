"""Frequencies and times in the unit that fits."""

import pytest

from shared.units import TIME_UNITS, counted, fitting_unit, frequency_text, time_text


def test_nouns_are_in_the_plural_unless_there_is_one():
    assert [counted(number, "event") for number in (0, 1, 2)] == ["0 events", "1 event", "2 events"]


@pytest.mark.parametrize(
    ("hz", "text"),
    [
        (2.7939677238, "2.794 Hz"),
        (0.0042, "4.2 mHz"),
        (366e3, "366 kHz"),
        (4e6, "4 MHz"),
        (-4e6, "-4 MHz"),
        (999_999.0, "1 MHz"),
        (999.0, "999 Hz"),
        (1.42e9, "1.42 GHz"),
    ],
)
def test_a_frequency_is_told_in_the_unit_that_fits(hz, text):
    assert frequency_text(hz) == text


@pytest.mark.parametrize(
    ("seconds", "name"), [(1e-7, "µs"), (0.4, "ms"), (18.25, "s"), (292.0, "s"), (1200.0, "min"), (9 * 3600.0, "h")]
)
def test_a_unit_may_be_asked_for_of_which_there_are_five(seconds, name):
    assert fitting_unit(seconds, TIME_UNITS, at_least=5).name == name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(18.253611008, "18.25 s"), (0.0005, "500 µs"), (0.0015, "1.5 ms"), (64e-6, "64 µs"), (120.0, "120 s")],
)
def test_an_integration_is_told_in_the_unit_that_fits(seconds, text):
    assert time_text(seconds) == text
