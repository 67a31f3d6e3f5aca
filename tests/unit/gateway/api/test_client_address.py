"""Which address a request counts for."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from services.gateway.api.client_address import ClientAddresses

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


class Transport:
    """A connection from an address."""

    def __init__(self, peer: str) -> None:
        self._peer = (peer, 5)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._peer if name == "peername" else default


def request_from(peer: str, **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", headers=named, transport=Transport(peer))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        # Anybody may send the header.
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "198.51.100.7", "198.51.100.7"),
        # The client made up the first addresses; a proxy added the last one.
        ("10.1.2.3", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.1.2.3", "203.0.113.9, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.1.2.3", "10.4.4.4, 10.5.5.5", "10.4.4.4"),
        ("10.1.2.3", "198.51.100.7, nonsense", "unknown"),
        ("10.1.2.3", "198.51.100.7,", "10.1.2.3"),
        # A customer has a whole IPv6 network.
        ("2001:db8:1:2:aaaa::1", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "", "2001:db8:1:2::/64"),
        ("fd00::1", "2001:db8:1:3::5", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("", "", "unknown"),
    ],
)
def test_the_address_of_the_client(peer: str, forwarded: str, expected: str) -> None:
    request = request_from(peer, **({"X_Forwarded_For": forwarded} if forwarded else {}))
    assert ClientAddresses(TRUSTED).of(request) == expected


def test_without_trusted_proxies_the_peer_counts() -> None:
    assert ClientAddresses().of(request_from("10.1.2.3", X_Forwarded_For="198.51.100.7")) == "10.1.2.3"


def test_several_headers_are_one_chain() -> None:
    request = make_mocked_request(
        "GET",
        "/",
        headers=[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")],
        transport=Transport("10.0.0.1"),
    )
    assert ClientAddresses(TRUSTED).of(request) == "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "proto", "expected"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "HTTPS", True),
        ("10.0.0.1", "http", False),
        ("10.0.0.1", "", False),
        ("192.0.2.1", "https", False),
    ],
)
def test_only_a_trusted_proxy_states_tls(peer: str, proto: str, expected: bool) -> None:
    assert ClientAddresses(TRUSTED).is_tls(request_from(peer, X_Forwarded_Proto=proto)) is expected
