"""The values of a header, whatever file they came from: typed, checked, with the sentences that go with them."""

import math
from collections.abc import Mapping

from shared.errors import BadObservationError

Value = int | float | str

MAX_TEXT = 256
MAX_NAME_SHOWN = 120
# No plain integer is needed beyond these; they keep later arithmetic finite.
MAX_INTEGER = 2**62


def bad_file(name: str, problem: str) -> BadObservationError:
    """The error for a file that can't be searched; `problem` says what is wrong and how to mend it."""
    shown = name if len(name) <= MAX_NAME_SHOWN else f"{name[:MAX_NAME_SHOWN]}…"
    return BadObservationError(f"The file {shown!r} can't be searched: {problem}")


def clean_text(value: str) -> str:
    """Without control characters, surrogates and outer blanks."""
    return "".join(c if c.isprintable() else " " for c in value).strip()


def decode_text(raw: bytes) -> str:
    """Text of unknown encoding: UTF-8 where it is that, else Latin-1; it ends at the first NUL."""
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def to_number(value: Value) -> float | None:
    """The number that a value is or spells; None where it spells none. It may be NaN or infinite."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


class Fields:
    """The keywords of one file's header. Warnings gather in `warnings`, errors name the file."""

    def __init__(self, file_name: str, values: Mapping[str, Value]) -> None:
        self.file_name = file_name
        self.values = values
        self.warnings: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def bad(self, problem: str) -> BadObservationError:
        """The error for this file."""
        return bad_file(self.file_name, problem)

    def warn(self, sentence: str) -> None:
        """Note a fault that does not stop the search."""
        self.warnings.append(sentence)

    def required(self, key: str, meaning: str) -> float:
        """A finite number that must be there.

        Raises:
            BadObservationError: it is missing, no number, NaN or infinite.
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
        """A whole number that must be there.

        Raises:
            BadObservationError: it is missing or no whole number.
        """
        number = self.required(key, meaning)
        if number != math.floor(number) or abs(number) > MAX_INTEGER:
            raise self.bad(
                f"{key} in its header is {self.values[key]!r}; it must be {meaning}. Correct it and upload again."
            )
        return int(number)

    def integer(self, key: str, default: int) -> int:
        """A whole number that may be missing; one that is no whole number is left out with a warning."""
        if key not in self.values:
            return default
        number = to_number(self.values[key])
        if number is None or not math.isfinite(number) or abs(number) > MAX_INTEGER or number != math.floor(number):
            self.warn(f"{key} in the header is {self.values[key]!r}, no whole number; {default} was used.")
            return default
        return int(number)

    def number(self, key: str) -> float | None:
        """A finite number, or None where it is missing; one that is no number is left out with a warning."""
        if key not in self.values:
            return None
        number = to_number(self.values[key])
        if number is None or not math.isfinite(number):
            self.warn(f"{key} in the header is {self.values[key]!r}, no number; it was left out.")
            return None
        return number

    def text(self, key: str) -> str:
        """Printable text of at most `MAX_TEXT` characters; empty where it is missing."""
        text = clean_text(str(self.values.get(key, "")))
        if len(text) > MAX_TEXT:
            self.warn(f"{key} in the header has {len(text)} characters; it was cut to {MAX_TEXT}.")
            return text[:MAX_TEXT]
        return text
