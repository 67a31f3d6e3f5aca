"""Where a request comes from: the address of its client, and whether the client used TLS.

Both may be behind a proxy. A proxy states them in X-Forwarded-For and X-Forwarded-Proto, but so can anybody: the two
headers count only in requests that a trusted proxy has sent.
"""

import functools
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Network = IPv4Network | IPv6Network

FORWARDED_FOR = "X-Forwarded-For"
FORWARDED_PROTO = "X-Forwarded-Proto"
# Providers give each IPv6 customer at least such a network, so its addresses count as one.
IPV6_PREFIX = 64
# Clients without an address of their own, such as those of a Unix socket.
UNKNOWN = "unknown"


class ClientAddresses:
    """Finds the addresses of clients behind `trusted` proxies."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        # Clients send many requests, and parsing an address takes longer than any other part of a limit.
        self._place = functools.lru_cache(maxsize=10_000)(self._parsed)

    def of(self, request: web.BaseRequest) -> str:
        """Return the client's address, or its network for IPv6.

        That is the last address of the chain that no trusted proxy has: what is before it, the client may have made up.
        """
        place, is_proxy = self._place(request.remote or UNKNOWN)
        if is_proxy:
            chain = ",".join(request.headers.getall(FORWARDED_FOR, ())).split(",")
            for text in reversed(chain):
                if not text.strip():
                    break
                place, is_proxy = self._place(text.strip()[:64])
                if not is_proxy:
                    break
        return place

    def is_tls(self, request: web.BaseRequest) -> bool:
        """Return whether a trusted proxy states that the client used TLS."""
        if not self._trusted or not self._place(request.remote or UNKNOWN)[1]:
            return False
        return request.headers.get(FORWARDED_PROTO, "").strip().lower() == "https"

    def _parsed(self, text: str) -> tuple[str, bool]:
        """Return the address, or its network, and whether a trusted proxy has it."""
        try:
            address = ip_address(text)
        except ValueError:
            return UNKNOWN, False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_proxy = any(address in network for network in self._trusted)
        if isinstance(address, IPv6Address):
            return str(IPv6Network((int(address), IPV6_PREFIX), strict=False)), is_proxy
        return str(address), is_proxy
