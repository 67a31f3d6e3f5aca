"""Frequencies, times and angles as texts for people, in the unit that fits: 4 MHz, not 4e+06 Hz."""

from typing import NamedTuple


class Unit(NamedTuple):
    """A unit and its size, in Hz or seconds."""

    name: str
    size: float


FREQUENCY_UNITS = (Unit("GHz", 1e9), Unit("MHz", 1e6), Unit("kHz", 1e3), Unit("Hz", 1.0), Unit("mHz", 1e-3))
TIME_UNITS = (Unit("h", 3600.0), Unit("min", 60.0), Unit("s", 1.0), Unit("ms", 1e-3), Unit("µs", 1e-6))
# A value stays in a unit down to this part of it: 0.9996 MHz is 1 MHz in four digits.
ROUNDS_UP = 0.9995


def fitting_unit(value: float, units: tuple[Unit, ...], at_least: float = 1.0) -> Unit:
    """Return the largest of `units` of which a value, whatever its sign, has at least `at_least`; else the smallest."""
    return next((unit for unit in units if abs(value) >= ROUNDS_UP * at_least * unit.size), units[-1])


def frequency_text(hz: float, digits: int = 4) -> str:
    """Return a frequency or a width in Hz with its unit, such as 2.794 Hz or 4 MHz."""
    return _text(hz, FREQUENCY_UNITS, digits)


def time_text(seconds: float, digits: int = 4) -> str:
    """Return a time in seconds with its unit, such as 18.25 s or 500 µs; from a minute on in seconds too."""
    return _text(seconds, TIME_UNITS[2:], digits)


def _text(value: float, units: tuple[Unit, ...], digits: int) -> str:
    unit = fitting_unit(value, units)
    return f"{value / unit.size:.{digits}g} {unit.name}"


def sexagesimal(value: float | None, unit: str, decimals: int) -> str:
    """Return an angle as 17h10m03.984s or -05d03m00.0s; `value` is in hours (`unit` h) or degrees (d)."""
    if value is None:
        return "unknown"
    scale = 10**decimals
    ticks = round(abs(value) * 3600 * scale)
    minutes, seconds = divmod(ticks, 60 * scale)
    sign = "-" if value < 0 else ""
    width = decimals + 3 if decimals else 2
    return f"{sign}{minutes // 60:02d}{unit}{minutes % 60:02d}m{seconds / scale:0{width}.{decimals}f}s"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: `1 event`, `2 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
