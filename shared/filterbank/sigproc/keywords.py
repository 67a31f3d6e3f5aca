"""Parse the keywords of a SIGPROC header.

A header runs from HEADER_START to HEADER_END. Each keyword is a `u32 length` and text, followed by a value whose type
follows from the keyword; all are little-endian. The value of an unknown keyword has an unknown length. It is skipped if
just one possible length leads to another keyword.
"""

import re
import struct
from dataclasses import dataclass, field

from shared.filterbank.header.fields import Value, bad_file, decode_text

MAX_HEADER_BYTES = 2**20
MAX_KEYWORDS = 1000
MAX_KEYWORD_BYTES = 80
MAX_TEXT_BYTES = 16 * 1024

START = b"\x0c\x00\x00\x00HEADER_START"
BIG_ENDIAN_START = b"\x00\x00\x00\x0cHEADER_START"

INTEGERS = frozenset(
    {
        *("telescope_id", "machine_id", "data_type", "barycentric", "pulsarcentric"),
        *("nbits", "nsamples", "nchans", "nifs", "nbeams", "ibeam", "nbins", "nfpc"),
    }
)
DOUBLES = frozenset(
    {"az_start", "za_start", "tstart", "tsamp", "fch1", "foff", "refdm", "period", "src_raj", "src_dej"}
)
TEXTS = frozenset({"rawdatafile", "source_name"})
FLAGS = frozenset({"signed"})

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")


class OutOfBytesError(Exception):
    """The header continues beyond the given bytes; `last` is the last keyword in them."""

    def __init__(self, last: str) -> None:
        super().__init__(last)
        self.last = last


@dataclass
class Keywords:
    """The content of a header. `data_offset_bytes` is where the samples start."""

    values: dict[str, Value] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    data_offset_bytes: int = 0


def parse_keywords(name: str, raw: bytes, *, whole: bool) -> Keywords:
    """Parse a header that begins at the first byte of `raw`; `name` is the file's, for messages.

    `whole` says that the header can't have more bytes than these.

    Raises
    ------
    OutOfBytesError
        `raw` ends before HEADER_END.
    BadObservationError
        `raw` is not a header.
    """
    parser = _Parser(name, raw, whole)
    parser.run()
    return parser.found


class _Parser:
    def __init__(self, name: str, raw: bytes, whole: bool) -> None:
        self.name = name
        self.raw = raw
        self.whole = whole
        self.position = len(START)
        self.last = "HEADER_START"
        self.found = Keywords()

    def run(self) -> None:
        for _ in range(MAX_KEYWORDS):
            keyword = self.take_keyword()
            if keyword == "HEADER_END":
                self.found.data_offset_bytes = self.position
                return
            if keyword in INTEGERS:
                self.found.values[keyword] = struct.unpack("<i", self.take(4))[0]
            elif keyword in DOUBLES:
                self.found.values[keyword] = struct.unpack("<d", self.take(8))[0]
            elif keyword in FLAGS:
                self.found.values[keyword] = struct.unpack("<b", self.take(1))[0]
            elif keyword in TEXTS:
                self.found.values[keyword] = decode_text(self.take(self.text_length(keyword)))
            else:
                self.skip(keyword)
            self.last = keyword
        raise bad_file(
            self.name,
            f"its header has more than {MAX_KEYWORDS} keywords and no HEADER_END. It is damaged; upload it again.",
        )

    def take(self, length: int) -> bytes:
        taken = self.raw[self.position : self.position + length]
        if len(taken) < length:
            raise OutOfBytesError(self.last)
        self.position += length
        return taken

    def take_length(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def take_keyword(self) -> str:
        length = self.take_length()
        if not 1 <= length <= MAX_KEYWORD_BYTES:
            raise bad_file(
                self.name,
                f"after {self.last!r} its header names a keyword of {length} characters (1 to {MAX_KEYWORD_BYTES} are "
                "possible). The header is damaged, or HEADER_END is missing; upload it again.",
            )
        return self.take(length).decode("latin-1")

    def text_length(self, keyword: str) -> int:
        length = self.take_length()
        if length > MAX_TEXT_BYTES:
            raise bad_file(
                self.name,
                f"{keyword} in its header claims {length} characters (at most {MAX_TEXT_BYTES} are possible). "
                "The header is damaged; upload it again.",
            )
        return length

    def skip(self, keyword: str) -> None:
        """Skip the value of an unknown keyword, if its length is certain."""
        if keyword == "FREQUENCY_START":
            raise bad_file(
                self.name,
                "its header lists a frequency per channel (FREQUENCY_START). Channels must be evenly spaced: "
                "write it with fch1 and foff instead.",
            )
        ends = {self.position + length for length in self.possible_lengths()}
        fitting = [end for end in ends if self.keyword_starts(end)]
        if not fitting and not self.whole and max(ends) + 4 + MAX_KEYWORD_BYTES > len(self.raw):
            raise OutOfBytesError(keyword)
        if len(fitting) != 1:
            raise bad_file(
                self.name,
                f"its header has the keyword {keyword!r}, which SIGPROC does not know, so what follows can't be read. "
                "Remove it from the header and upload again.",
            )
        self.found.warnings.append(f"The header's keyword {keyword!r} is unknown; it was skipped.")
        self.position = fitting[0]

    def possible_lengths(self) -> list[int]:
        """Return the bytes that a value may have: a flag, an integer, a double, a text."""
        position = self.position
        text = 4 + self.take_length()
        self.position = position
        return [1, 4, 8, text] if text <= MAX_TEXT_BYTES + 4 else [1, 4, 8]

    def keyword_starts(self, position: int) -> bool:
        """Return whether there is a keyword at `position`."""
        length = int.from_bytes(self.raw[position : position + 4], "little")
        if not 1 <= length <= MAX_KEYWORD_BYTES:
            return False
        word = self.raw[position + 4 : position + 4 + length]
        return len(word) == length and _NAME.fullmatch(word) is not None
