"""Free TCP ports on 127.0.0.1.

Ports are chosen below the range of outgoing connections, so that no connection takes one before the server that will
listen there has started.
"""

import contextlib
import random
import socket
from collections.abc import Sequence

from deploy.local.errors import LocalError

HOST = "127.0.0.1"
LOWEST_PORT = 10_000
HIGHEST_PORT = 22_000
ATTEMPTS = 1_000


class NoFreePortError(LocalError):
    """No free port was found."""


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket() as listener:
        # Servers set this option, too: a port whose last connections are still closing counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind((HOST, port))
            return True
    return False


def free_ports(count: int, *, companions: Sequence[int] = (0,)) -> list[int]:
    """Return distinct free ports; for each, `port + c` is free as well for every `c` of `companions`.

    Raises
    ------
    NoFreePortError
        Too few ports are free.
    """
    chosen: list[int] = []
    taken: set[int] = set()
    for _ in range(ATTEMPTS):
        if len(chosen) == count:
            break
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)  # noqa: S311 -- no secret
        wanted = {port + companion for companion in companions}
        if not wanted & taken and all(is_free(one) for one in wanted):
            chosen.append(port)
            taken |= wanted
    if len(chosen) < count:
        raise NoFreePortError(f"Found only {len(chosen)} of {count} free ports on {HOST}; stop some servers first.")
    return chosen


def preferred_or_free(preferred: int) -> int:
    """Return `preferred` if it is free, otherwise any free port."""
    return preferred if is_free(preferred) else free_ports(1)[0]
