"""Tables of the demo: the top candidates, and the simulated tones beside the hits at their places."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from shared.header import Header

# A tone counts as found if a hit is within these distances of it.
TOLERANCE_CHANNELS = 4.0
TOLERANCE_STEPS = 2.0


@dataclass(frozen=True)
class Comparison:
    """A simulated tone, and the hit nearest to it within the tolerances, or None."""

    frequency_hz: float
    drift_rate_hz_s: float
    snr: float
    found: Mapping[str, Any] | None
    channel_difference: float


def compare(truth: np.ndarray, candidates: Sequence[Mapping[str, Any]], header: Header) -> list[Comparison]:
    """Find each tone among the candidates.

    Parameters
    ----------
    truth
        Structured array with the fields frequency_hz, drift_rate_hz_s and snr, a row per tone.
    candidates
        Hits or candidates as in results.json.
    header
        Header of the observation.
    """
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
    """Return a table of the top candidates as the API returned them."""
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
    """Return a table of the simulated tones with the errors of the measured values."""
    table = Table(title="Simulated tones and errors of the measured values", title_justify="left")
    for heading in ("MHz", "Hz/s", "SNR", "error, channels", "error, Hz/s", "SNR ratio"):
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
