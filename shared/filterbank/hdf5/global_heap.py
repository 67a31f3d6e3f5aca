"""HDF5's global heaps, where texts of variable length are kept.

The library walks a heap from object to object by the sizes that they state, and never ends where one of them comes to
nothing. So heaps are walked here first.
"""

from collections.abc import Callable

# Signature, version 1, three reserved bytes.
HEAP_START = b"GCOL\x01\x00\x00\x00"
HEADER_BYTES = 16
OBJECT_HEADER_BYTES = 16
OBJECT_ALIGNMENT = 8


class DamagedHeapError(ValueError):
    """A heap that can't be walked to its end."""


def check_global_heaps(block: bytes, start: int, read: Callable[[int, int], bytes]) -> None:
    """Walk every heap that begins in `block`, the file's bytes from `start` on.

    `read(start, length)` gives bytes of the file, fewer at its end.

    Raises:
        DamagedHeapError: one is damaged.
    """
    found = block.find(HEAP_START)
    while found >= 0:
        _walk(start + found, read)
        found = block.find(HEAP_START, found + 1)


def _walk(start: int, read: Callable[[int, int], bytes]) -> None:
    stop = start + int.from_bytes(read(start + len(HEAP_START), 8), "little")
    position = start + HEADER_BYTES
    # What is left at the end may be too small for an object.
    while position + OBJECT_HEADER_BYTES <= stop:
        header = read(position, OBJECT_HEADER_BYTES)
        number, size = int.from_bytes(header[:2], "little"), int.from_bytes(header[8:], "little")
        # Number 0 is free space, whose size counts its header.
        taken = OBJECT_HEADER_BYTES + -(-size // OBJECT_ALIGNMENT) * OBJECT_ALIGNMENT if number else size
        if taken < OBJECT_HEADER_BYTES or position + taken > stop or len(header) < OBJECT_HEADER_BYTES:
            raise DamagedHeapError("a heap of texts is damaged")
        position += taken
