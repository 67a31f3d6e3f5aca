"""What the artefacts show: catalogue rows and the data of the pictures, from the results and the hits objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.header import Header
from shared.hits import Cutout

Record = Mapping[str, Any]

MAX_PANELS = 6
SPLIT_CHANNELS = 2**20


@dataclass(frozen=True)
class Column:
    """One column of the catalogue. `kind` is text, number or count; `path` leads into a record of `results.json`."""

    name: str
    kind: str
    unit: str = ""
    path: tuple[str, ...] = ()

    def value(self, record: Record) -> Any:
        """The column's value in a record, or None where the record has none."""
        found: Any = record
        for key in self.path or (self.name,):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


COLUMNS = (
    Column("source_name", "text"),
    Column("frequency_hz", "number", "Hz"),
    Column("drift_rate", "number", "Hz/s"),
    Column("snr", "number"),
    Column("classification", "text"),
    Column("interestingness", "number"),
    Column("confidence", "number"),
    Column("rfi_source", "text"),
    Column("source", "text"),
    Column("candidate_rank", "count"),
    Column("frequency_error_hz", "number", "Hz"),
    Column("drift_rate_error", "number", "Hz/s"),
    Column("snr_error", "number"),
    Column("snr_turboseti", "number"),
    Column("bandwidth_hz", "number", "Hz"),
    Column("bandwidth_error_hz", "number", "Hz"),
    Column("channel", "count"),
    Column("steps", "count"),
    Column("width", "count"),
    Column("chunk", "count"),
    Column("id", "count"),
    Column("group", "count"),
    Column("protected_band", "text"),
    Column("occupancy", "number", path=("features", "occupancy")),
    Column("kurtosis", "number", path=("features", "kurtosis")),
    Column("curvature_hz_s2", "number", "Hz/s2", path=("features", "curvature_hz_s2")),
    Column("comb_spacing_hz", "number", "Hz", path=("features", "comb_spacing_hz")),
)


def catalogue_rows(results: Record) -> list[dict[str, Any]]:
    """Every hit as a flat row, most interesting first (equals as in `raw_hits`).

    `candidate_rank` counts from 1 in the list of candidates; 0 is no candidate.
    """
    rank = {record["id"]: at for at, record in enumerate(results["candidates"], start=1)}
    ordered = sorted(results["raw_hits"], key=lambda record: -record["interestingness"])
    return [
        {
            column.name: column.value(
                {"source_name": results["source_name"], "candidate_rank": rank.get(record["id"], 0), **record}
            )
            for column in COLUMNS
        }
        for record in ordered
    ]


def classified_rows(results: Record) -> list[dict[str, Any]]:
    """Every hit's label and why, in order of frequency channel."""
    names = (
        "id",
        "frequency_hz",
        "drift_rate",
        "snr",
        "classification",
        "confidence",
        "rfi_source",
        "interestingness",
        "interestingness_components",
        "source",
        "features",
    )
    return [{name: record[name] for name in names} for record in results["raw_hits"]]


def chunk_edges(header: Header, noise: Sequence[Record]) -> list[int]:
    """First channel of each chunk, and the end of the last.

    As the chunks' statistics state it; where they don't, chunks are coarse channels, or 2^20 channels, or equal parts.
    """
    starts = [stats.get("start_channel") for stats in noise]
    if all(start is not None for start in starts):
        return [int(start) for start in starts if start is not None] + [header.n_channels]
    for width in (header.coarse_channel_width, SPLIT_CHANNELS):
        if width and -(-header.n_channels // width) == len(noise):
            return [*range(0, header.n_channels, width), header.n_channels]
    return [round(edge) for edge in np.linspace(0, header.n_channels, len(noise) + 1)]


@dataclass(frozen=True)
class Panel:
    """One candidate's record and its cut-out."""

    record: Record
    cutout: Cutout


@dataclass(frozen=True)
class Picture:
    """All that is drawn: the whole observation, every hit, and the first candidates close up.

    `waterfall` is (rows, columns), its columns equally wide, from the first channel to the last.
    """

    header: Header
    title: str
    waterfall: npt.NDArray[np.float32]
    hits: Sequence[Record]
    panels: Sequence[Panel]
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


def assemble(
    waterfalls: Sequence[npt.NDArray[np.float32]], edges: Sequence[int], columns: int
) -> npt.NDArray[np.float32]:
    """Put the chunks' waterfalls side by side on `columns` equal columns of channels."""
    rows = max(len(part) for part in waterfalls)
    parts = [part[np.arange(rows) * len(part) // rows] for part in waterfalls]
    bounds = [
        np.linspace(start, stop, part.shape[1], endpoint=False)
        for (start, stop), part in zip(pairwise(edges), parts, strict=True)
    ]
    return max_reduce(np.concatenate(parts, axis=1), np.concatenate([*bounds, [float(edges[-1])]]), columns)
