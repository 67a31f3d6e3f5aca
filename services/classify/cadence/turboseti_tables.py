"""Reader of the hit tables (`.dat`) that turboSETI and programs like it write.

It takes what is found in the wild: headers without `max_drift_rate` and `obs_length` (before version 2.1), several
tables one after another in one file (each run appends its own), tables without hits, a column of row numbers before the
first one, and bliss's header line, which names 11 columns over 12 values.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shared.arrays import Floats, Indices

# The columns that every such table begins with, in order.
COLUMNS = ("Top_Hit_#", "Drift_Rate", "SNR", "Uncorrected_Frequency", "Corrected_Frequency", "Index")
# What an observation of Breakthrough Listen's fine product has, for headers that don't say how long it was.
USUAL_SPECTRA = 16
# Values of a row: turboSETI's twelve, and thirteen with a row number before them.
VALUES, VALUES_WITH_ROW_NUMBER = 12, 13

_FIELDS = {
    "file_id": re.compile(r"File ID:\s*(.*?)\s*$"),
    "source": re.compile(r"Source:\s*(.*?)\s*$"),
    "mjd": re.compile(r"MJD:\s*([-+.\deE]+)"),
    "tsamp": re.compile(r"DELTAT:\s*([-+.\deE]+)"),
    "foff": re.compile(r"DELTAF\(Hz\):\s*([-+.\deE]+)"),
    "max_drift": re.compile(r"max_drift_rate:\s*([-+.\deE]+)"),
    "length": re.compile(r"obs_length:\s*([-+.\deE]+)"),
}
# A table that lacks one of these can't be placed in time and frequency.
_NEEDED = {"mjd": "MJD", "tsamp": "DELTAT", "foff": "DELTAF(Hz)"}


class BadTableError(ValueError):
    """A file that is no hit table; the message names the file, the line or field, and the fix."""


@dataclass(frozen=True)
class HitTable:
    """One table. Arrays have one element per hit, in the order of the file.

    `frequency_hz` is the frequency at the start of the scan, `drift_rate_hz_s` has the sign of the file, `number` is
    its Top_Hit_#, `channel` its Index within its coarse channel. `channel_width_hz` has the sign of DELTAF.
    """

    file_name: str
    source_name: str
    tstart_mjd: float
    tsamp_s: float
    channel_width_hz: float
    duration_s: float
    max_drift_rate_hz_s: float | None
    number: Indices
    frequency_hz: Floats
    drift_rate_hz_s: Floats
    snr: Floats
    channel: Indices
    warnings: tuple[str, ...] = ()

    @property
    def drift_step_hz_s(self) -> float:
        """Return the step between the drift rates that turboSETI tries, Hz/s: one channel over the observation."""
        return abs(self.channel_width_hz) / self.duration_s


@dataclass
class _Lines:
    """One table as text: the values of its header, and its rows with their line numbers."""

    header: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def read_table(text: str, file_name: str, *, flip_drift: bool = False) -> HitTable:
    """Read the last table of a file; what earlier runs have left in it is warned of.

    turboSETI before version 0.8.2 (the middle of 2019) wrote drift rates with the other sign: `flip_drift` turns it.

    Raises
    ------
    BadTableError
        The text has no table, or the last one can't be read.
    """
    tables = read_tables(text, file_name)
    last = tables[-1]
    if flip_drift:
        last = replace(last, drift_rate_hz_s=0.0 - last.drift_rate_hz_s)
    if len(tables) == 1:
        return last
    hits = ", ".join(str(len(table.snr)) for table in tables)
    warning = f"{file_name} holds {len(tables)} tables, with {hits} hits. The last one was read."
    return replace(last, warnings=(warning, *last.warnings))


def read_tables(text: str, file_name: str) -> Sequence[HitTable]:
    """Read all tables of a file, in order.

    Raises
    ------
    BadTableError
        The text has no table, or one of them can't be read.
    """
    found = [_table(lines, file_name) for lines in _split(text)]
    if not found:
        raise BadTableError(f"{file_name} is no hit table: it has no line '# File ID:' and no '# Source:'.")
    return found


def _split(text: str) -> list[_Lines]:
    """Return the tables of a file. A line that names the file or the source after rows, or again, begins the next."""
    tables: list[_Lines] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            values = {name: found[1] for name, rule in _FIELDS.items() if (found := rule.search(line))}
            begins = "file_id" in values or ("source" in values and (not tables or "source" in tables[-1].header))
            if begins:
                tables.append(_Lines())
            if tables:
                tables[-1].header |= values
        elif line.strip() and tables:
            tables[-1].rows.append((number, line.split()))
    return tables


def _table(lines: _Lines, file_name: str) -> HitTable:
    header = lines.header
    missing = [name for key, name in _NEEDED.items() if key not in header]
    if missing:
        raise BadTableError(
            f"{file_name}: the header has no {', no '.join(missing)}, so its hits have no time or place."
        )
    mjd, tsamp_s, foff_hz = (_number(header[key], file_name, name) for key, name in _NEEDED.items())
    if not (tsamp_s > 0 and foff_hz):
        raise BadTableError(f"{file_name}: DELTAT is {tsamp_s} s and DELTAF {foff_hz} Hz; neither can be 0 or less.")
    warnings = []
    if "length" in header:
        duration_s = _number(header["length"], file_name, "obs_length")
    else:
        duration_s = USUAL_SPECTRA * tsamp_s
        warnings.append(f"{file_name} doesn't say how long the scan was. {USUAL_SPECTRA} spectra are assumed.")
    numbers = np.array([_row(row, line, file_name) for line, row in lines.rows], np.float64).reshape(-1, len(COLUMNS))
    return HitTable(
        file_name=file_name,
        source_name=header.get("source", ""),
        tstart_mjd=mjd,
        tsamp_s=tsamp_s,
        channel_width_hz=foff_hz,
        duration_s=duration_s,
        max_drift_rate_hz_s=_number(header["max_drift"], file_name, "max_drift_rate")
        if "max_drift" in header
        else None,
        number=numbers[:, 0].astype(np.int64),
        # Adding 0.0 makes 0 of -0.
        drift_rate_hz_s=numbers[:, 1] + 0.0,
        snr=numbers[:, 2],
        frequency_hz=numbers[:, 3] * 1e6,
        channel=numbers[:, 5].astype(np.int64),
        warnings=tuple(warnings),
    )


def _number(text: str, file_name: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadTableError(f"{file_name}: {name} is '{text}', which is no number.")
    return value


def _row(values: list[str], line: int, file_name: str) -> list[float]:
    """Return the values of `COLUMNS` of one row."""
    if len(values) not in (VALUES, VALUES_WITH_ROW_NUMBER):
        raise BadTableError(
            f"{file_name}, line {line}: {len(values)} values, where a hit has {VALUES}. If the file is cut short, copy "
            "it again."
        )
    first = len(values) - VALUES
    return [
        _number(text, f"{file_name}, line {line}", name) for text, name in zip(values[first:], COLUMNS, strict=False)
    ]
