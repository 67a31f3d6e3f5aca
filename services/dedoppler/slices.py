"""Cut a range of channels into pieces, and join flags into runs."""

from itertools import pairwise

import numpy as np

from shared.arrays import Flags, Indices


def runs(flags: Flags, gap: int) -> list[tuple[int, int]]:
    """Return the runs of non-zero flags as (start, stop), joined across gaps of at most `gap` zeros."""
    # NumPy finds the non-zero ones of truth values many times faster than those of numbers.
    at = np.flatnonzero(flags != 0)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > gap + 1)
    starts, stops = np.concatenate([at[:1], at[breaks + 1]]), np.concatenate([at[breaks], at[-1:]]) + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def equal_edges(length: int, parts: int) -> Indices:
    """Return the edges of `parts` parts of `length`, as equal as whole numbers allow: int64 (parts + 1,)."""
    return (np.arange(parts + 1, dtype=np.int64) * length) // parts


def slices(first: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Cut [first, stop) into pieces of `size`; no piece, and so no hit, depends on the number of threads."""
    return list(pairwise([*range(first, stop, size), stop]))
