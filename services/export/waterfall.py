"""The power of the whole observation on the columns of a picture, from the chunks' waterfalls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.arrays import Floats, Power
from shared.hits import Cutout


@dataclass(frozen=True)
class ChunkPart:
    """The parts of one chunk that are drawn: its channels, its waterfall, and the cut-outs of hits shown in detail."""

    channels: range
    waterfall: Power
    cutouts: Mapping[int, Cutout]


def with_lost_marked(power: Power) -> Power:
    """Return normalised power with -inf where it is exactly zero, as the search sets lost samples and no others.

    The brighter of a lost sample and another is the other.
    """
    marked: Power = np.where(power == 0, np.float32(-np.inf), power)
    return marked


def max_reduce(power: Power, edges: Floats, columns: int) -> Power:
    """Reduce bins with these edges to `columns` equal columns; a column has the brightest bin that it touches.

    Parameters
    ----------
    power
        float32 (rows, bins).
    edges
        bins + 1 rising edges, in any unit.
    columns
        How many columns to return. Bins wider than a column repeat.

    Returns
    -------
    ndarray
        float32 (rows, columns). A tone that fills one bin is as bright in the result.
    """
    grid = np.linspace(edges[0], edges[-1], columns + 1)
    first = np.clip(np.searchsorted(edges, grid[:-1], side="right") - 1, 0, power.shape[1] - 1)
    last = np.clip(np.searchsorted(edges, grid[1:], side="left"), first + 1, power.shape[1])
    # reduceat takes pairs of edges; every second result, between one pair and the next, is dropped.
    padded = np.concatenate([power, np.full((len(power), 1), -np.inf, power.dtype)], axis=1)
    reduced: Power = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel(), axis=1)
    return reduced[:, ::2]


def assemble(chunks: Sequence[ChunkPart], columns: int) -> Power:
    """Put the waterfalls of neighbouring chunks side by side on `columns` equal columns of channels.

    Where several IFs were searched, the chunks begin anew for each, and the brighter IF is shown. Places without any
    sample that was searched are -inf.
    """
    begins = [at for at, chunk in enumerate(chunks) if at == 0 or chunk.channels.start < chunks[at - 1].channels.start]
    ends = [*begins[1:], len(chunks)]
    parts = [_side_by_side(chunks[begin:end], columns) for begin, end in zip(begins, ends, strict=True)]
    whole: Power = np.maximum.reduce(parts)
    return whole


def _side_by_side(chunks: Sequence[ChunkPart], columns: int) -> Power:
    rows = max(len(chunk.waterfall) for chunk in chunks)
    parts = [with_lost_marked(chunk.waterfall[np.arange(rows) * len(chunk.waterfall) // rows]) for chunk in chunks]
    bounds = [
        np.linspace(chunk.channels.start, chunk.channels.stop, part.shape[1], endpoint=False)
        for chunk, part in zip(chunks, parts, strict=True)
    ]
    end = float(chunks[-1].channels.stop)
    return max_reduce(np.concatenate(parts, axis=1), np.concatenate([*bounds, [end]]), columns)
