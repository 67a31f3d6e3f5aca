"""Samples of a selection as a table of comma-separated values."""

import struct
from collections.abc import Iterator, Sequence

from services.gateway.observations.selection import BYTE_BITS, Selection

COLUMNS = "frequency_hz,spectrum,time_s,if,power"
# Formats of `struct`, by bits of a sample and whether it has a sign. 32 bits are floats, whatever the header says.
CODES = {(8, False): "B", (8, True): "b", (16, False): "H", (16, True): "h", (32, False): "f", (32, True): "f"}
# The shortest text with so many digits gives each float32 back.
FLOAT32_DIGITS = 9


def spectra_table(selection: Selection, raw: bytes, channels: range) -> str:
    """Return the samples of `channels`, which are among those of the selection, as a table.

    `raw` holds the selection's samples. `time_s` is from the start of the first spectrum to the start of the row's.
    """
    header = selection.header
    frequencies = [repr(header.frequency_hz(channel)) for channel in channels]
    wanted = slice(channels.start - selection.start, channels.stop - selection.start)
    texts = [COLUMNS]
    for line, values in enumerate(_lines(selection, raw)):
        spectrum, if_index = divmod(line, header.n_ifs)
        place = f"{spectrum},{spectrum * header.tsamp_s!r},{if_index}"
        texts += [
            f"{frequency},{place},{_text(value)}" for frequency, value in zip(frequencies, values[wanted], strict=True)
        ]
    return "\n".join(texts) + "\n"


def _lines(selection: Selection, raw: bytes) -> Iterator[Sequence[float]]:
    """Yield the samples of each line."""
    n_bits = selection.header.n_bits
    for start in range(0, len(raw), selection.piece_bytes):
        line = raw[start : start + selection.piece_bytes]
        if n_bits < BYTE_BITS:
            # Low-order bits come first.
            yield [byte >> shift & (1 << n_bits) - 1 for byte in line for shift in range(0, BYTE_BITS, n_bits)]
        else:
            code = CODES[n_bits, selection.header.signed]
            yield struct.unpack(f"<{selection.n_channels}{code}", line)


def _text(value: float) -> str:
    return f"{value:.{FLOAT32_DIGITS}g}" if isinstance(value, float) else str(value)
