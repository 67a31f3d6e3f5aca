"""Messages between a worker and its HDF5 child process.

A message is a JSON object, sent over a pair of sockets, with or without bytes (samples, or a part of the file), which
lie at the start of a memory file that both processes have open. Only one of the two writes at a time. JSON and plain
bytes can't make the receiver run code, as pickled objects can, even if a damaged file corrupts the child.

The worker sends one request at a time, `OPEN` or `UNPACK`. The child answers `READ` as often as it needs bytes of the
file, each of which the worker answers with `BYTES` or `NO_BYTES`, and at last one of the other messages.
"""

import json
import struct
from typing import Any

Message = dict[str, Any]

OPEN, UNPACK, BYTES, NO_BYTES = "open", "unpack", "bytes", "no bytes"
# A file may be refused (`problem` is a sentence for its owner), be damaged (`cause` is the library's), or exceed a
# limit (`cause` names it); a bug has failed.
READ, DONE, REFUSED, DAMAGED, EXCEEDED, FAILED = "read", "done", "refused", "damaged", "exceeded", "failed"

# Bytes of the JSON object, and of those in the memory file.
HEAD = struct.Struct("<IQ")
# The child asks for no more bytes of the file at once, so that the worker's memory stays bounded.
MAX_READ_BYTES = 4 * 2**20
# A chunk in a list of storage chunks: 64-bit integers. `skipped` is a bit for each filter that was not used for it;
# the others are its place in the file and its first spectrum and channel.
CHUNK_FIELDS = ("offset_bytes", "size_bytes", "skipped", "spectrum", "channel")
# The offset of a chunk that was never written.
NOT_STORED = -1


def encode(message: Message, n_bytes: int = 0) -> bytes:
    """Return the head and the JSON of a message with `n_bytes` in the memory file."""
    # ASCII, since text from damaged files may hold lone surrogates, which UTF-8 has no form for.
    text = json.dumps(message, ensure_ascii=True).encode("ascii")
    return HEAD.pack(len(text), n_bytes) + text


def decode(text: bytes | bytearray) -> Message:
    """Return the JSON object of a message."""
    message: Message = json.loads(text)
    return message
