"""The child's end of the socket, and the memory file."""

import os
import socket

import numpy as np

from shared.filterbank.hdf5.protocol import BYTES, HEAD, READ, Message, decode, encode


class Connection:
    """Sends and receives messages, and fetches parts of the file from the worker."""

    def __init__(self, end: socket.socket, memory_file: int) -> None:
        self._end = end
        self._memory_file = memory_file

    def send(self, message: Message, payload: bytes | memoryview = b"") -> None:
        """Send a message."""
        os.pwrite(self._memory_file, payload, 0)
        self._end.sendall(encode(message, len(payload)))

    def receive(self) -> tuple[Message, memoryview] | None:
        """Return the next message and its bytes, or None where the worker has closed its end."""
        head = self._exactly(HEAD.size)
        if head is None:
            return None
        text_bytes, payload_bytes = HEAD.unpack(head)
        text = self._exactly(text_bytes)
        if text is None:
            return None
        payload = np.empty(payload_bytes, np.uint8).data
        os.preadv(self._memory_file, [payload], 0)
        return decode(text), payload

    def fetch(self, start: int, length: int) -> memoryview:
        """Return `length` bytes of the file from byte `start`.

        Raises
        ------
        OSError
            The worker could not read them.
        """
        self.send({"kind": READ, "start": start, "length": length})
        answer = self.receive()
        if answer is None or answer[0]["kind"] != BYTES or len(answer[1]) != length:
            raise OSError(f"no bytes {start} to {start + length}")
        return answer[1]

    def _exactly(self, n_bytes: int) -> bytearray | None:
        raw = bytearray(n_bytes)
        view = memoryview(raw)
        while view:
            received = self._end.recv_into(view)
            if received == 0:
                return None
            view = view[received:]
        return raw
