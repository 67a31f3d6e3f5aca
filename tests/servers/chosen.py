"""On which servers the contract tests run: the embedded ones, and real ones that WATERHOLE_TEST_SERVERS names."""

import os
from typing import Literal

Kind = Literal["kafka", "mongodb", "seaweedfs"]
REAL: tuple[Kind, ...] = ("kafka", "mongodb", "seaweedfs")
VARIABLE = "WATERHOLE_TEST_SERVERS"
EMBEDDED = "embedded"


def servers(kind: Kind) -> tuple[str, ...]:
    """The servers of a kind that tests run on; "embedded", and the real one if it was asked for."""
    asked = {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}
    unknown = asked - {*REAL, EMBEDDED, "all"}
    if unknown:
        raise ValueError(f"{VARIABLE} names {', '.join(sorted(unknown))}; there are {', '.join(REAL)}, or all.")
    return (EMBEDDED, kind) if asked & {kind, "all"} else (EMBEDDED,)
