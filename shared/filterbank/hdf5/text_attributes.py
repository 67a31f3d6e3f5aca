"""HDF5's messages of attributes whose text is of variable length.

Such a message holds the length of its text; the text itself lies in a global heap. The library takes memory for the
stated length, up to 4 GB, before it sees that the heap holds less. So lengths are looked at here first.
"""

import re
import struct
from collections.abc import Callable, Iterable

from shared.filterbank.hdf5.global_heap import DamagedHeapError

MAX_TEXT_BYTES = 64 * 1024
# By version of the message: bytes before the name, and the multiple of bytes that each part is filled up to.
LAYOUTS = {1: (8, 8), 2: (8, 1), 3: (9, 1)}
VARIABLE_LENGTH = 9
LENGTH_BYTES = 4

Read = Callable[[int, int], bytes]


def attribute_names(names: Iterable[str]) -> re.Pattern[bytes]:
    """What finds the names of attributes in a file's bytes."""
    return re.compile(b"|".join(re.escape(name.encode()) + b"\0" for name in names) or b"(?!)")


def check_texts(block: bytes, start: int, names: re.Pattern[bytes], read: Read) -> None:
    """Look at each attribute named so in `block`, the file's bytes from `start` on; `read(start, length)` gives others.

    Raises:
        DamagedHeapError: one claims a text longer than any is.
    """
    for found in names.finditer(block):
        length = _text_length(start + found.start(), len(found[0]), read)
        if length is not None and length > MAX_TEXT_BYTES:
            name = found[0][:-1].decode()
            raise DamagedHeapError(f"the attribute {name} claims a text of {length} bytes")


def _text_length(name_at: int, name_bytes: int, read: Read) -> int | None:
    """The length that the attribute whose name is at `name_at` states; None where it is no text of variable length."""
    for version, (before, multiple) in LAYOUTS.items():
        head = read(name_at - before, before) if name_at >= before else b""
        if len(head) < before or head[0] != version:
            continue
        sizes = struct.unpack_from("<HHH", head, 2)
        if sizes[0] != name_bytes:
            continue
        name, kind, space = (-(-size // multiple) * multiple for size in sizes)
        first = read(name_at + name, 1)
        if first and first[0] & 0x0F == VARIABLE_LENGTH:
            return int.from_bytes(read(name_at + name + kind + space, LENGTH_BYTES), "little")
    return None
