"""The hits as a turboSETI `.dat` file, which `turbo_seti.find_event.read_dat` and users' scripts read.

Nine lines of header, then one line per hit in order of channel, fields and formats as turboSETI 2 writes them:

- Drift_Rate: Hz/s, the sky's sign. SNR: as turboSETI defines it (`snr_turboseti`).
- Uncorrected_Frequency, MHz: of the signal in the first spectrum. Corrected_Frequency is the same, as it is in
  turboSETI, which applies no correction either.
- Index: channel of the signal's centre in the first spectrum, within its coarse channel, in the file's order. A file
  without coarse channels counts as one.
- freq_start, freq_end, MHz: the first and last channel, in the file's order, of the range that turboSETI reserves for a
  hit: twice the steps of the widest drift on either side of Index, cut off at the ends of the coarse channel.
- SEFD and SEFD_freq: 0, unknown. Full_number_of_hits: hits of the coarse channel.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from services.export.provenance import SOFTWARE
from shared.events import ObservationClassified
from shared.header import Header
from shared.results import HitRecord
from shared.units import sexagesimal

RULE = "# --------------------------"
MARK = f"{RULE} o --------------------------"
COLUMN_NAMES = (
    "Top_Hit_#",
    "Drift_Rate",
    "SNR",
    "Uncorrected_Frequency",
    "Corrected_Frequency",
    "Index",
    "freq_start",
    "freq_end",
    "SEFD",
    "SEFD_freq",
    "Coarse_Channel_Number",
    "Full_number_of_hits",
)


def _plain(text: str) -> str:
    """Return ASCII text without colons and tabs, at which readers split the header's lines."""
    return re.sub(r"[^ -9;-~]", "_", text).strip()


def _header_lines(event: ObservationClassified, input_sha256: str | None) -> list[str]:
    header = event.header
    source = _plain(header.source_name) or _plain(event.upload.source_name)
    made_by = f"{SOFTWARE}, SNR threshold {event.parameters.snr_threshold:g}"
    checksum = f", input sha256 {input_sha256}" if input_sha256 else ""
    return [
        MARK,
        f"# File ID: {_plain(PurePath(event.upload.file_name).stem)}.h5 ",
        MARK,
        f"# Source:{source}",
        f"# MJD: {header.tstart_mjd:18.12f}\tRA: {sexagesimal(header.ra_hours, 'h', 3)}"
        f"\tDEC: {sexagesimal(header.dec_deg, 'd', 2)}",
        f"# DELTAT: {header.tsamp_s:10.6f}\tDELTAF(Hz): {header.foff_hz:10.6f}"
        f"\tmax_drift_rate: {event.parameters.max_drift_rate_hz_s:10.6f}\tobs_length: {header.duration_s:10.6f}",
        RULE,
        "# " + "".join(f"{name} \t" for name in COLUMN_NAMES),
        # Readers skip this line, so it can name the software.
        f"{RULE} {made_by}{checksum}",
    ]


def _reserved_range(
    header: Header, max_drift_rate_hz_s: float, index: int, first: int, width: int
) -> tuple[float, float]:
    """Return freq_start and freq_end, MHz, of a hit at `index` of the coarse channel that starts at `first`."""
    reach = 2 * math.ceil(max_drift_rate_hz_s / header.drift_resolution_hz_s)
    low, high = max(0, index - reach), min(width, index + reach) - 1
    return header.frequency_hz(first + low) / 1e6, header.frequency_hz(first + max(low, high)) / 1e6


def _centre(hit: HitRecord) -> int:
    """Return the middle channel of a hit's box in the first spectrum; turboSETI's boxes are one channel wide."""
    return int(hit["channel"] + (hit["width"] - 1) // 2)


def to_dat(hits: Sequence[HitRecord], event: ObservationClassified, input_sha256: str | None) -> bytes:
    """Return every hit as ASCII text."""
    header = event.header
    width = header.coarse_channel_width or header.n_channels
    hits = sorted(hits, key=lambda hit: (_centre(hit), hit["steps"]))
    per_coarse_channel = Counter(_centre(hit) // width for hit in hits)
    lines = _header_lines(event, input_sha256)
    for number, hit in enumerate(hits, start=1):
        coarse, index = divmod(_centre(hit), width)
        start, end = _reserved_range(header, event.parameters.max_drift_rate_hz_s, index, coarse * width, width)
        snr = math.nan if hit["snr_turboseti"] is None else hit["snr_turboseti"]
        frequency = f"{hit['frequency_hz'] / 1e6:14.6f}"
        cells = (
            f"{number:06d}",
            f"{hit['drift_rate']:10.6f}",
            f"{snr:10.6f}",
            frequency,
            frequency,
            f"{index}",
            f"{start:14.6f}",
            f"{end:14.6f}",
            "0.0",
            f"{0:14.6f}",
            f"{coarse}",
            f"{per_coarse_channel[coarse]}",
        )
        lines.append("".join(f"{cell}\t" for cell in cells))
    return ("\n".join(lines) + "\n").encode("ascii")
