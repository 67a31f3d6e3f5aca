"""The demo's tables: what was found, and beside it what was put in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from shared.header import Header

# A tone is found if a candidate lies this near to where it was put.
TOLERANCE_CHANNELS = 4.0
TOLERANCE_STEPS = 2.0


@dataclass(frozen=True)
class Comparison:
    """One tone of the truth and the candidate that is nearest to it within the tolerances, if there is one."""

    frequency_hz: float
    drift_rate_hz_s: float
    snr: float
    found: Mapping[str, Any] | None
    channel_difference: float


def compare(truth: np.ndarray, candidates: Sequence[Mapping[str, Any]], header: Header) -> list[Comparison]:
    """Find each tone among the candidates; `truth` has the fields frequency_hz, drift_rate_hz_s and snr."""
    return [_compared(row, candidates, header) for row in truth]


def _compared(row: Any, candidates: Sequence[Mapping[str, Any]], header: Header) -> Comparison:
    frequency_hz, drift_rate_hz_s = float(row["frequency_hz"]), float(row["drift_rate_hz_s"])
    found, difference = None, float("inf")
    for candidate in candidates:
        channels = float((candidate["frequency_hz"] - frequency_hz) / header.foff_hz)
        steps = abs(candidate["drift_rate"] - drift_rate_hz_s) / header.drift_resolution_hz_s
        if abs(channels) <= TOLERANCE_CHANNELS and steps <= TOLERANCE_STEPS and abs(channels) < abs(difference):
            found, difference = candidate, channels
    return Comparison(frequency_hz, drift_rate_hz_s, float(row["snr"]), found, difference)


def candidates_table(candidates: Iterable[Mapping[str, Any]]) -> Table:
    """The top candidates as the API gave them."""
    table = Table(title="Top candidates", title_justify="left")
    for heading in ("MHz", "Hz/s", "SNR"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("label", no_wrap=True)
    table.add_column("interest", justify="right")
    table.add_column("RFI")
    for one in candidates:
        table.add_row(
            f"{one['frequency_hz'] / 1e6:.6f}",
            f"{one['drift_rate']:+.4f}",
            f"{one['snr']:.1f}",
            escape(one["classification"]),
            f"{one['interestingness']:.2f}",
            escape(one["rfi_source"]) or "-",
        )
    return table


def truth_table(comparisons: Iterable[Comparison]) -> Table:
    """What was put in, and how far off it was found."""
    table = Table(title="Tones that were put in, and how far off they were found", title_justify="left")
    for heading in ("MHz", "Hz/s", "SNR", "off, channels", "off, Hz/s", "SNR ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in comparisons:
        expected = (f"{one.frequency_hz / 1e6:.6f}", f"{one.drift_rate_hz_s:+.4f}", f"{one.snr:.1f}")
        if one.found is None:
            table.add_row(*expected, "[red]not found[/red]", "", "")
            continue
        drift_difference = one.found["drift_rate"] - one.drift_rate_hz_s
        ratio = one.found["snr"] / one.snr
        table.add_row(*expected, f"{one.channel_difference:+.2f}", f"{drift_difference:+.4f}", f"{ratio:.3f}")
    return table
