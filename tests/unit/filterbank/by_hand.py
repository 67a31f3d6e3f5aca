"""SIGPROC bytes put together here, so that reader and writer can't share a mistake."""

import struct

GOOD = {
    "telescope_id": 6,
    "machine_id": 20,
    "data_type": 1,
    "nchans": 64,
    "nbits": 32,
    "nifs": 1,
    "fch1": 8421.386717353016,
    "foff": -2.7939677238464355e-06,
    "tsamp": 18.253611008,
    "tstart": 57650.78209490741,
    "src_raj": 171003.984,
    "src_dej": 121058.8,
    "source_name": "Voyager1",
}
DOUBLES = {"fch1", "foff", "tsamp", "tstart", "src_raj", "src_dej", "az_start", "za_start", "refdm", "period"}


def word(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<I", len(raw)) + raw


def keyword(name: str, value: object) -> bytes:
    if isinstance(value, str | bytes):
        return word(name) + word(value)
    if name in DOUBLES:
        return word(name) + struct.pack("<d", value)
    if name == "signed":
        return word(name) + struct.pack("<b", value)
    return word(name) + struct.pack("<i", value)


def header(*, without: tuple[str, ...] = (), extra: bytes = b"", **changes: object) -> bytes:
    """A header of GOOD's keywords with `changes`."""
    values = {name: value for name, value in (GOOD | changes).items() if name not in without}
    return word("HEADER_START") + b"".join(keyword(*item) for item in values.items()) + extra + word("HEADER_END")


def samples(n_spectra: int = 4, n_values: int = 64) -> bytes:
    """float32: the value of channel c of spectrum t is 1000 t + c."""
    return b"".join(struct.pack("<f", 1000 * t + c) for t in range(n_spectra) for c in range(n_values))
