"""The servers that the contract tests run on: the embedded ones, and real ones named in WATERHOLE_TEST_SERVERS."""

import os
from typing import Literal

Kind = Literal["kafka", "mongodb", "seaweedfs"]
REAL: tuple[Kind, ...] = ("kafka", "mongodb", "seaweedfs")
VARIABLE = "WATERHOLE_TEST_SERVERS"
EMBEDDED = "embedded"


def servers(kind: Kind) -> tuple[str, ...]:
    """Return the servers of a kind to test: "embedded", and the real one if `WATERHOLE_TEST_SERVERS` names it.

    Raises
    ------
    ValueError
        If `WATERHOLE_TEST_SERVERS` names an unknown server.
    """
    asked = {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}
    unknown = asked - {*REAL, EMBEDDED, "all"}
    if unknown:
        raise ValueError(
            f"{VARIABLE} names the unknown servers {', '.join(sorted(unknown))}; use {', '.join(REAL)}, or all."
        )
    return (EMBEDDED, kind) if asked & {kind, "all"} else (EMBEDDED,)
