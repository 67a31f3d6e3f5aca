"""Answer a worker's requests, one after another, until the worker closes the socket or ends.

The arguments are the file descriptors of the socket and of the memory file.
"""

import resource
import socket
import sys
import time
import traceback
from contextlib import suppress
from math import ceil
from pathlib import Path

import numpy as np

from shared.filterbank.hdf5.child.connection import Connection
from shared.filterbank.hdf5.child.dataset import describe
from shared.filterbank.hdf5.child.errors import DamagedError, UnreadableError
from shared.filterbank.hdf5.child.filters import unpack_chunk
from shared.filterbank.hdf5.child.range_file import RangeFile
from shared.filterbank.hdf5.protocol import DAMAGED, DONE, EXCEEDED, FAILED, OPEN, REFUSED, Message
from shared.filterbank.hdf5.stored_chunks import Filter


def main(end: int, memory_file: int) -> None:
    """Serve requests until the other end of the socket is closed."""
    # A crash is reported by its signal; a core file per damaged file would fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start_bytes = _address_space_bytes()
    connection = Connection(socket.socket(fileno=end), memory_file)
    while (request := connection.receive()) is not None:
        message, payload = request
        _limit(start_bytes + message["memory_bytes"], message["cpu_s"])
        try:
            answer, raw = _answer(connection, message, payload)
        except UnreadableError as error:
            answer, raw = {"kind": REFUSED, "problem": str(error)}, b""
        except DamagedError as error:
            answer, raw = {"kind": DAMAGED, "cause": str(error)}, b""
        except MemoryError:
            cause = f"to read it takes more than {message['memory_bytes'] // 2**20} MiB of memory"
            answer, raw = {"kind": EXCEEDED, "cause": cause}, b""
        except Exception:  # noqa: BLE001 - a bug, which the worker raises with this text
            answer, raw = {"kind": FAILED, "traceback": traceback.format_exc()}, b""
        del request, payload
        connection.send(answer, raw)


def _answer(connection: Connection, message: Message, payload: memoryview) -> tuple[Message, bytes | memoryview]:
    if message["kind"] == OPEN:
        with RangeFile(connection, message["size"]) as file:
            description, raw = describe(file, message["size"], message["channels"], message.get("if", 0))
        return {"kind": DONE, **description}, raw
    filters = [Filter(code, tuple(values)) for code, values in message["filters"]]
    shape, dtype = tuple(message["shape"]), np.dtype(message["dtype"])
    plain = unpack_chunk(payload, shape, dtype, filters, message["fill_value"])
    start, stop = message["channels"]
    # Counted through all IFs of the chunk.
    wanted = np.ascontiguousarray(plain.reshape(len(plain), -1)[: message["spectra"], start:stop])
    return {"kind": DONE}, wanted.reshape(-1).view(np.uint8).data


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process's address space, and the processor time that it takes from now on; waiting does not count."""
    for kind, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, ceil(time.process_time()) + cpu_s),
    ):
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    # The worker has ended, or its caller was cancelled.
    with suppress(ConnectionError):
        main(int(sys.argv[1]), int(sys.argv[2]))
