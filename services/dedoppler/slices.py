"""Cut a range of channels into pieces, and join flags into runs."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def runs(flags: npt.NDArray[np.uint8], gap: int) -> list[tuple[int, int]]:
    """Half-open runs of non-zero flags, joined where at most `gap` zeros lie between."""
    at = np.flatnonzero(flags)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > gap + 1)
    starts, stops = np.concatenate([at[:1], at[breaks + 1]]), np.concatenate([at[breaks], at[-1:]]) + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def equal_edges(length: int, parts: int) -> Indices:
    """Edges that cut `length` into as equal `parts` as whole numbers allow."""
    return (np.arange(parts + 1, dtype=np.int64) * length) // parts


def slices(first: int, stop: int, size: int) -> list[tuple[int, int]]:
    """[first, stop) in pieces of `size`; they do not depend on the number of threads, so neither do the hits."""
    return list(pairwise([*range(first, stop, size), stop]))
