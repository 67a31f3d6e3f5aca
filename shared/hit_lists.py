"""The lists of hits in `results.json`, as text.

The document lists most hits two or three times, and ten thousand hits are 24 MB of text. So each hit is written and
read once, and some hundred at a time: compiled code that works on all of them would keep the event loop waiting.

Documents have an indent of one space (`shared.strict_json`), and JSON has no line breaks inside of strings. So lines
alone tell where a list and its records begin and end. Lists of documents with another layout are not found here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.strict_json import strict_json

# So many records are written or read in one call, about 10 ms.
AT_ONCE = 250
# What stands around the records of a list, and between two of them.
_OPENING, _BETWEEN, _CLOSING = b"[\n  {\n", b"\n  },\n  {\n", b"\n  }\n ]"
_ID = re.compile(rb'^   "id": (\d+),?$', re.MULTILINE)


def record_texts(records: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """Return the lines of each record as they stand in a list of the document, without its braces.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    for first in range(0, len(records), AT_ONCE):
        text = strict_json({"": records[first : first + AT_ONCE]})
        start = text.index(_OPENING) + len(_OPENING)
        yield from text[start : text.rindex(_CLOSING)].split(_BETWEEN)


def list_text(records: Iterable[bytes]) -> bytes:
    """Return a list of the document with some records."""
    inside = _BETWEEN.join(records)
    return _OPENING + inside + _CLOSING if inside else b"[]"


def with_lists(document: bytes, lists: Mapping[str, bytes]) -> bytes:
    """Return a document whose lists are empty with the given ones in their places, which are in this order."""
    parts, at = [], 0
    for name, text in lists.items():
        start = document.index(_empty(name), at) + len(_empty(name)) - len(b"[]")
        parts += [document[at:start], text]
        at = start + len(b"[]")
    return b"".join([*parts, document[at:]])


def without_lists(document: bytes, names: Iterable[str]) -> tuple[bytes, dict[str, list[bytes]]]:
    """Return a document with empty lists, and the lines of the records of each list that was found; opposite of above.

    The lists are in the order of `names`. Those that are empty or laid out in another way stay in the document.
    """
    parts, lists, at = [], {}, 0
    for name in names:
        opening = _empty(name).removesuffix(b"]") + _OPENING.removeprefix(b"[")
        start = document.find(opening, at)
        stop = document.find(_CLOSING, start) if start >= 0 else -1
        if stop >= 0:
            lists[name] = document[start + len(opening) : stop].split(_BETWEEN)
            parts += [document[at:start], _empty(name)]
            at = stop + len(_CLOSING)
    return b"".join([*parts, document[at:]]), lists


def batches(records: Sequence[bytes]) -> Iterator[bytes]:
    """Return the records as JSON lists of up to `AT_ONCE` each."""
    for first in range(0, len(records), AT_ONCE):
        yield list_text(records[first : first + AT_ONCE])


def id_of(record: bytes) -> int | None:
    """Return the `id` in the lines of a record, or None if no line states it."""
    found = _ID.search(record)
    return int(found[1]) if found else None


def _empty(name: str) -> bytes:
    return f'\n "{name}": []'.encode()
