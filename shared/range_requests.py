"""Read byte ranges from presigned URLs straight into memory, by plain HTTP requests in threads.

The S3 client builds, signs and parses each request anew and copies the body in small steps on the event loop. For large
ranges that takes twice the processor time. Here a range is one request on a kept connection, and the kernel writes its
bytes where they belong, while the event loop and the search go on.

Only the plain case is handled: the answer is exactly the range that was asked for. All else, such as an error, a
shorter object or an object that was replaced, is left to the S3 client, which knows how to name it and when to try
again.
"""

import asyncio
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog

logger = structlog.get_logger(__name__)

# Two blocks may be read at once, each with eight requests (`shared.filterbank.fetch`).
THREADS = 16
CONNECT_S = 5.0
# Longest silence of a server that has the request.
READ_S = 60.0


class Range(NamedTuple):
    """As many bytes as `buffer` holds, from byte `start` of an object; if `etag` is given, only of one that has it."""

    url: str
    start: int
    buffer: memoryview
    etag: str | None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of its request."""
        bounds = {"Range": f"bytes={self.start}-{self.start + len(self.buffer) - 1}"}
        return bounds | ({"If-Match": self.etag} if self.etag is not None else {})


class RangeRequests:
    """Threads, and the connections that they keep."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ranges")
        self._kept: dict[tuple[str, str], list[HTTPConnection]] = {}

    def close(self) -> None:
        """End the threads and close the connections; call it after the last request."""
        self._threads.shutdown()
        for connections in self._kept.values():
            for connection in connections:
                connection.close()

    async def fill(self, wanted: Range) -> bool:
        """Fill the buffer of a range; return False if the answer is anything else than the whole range.

        When this returns or raises, nothing writes to the buffer any more: a caller that is cancelled waits until the
        thread has ended, which happens at once because its connection is shut down.
        """
        read = _Read(wanted)
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)
        is_cancelled = False
        while not running.done():
            try:
                # If the caller is cancelled, `wait` does not cancel the thread's future.
                await asyncio.wait([running])
            except asyncio.CancelledError:
                is_cancelled = True
                read.stop()
        if is_cancelled:
            raise asyncio.CancelledError
        return running.result()

    def _run(self, read: "_Read") -> bool:
        """Try a kept connection, which the server may have closed meanwhile, then a new one."""
        url = read.wanted.url
        for give in (self._kept_one, self._new):
            connection = None
            try:
                connection = give(url)
                if connection is None:
                    continue
                is_filled = read.run(connection)
            except (OSError, HTTPException) as error:
                logger.debug("range not read", error=type(error).__name__)
                if connection is not None:
                    connection.close()
                if isinstance(error, TimeoutError):
                    return False
                continue
            if is_filled:
                self._kept_for(url).append(connection)
            else:
                connection.close()
            return is_filled
        return False

    def _kept_one(self, url: str) -> HTTPConnection | None:
        # Threads take from the list side by side; it may become empty at any time.
        with suppress(IndexError):
            return self._kept_for(url).pop()
        return None

    def _new(self, url: str) -> HTTPConnection | None:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return HTTPSConnection(parts.netloc, timeout=CONNECT_S, context=self._tls)
        return HTTPConnection(parts.netloc, timeout=CONNECT_S)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # The variable by which the S3 client is told of another certificate authority.
        return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))

    def _kept_for(self, url: str) -> list[HTTPConnection]:
        parts = urlsplit(url)
        return self._kept.setdefault((parts.scheme, parts.netloc), [])


class _Read:
    """One request, in a thread; the event loop may stop it."""

    def __init__(self, wanted: Range) -> None:
        self.wanted = wanted
        self._socket: socket.socket | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End a request that waits for the server, or keep it from starting."""
        self._is_stopped = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def run(self, connection: HTTPConnection) -> bool:
        """Send the request and fill the buffer; return False if the answer is anything else than the whole range.

        Raises
        ------
        OSError
            The server is not reached, or is silent.
        http.client.HTTPException
            The answer is not HTTP, or none.
        """
        if self._is_stopped:
            return False
        self._socket = _connected(connection)
        # `stop` sets the flag before it looks for the socket, so one of the two sees the other.
        if self._is_stopped:
            return False
        url, start, buffer, etag = self.wanted
        parts = urlsplit(url)
        connection.request("GET", f"{parts.path}?{parts.query}", headers=self.wanted.headers)
        response = connection.getresponse()
        is_range = response.status == 206 and response.length == len(buffer)
        is_there = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if not (is_range and is_there and etag in (None, response.headers.get("ETag"))):
            return False
        filled = 0
        while filled < len(buffer) and (part := response.readinto(buffer[filled:])):
            filled += part
        return filled == len(buffer)


def _connected(connection: HTTPConnection) -> socket.socket:
    """Return the socket of a connection, which is opened if it is closed."""
    # The type stubs say that there always is one.
    if getattr(connection, "sock", None) is None:
        connection.connect()
        connection.sock.settimeout(READ_S)
    opened: socket.socket = connection.sock
    return opened


def is_behind_proxy(url: str) -> bool:
    """Return whether the environment names a proxy for a URL; plain requests don't go through one."""
    parts = urlsplit(url)
    proxies = getproxies()
    is_named = parts.scheme in proxies or "all" in proxies
    return is_named and not proxy_bypass(parts.netloc)
