"""HDF5's local heaps, where the names of a group's members are kept.

Free space in a heap is a list in which each piece tells where the next one is. The library follows it, and takes memory
for each piece, for ever where the list leads back into itself. So the lists are followed here first.
"""

from collections.abc import Callable

from shared.filterbank.hdf5.global_heap import DamagedHeapError

# Signature, version 0, three reserved bytes; then the size of the data, the first free piece, and where the data are.
HEAP_START = b"HEAP\x00\x00\x00\x00"
HEADER_BYTES = 32
# Of a free piece: where the next one is, and its size.
PIECE_BYTES = 16
END_OF_LIST = 1


def check_local_heaps(block: bytes, start: int, read: Callable[[int, int], bytes]) -> None:
    """Follow the free list of every local heap that begins in `block`, the file's bytes from `start` on.

    `read(start, length)` gives bytes of the file, fewer at its end.

    Raises:
        DamagedHeapError: a list does not end.
    """
    found = block.find(HEAP_START)
    while found >= 0:
        _follow(read(start + found, HEADER_BYTES), read)
        found = block.find(HEAP_START, found + 1)


def _follow(header: bytes, read: Callable[[int, int], bytes]) -> None:
    size, piece, data = (int.from_bytes(header[at : at + 8], "little") for at in (8, 16, 24))
    seen = set()
    # Where a piece can't be, the library stops by itself.
    while piece != END_OF_LIST and piece + PIECE_BYTES <= size:
        if piece in seen:
            raise DamagedHeapError("a heap of names has no end")
        seen.add(piece)
        stored = read(data + piece, PIECE_BYTES)
        if len(stored) < PIECE_BYTES:
            return
        piece = int.from_bytes(stored[:8], "little")
