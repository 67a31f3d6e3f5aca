"""JSON with an indent of one space, in which every number is finite.

pydantic's encoder is compiled and many times as fast as that of the standard library, which runs in Python where it
indents: ten thousand hits take it two seconds. Floats keep all their digits in both; exponents are written without
padding (1e-5).
"""

from typing import Any

from pydantic_core import to_json

# A line of the document never ends so inside of a string.
_NOT_FINITE = tuple(f"{name}{end}".encode() for name in ("NaN", "Infinity") for end in (",\n", "\n"))


def strict_json(value: Any) -> bytes:
    """Return a value as UTF-8 JSON; the same value gives the same bytes.

    Raises
    ------
    ValueError
        A number is not finite, which JSON can't say.
    """
    text = to_json(value, indent=1, inf_nan_mode="constants")
    # Most documents name no such number anywhere, not even in a text.
    is_named = b"NaN" in text or b"Infinity" in text
    if is_named and (any(end in text for end in _NOT_FINITE) or text in (b"NaN", b"Infinity", b"-Infinity")):
        raise ValueError("A number is not finite.")
    return text
