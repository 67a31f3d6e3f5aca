"""The values of a header of either format: typed and checked, with errors and warnings for users."""

import math
from collections.abc import Mapping

from shared.errors import BadObservationError

Value = int | float | str

MAX_TEXT = 256
MAX_NAME_SHOWN = 120
# Headers need no larger integers. The limit keeps later arithmetic finite.
MAX_INTEGER = 2**62


def bad_file(name: str, problem: str) -> BadObservationError:
    """Return the error for a file that can't be searched; `problem` says what is wrong and how to fix it."""
    shown = name if len(name) <= MAX_NAME_SHOWN else f"{name[:MAX_NAME_SHOWN]}…"
    return BadObservationError(f"The file {shown!r} can't be searched: {problem}")


def clean_text(value: str) -> str:
    """Return the text without control characters, surrogates and outer blanks."""
    return "".join(c if c.isprintable() else " " for c in value).strip()


def decode_text(raw: bytes) -> str:
    """Return text of unknown encoding, up to the first NUL: UTF-8 if it is valid, else Latin-1."""
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def to_number(value: Value) -> float | None:
    """Return the number that a value is, or whose text it is; else None. It may be NaN or infinite."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


class Fields:
    """The keywords of one file's header. Warnings are collected in `warnings`; errors name the file."""

    def __init__(self, file_name: str, values: Mapping[str, Value]) -> None:
        self.file_name = file_name
        self.values = values
        self.warnings: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def bad(self, problem: str) -> BadObservationError:
        """Return the error for this file."""
        return bad_file(self.file_name, problem)

    def warn(self, sentence: str) -> None:
        """Add a warning: a fault that does not stop the search."""
        self.warnings.append(sentence)

    def required(self, key: str, meaning: str) -> float:
        """Return a required finite number.

        Raises
        ------
        BadObservationError
            It is missing, not a number, NaN or infinite.
        """
        if key not in self.values:
            raise self.bad(f"its header has no {key} ({meaning}); add it and upload the file again.")
        number = to_number(self.values[key])
        if number is None or not math.isfinite(number):
            raise self.bad(
                f"{key} in its header is {self.values[key]!r}; it must be {meaning}. Correct it and upload again."
            )
        return number

    def required_integer(self, key: str, meaning: str) -> int:
        """Return a required whole number.

        Raises
        ------
        BadObservationError
            It is missing or not a whole number.
        """
        number = self.required(key, meaning)
        if number != math.floor(number) or abs(number) > MAX_INTEGER:
            raise self.bad(
                f"{key} in its header is {self.values[key]!r}; it must be {meaning}. Correct it and upload again."
            )
        return int(number)

    def integer(self, key: str, default: int) -> int:
        """Return an optional whole number; for any other value warn and return `default`."""
        if key not in self.values:
            return default
        number = to_number(self.values[key])
        if number is None or not math.isfinite(number) or abs(number) > MAX_INTEGER or number != math.floor(number):
            self.warn(f"{key} in the header is {self.values[key]!r}, which is not a whole number; {default} was used.")
            return default
        return int(number)

    def number(self, key: str) -> float | None:
        """Return an optional finite number, or None; for any other value warn and return None."""
        if key not in self.values:
            return None
        number = to_number(self.values[key])
        if number is None or not math.isfinite(number):
            self.warn(f"{key} in the header is {self.values[key]!r}, which is not a number; it was ignored.")
            return None
        return number

    def text(self, key: str) -> str:
        """Return printable text of at most `MAX_TEXT` characters, empty if it is missing."""
        text = clean_text(str(self.values.get(key, "")))
        if len(text) > MAX_TEXT:
            self.warn(f"{key} in the header has {len(text)} characters; it was cut to {MAX_TEXT}.")
            return text[:MAX_TEXT]
        return text
