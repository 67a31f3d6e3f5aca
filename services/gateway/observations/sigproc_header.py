"""The header of a SIGPROC file that holds a selection of another one.

Keywords and their types are those of SIGPROC's own files (`shared.filterbank.sigproc.keywords` reads them).
"""

import struct

from services.gateway.observations.selection import Selection

FILTERBANK_DATA = 1
# Packed angles are read to so many parts of a second (`shared.filterbank.header.angles`).
PARTS_OF_A_SECOND = 10**6


def sigproc_header(selection: Selection) -> bytes:
    """Return the bytes before the samples."""
    header = selection.header
    keywords = [
        _integer("telescope_id", header.telescope_id) if abs(header.telescope_id) < 2**31 else b"",
        _integer("machine_id", 0),
        _integer("data_type", FILTERBANK_DATA),
        # SIGPROC's texts are ASCII.
        _word("source_name") + _word(header.source_name.encode("ascii", "replace").decode()),
        _double("src_raj", packed(header.ra_hours)) if header.ra_hours is not None else b"",
        _double("src_dej", packed(header.dec_deg)) if header.dec_deg is not None else b"",
        _double("tstart", header.tstart_mjd),
        _double("tsamp", header.tsamp_s),
        _double("fch1", header.fch1_mhz + selection.start * header.foff_mhz),
        _double("foff", header.foff_mhz),
        _integer("nchans", selection.n_channels),
        _integer("nifs", header.n_ifs),
        _integer("nbits", header.n_bits),
        _word("signed") + struct.pack("<b", 1) if header.signed else b"",
    ]
    return _word("HEADER_START") + b"".join(keywords) + _word("HEADER_END")


def packed(angle: float) -> float:
    """Return hours or degrees as hhmmss.s or ddmmss.s."""
    parts = round(abs(angle) * 3600 * PARTS_OF_A_SECOND)
    minutes, seconds = divmod(parts, 60 * PARTS_OF_A_SECOND)
    hours, minutes = divmod(minutes, 60)
    value = hours * 10_000 + minutes * 100 + seconds / PARTS_OF_A_SECOND
    return -value if angle < 0 else value


def _word(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw


def _integer(name: str, value: int) -> bytes:
    return _word(name) + struct.pack("<i", value)


def _double(name: str, value: float) -> bytes:
    return _word(name) + struct.pack("<d", value)
