"""Parse right ascension and declination, as files store them."""

import re

# Packed values are decimal digits in a double: 173000 may be stored as 172999.99999999997.
PACKED_DIGITS = 6

_SEPARATORS = re.compile(r"[\s:hdms°'\"′″]+")


def from_packed(value: float) -> float:
    """Return hours or degrees of a packed hhmmss.s or ddmmss.s. The sign is that of the whole: -3000.0 is -0.5 degrees.

    Raises
    ------
    ValueError
        Minutes or seconds are 60 or more.
    """
    hours, rest = divmod(round(abs(value), PACKED_DIGITS), 10_000)
    minutes, seconds = divmod(rest, 100)
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{value} is not a packed angle")
    angle = hours + minutes / 60 + seconds / 3600
    return -angle if value < 0 else angle


def from_text(text: str) -> float:
    """Return hours or degrees of decimal or sexagesimal text: `-0.5`, `-00:30:00`, `17h10m03.98s`, `12d10m58.8s`.

    Raises
    ------
    ValueError
        The text is neither, or minutes or seconds are 60 or more.
    """
    text = text.strip().replace("−", "-")
    sign = -1.0 if text.startswith("-") else 1.0
    parts = [float(part) for part in _SEPARATORS.split(text.lstrip("+-")) if part]
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < 60 for part in parts[1:]) or not parts[0] >= 0:
        raise ValueError(f"{text!r} is not an angle")
    return sign * sum(part / 60.0**power for power, part in enumerate(parts))
