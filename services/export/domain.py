"""The data of the pictures, from the results and the hits objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.header import Header
from shared.hits import Cutout
from shared.results import HitRecord

MAX_PANELS = 6


@dataclass(frozen=True)
class ChunkPart:
    """What the pictures need of one chunk: its channels, its waterfall, and the cut-outs of the hits shown close up."""

    channels: range
    waterfall: npt.NDArray[np.float32]
    cutouts: Mapping[int, Cutout]


@dataclass(frozen=True)
class Panel:
    """One candidate's record and its cut-out."""

    record: HitRecord
    cutout: Cutout


@dataclass(frozen=True)
class Picture:
    """All that is drawn: the whole observation, every hit, and the first candidates close up.

    `waterfall` is (rows, columns), its columns equally wide, from the first channel to the last.
    """

    header: Header
    title: str
    file_name: str
    waterfall: npt.NDArray[np.float32]
    hits: Sequence[HitRecord]
    panels: Sequence[Panel]
    n_candidates: int = 0
    warnings: Sequence[str] = ()


def max_reduce(power: npt.NDArray[np.float32], edges: npt.NDArray[np.float64], columns: int) -> npt.NDArray[np.float32]:
    """Draw bins with these edges on `columns` equal columns; a column shows the brightest bin that it touches.

    Args:
        power: (rows, bins).
        edges: bins + 1 rising edges, in any unit.
        columns: how many columns to draw; where bins are wider than columns they repeat.

    Returns:
        (rows, columns). A tone that fills one bin is as bright in the result.
    """
    grid = np.linspace(edges[0], edges[-1], columns + 1)
    first = np.clip(np.searchsorted(edges, grid[:-1], side="right") - 1, 0, power.shape[1] - 1)
    last = np.clip(np.searchsorted(edges, grid[1:], side="left"), first + 1, power.shape[1])
    # reduceat takes pairs: what lies between one pair and the next is thrown away.
    padded = np.concatenate([power, np.full((len(power), 1), -np.inf, power.dtype)], axis=1)
    reduced: npt.NDArray[np.float32] = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel(), axis=1)
    return reduced[:, ::2]


def assemble(chunks: Sequence[ChunkPart], columns: int) -> npt.NDArray[np.float32]:
    """Put the waterfalls of neighbouring chunks side by side on `columns` equal columns of channels."""
    rows = max(len(chunk.waterfall) for chunk in chunks)
    parts = [chunk.waterfall[np.arange(rows) * len(chunk.waterfall) // rows] for chunk in chunks]
    bounds = [
        np.linspace(chunk.channels.start, chunk.channels.stop, part.shape[1], endpoint=False)
        for chunk, part in zip(chunks, parts, strict=True)
    ]
    end = float(chunks[-1].channels.stop)
    return max_reduce(np.concatenate(parts, axis=1), np.concatenate([*bounds, [end]]), columns)


def join_labels(places: Sequence[float], character: float) -> list[tuple[float, str]]:
    """Labels 1, 2, ... of marks at `places` (0..1), joined to "1,3" where they would overlap.

    `character` is the width of one character on that scale. Returns where the middle of each label goes, and its text,
    from left to right.
    """

    def text_of(group: Sequence[tuple[float, int]]) -> str:
        return ",".join(str(number) for number in sorted(number for _, number in group))

    def middle_of(group: Sequence[tuple[float, int]]) -> float:
        return sum(place for place, _ in group) / len(group)

    groups: list[list[tuple[float, int]]] = []
    for mark in sorted((place, number) for number, place in enumerate(places, start=1)):
        group = [mark]
        while groups:
            room = (len(text_of(groups[-1])) + len(text_of(group)) + 2) / 2 * character
            if middle_of(group) - middle_of(groups[-1]) >= room:
                break
            group = [*groups.pop(), *group]
        groups.append(group)
    return [(middle_of(group), text_of(group)) for group in groups]
