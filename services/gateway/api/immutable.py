"""Answers that never change: a client keeps them for a day, and asks after that only whether they are the same.

What a finished job has is written once, so its identity and the query say what an answer holds: that needs no read.
"""

import asyncio
import hashlib
import json
import zlib
from collections.abc import Mapping

from aiohttp import ETag, hdrs, web

CACHE_CONTROL = "private, max-age=86400, immutable"
# Who signs in next in the same browser gets nothing that was kept for another user.
VARY = "Accept-Encoding, Authorization, Cookie, X-Api-Key"
GZIP = "gzip"
# Smaller ones take one packet as they are.
LEAST_ZIPPED_BYTES = 1400
# What a compressed answer may have at most, of the whole one: less is not worth the client's work.
MOST_PART = 0.9
# Compressing more takes over a millisecond.
THREAD_BYTES = 64 * 1024
GZIP_WINDOW_BITS = 31


class Immutable:
    """The answer to one request, identified by what it is made from."""

    def __init__(self, request: web.Request, *identity: str | int | None) -> None:
        """`identity` is what the answer follows from, beside path and query."""
        source = json.dumps([*identity, request.path, sorted(request.query.items())])
        # A weak validator: the same content may be sent compressed or not.
        self._etag = ETag(hashlib.blake2b(source.encode(), digest_size=16).hexdigest(), is_weak=True)
        self._request = request

    @property
    def is_known(self) -> bool:
        """Whether the client has it."""
        return any(one.value in (self._etag.value, "*") for one in self._request.if_none_match or ())

    def not_modified(self) -> web.Response:
        """Return the answer to a client that has it."""
        response = web.Response(status=304)
        self.describe(response)
        return response

    def describe(self, response: web.StreamResponse) -> None:
        """Add the headers that caches need."""
        response.etag = self._etag
        response.headers[hdrs.CACHE_CONTROL] = CACHE_CONTROL
        response.headers[hdrs.VARY] = VARY

    async def response(
        self, body: bytes | bytearray, content_type: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Return the answer, compressed if the client accepts that and it helps."""
        zipped = await _zipped(body) if self._accepts_gzip() else None
        response = web.Response(
            body=bytes(body) if zipped is None else zipped, content_type=content_type, headers=headers
        )
        if zipped is not None:
            response.headers[hdrs.CONTENT_ENCODING] = GZIP
        self.describe(response)
        return response

    def _accepts_gzip(self) -> bool:
        accepted = self._request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(",")
        for one in accepted:
            coding, _, weight = one.strip().partition(";")
            if coding.strip() in (GZIP, "*"):
                return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
        return False


async def _zipped(body: bytes | bytearray) -> bytes | None:
    """Return a body compressed, or None if that does not help."""
    if len(body) < LEAST_ZIPPED_BYTES:
        return None
    zipped = await asyncio.to_thread(_gzip, body) if len(body) > THREAD_BYTES else _gzip(body)
    return zipped if len(zipped) <= MOST_PART * len(body) else None


def _gzip(body: bytes | bytearray) -> bytes:
    # Noise has no repeats to look for, only some values more often than others.
    compressor = zlib.compressobj(wbits=GZIP_WINDOW_BITS, strategy=zlib.Z_HUFFMAN_ONLY)
    return compressor.compress(body) + compressor.flush()
