"""Catalogues for the browser, in the very form in which export writes them, without a search."""

import random
import struct
from typing import Any

from services.export.columns import COLUMNS, HITS
from shared.csv_table import to_csv
from shared.number_texts import number_columns
from shared.table import cells_of
from shared.waterfall import code_of

LABELS = ("CANDIDATE_ET", "NARROWBAND_DRIFTING", "NARROWBAND_STATIC", "RFI_SATELLITE")
FIRST_MHZ, CHANNEL_HZ, CHANNELS, ROWS = 8421.386717353016, -2.7939677238464355, 2**20, 16


def hit(number: int, draw: random.Random, count: int) -> dict[str, Any]:
    """Return the record of one hit of many, in order of channel."""
    label = draw.choice(LABELS)
    channel = (number + 1) * (CHANNELS // (count + 2))
    drift = round(draw.uniform(-2, 2), 6)
    texts = {column.name: "" for column in COLUMNS if column.kind == "text"}
    numbers = {column.name: None for column in COLUMNS if column.kind != "text"}
    return {
        **texts,
        **numbers,
        "source_name": "Voyager 1",
        "frequency_hz": FIRST_MHZ * 1e6 + channel * CHANNEL_HZ,
        "frequency_error_hz": 1.4,
        "drift_rate": drift,
        "drift_rate_error": 0.0051,
        "snr": round(draw.uniform(10, 400), 3),
        "snr_error": 1.0,
        "classification": label,
        "interestingness": 1 - number / count,
        "confidence": 0.9,
        "rfi_source": "GPS L1" if label == "RFI_SATELLITE" else "",
        "bandwidth_hz": 2.8,
        "channel": channel,
        "steps": round(drift * 37),
        "width": 1,
        "chunk": 0,
        "ifs": "IF0",
        "id": number,
        "group": number - number % 5,
    }


def catalogue(count: int, seed: int = 7) -> str:
    """Return a catalogue of so many hits as CSV, the most interesting first."""
    draw = random.Random(seed)
    records = [hit(number, draw, count) for number in range(count)]
    cells = cells_of(COLUMNS, records)
    return to_csv(cells, HITS, number_columns(cells, HITS)).decode()


MANIFEST = {
    "n_channels": CHANNELS,
    "first_channel_hz": FIRST_MHZ * 1e6,
    "channel_width_hz": CHANNEL_HZ,
    "n_spectra": ROWS,
    "spectrum_s": 18.253611008,
    "start_mjd": 57650.78,
    "rows": ROWS,
    "spectra_per_row": 1,
    "factors": [16, 64, 256],
    "chunk_edges": [0, CHANNELS],
    "noise_factor": 256,
    "sigma_relative": 0.001,
    "spectra_readable": False,
    "source_name": "Voyager 1",
}


def level(factor: int, start: int, stop: int, is_max: bool) -> bytes:
    """Return the answer of some channels of a level: noise alone."""
    draw, columns = random.Random(start), -(-stop // factor) - start // factor
    rows = ROWS + 1 if is_max else ROWS
    usual = 2.5 if is_max else 0.0
    return bytes(code_of(draw.gauss(usual, 0.5 if is_max else 1.0)) for _ in range(columns * rows))


def samples(start: int, stop: int, seed: int = 0) -> bytes:
    """Return the answer of the samples of some channels: one window, noise with a line from corner to corner."""
    draw, width = random.Random(seed + start), stop - start
    codes = bytearray()
    for channel in range(width):
        for row in range(ROWS):
            strength = 12.0 if abs(channel - width * (row + 0.5) / ROWS) < 0.7 else 0.0
            codes.append(code_of(draw.gauss(strength, 1)))
    return struct.pack("<I", 1) + struct.pack("<QI", start, width) + bytes(codes)
