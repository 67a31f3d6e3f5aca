"""Types of the fields of events: numbers within bounds that no real job exceeds, and plain texts.

Whoever can write to the bus can send any number and any text. A number beyond these bounds, or a text with control
characters, does not decode, so that no worker makes a list of a stated length that no job has.
"""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

# Ingest refuses an observation that would fall into more chunks.
MAX_CHUNKS = 100_000
# A chunk lists at most 10,000 hits: this is a thousand times as many, and a tenth of all hits of the most chunks.
MAX_CHUNK_HITS = 10_000_000
MAX_HITS = 10 * MAX_CHUNK_HITS
# S3 holds objects of at most 50 TB.
MAX_OBJECT_BYTES = 2**50
# A thousand times as many, once they are unpacked.
MAX_UNPACKED_BYTES = 2**60
# A search holds its samples as float32: 16 GiB.
MAX_CHUNK_SAMPLES = 2**32
# Names and sentences, characters. A sentence may cite a value of a file's header.
MAX_NAME = 255
MAX_SENTENCE = 4096
MAX_SENTENCES = 100
MAX_SECONDS = 1e9

# Unicode's category Cc, and the separators of lines and paragraphs.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
PLAIN = rf"^[^{_CONTROL}]*$"
WITHOUT_MARKUP = rf"^[^{_CONTROL}<>]*$"
_CONTROL_CHARACTERS = re.compile(f"[{_CONTROL}\ud800-\udfff]")

ChunkCount = Annotated[int, Field(ge=1, le=MAX_CHUNKS)]
HitCount = Annotated[int, Field(ge=0, le=MAX_HITS)]
ObjectBytes = Annotated[int, Field(ge=0, le=MAX_OBJECT_BYTES)]
# With a time zone, since the clocks of machines may be set to any.
Time = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Steps = Annotated[int, Field(ge=0, le=MAX_CHUNKS)]

# A job id is a path segment in S3 and part of a field's name in MongoDB.
JobId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,100}$")]
Key = Annotated[str, Field(max_length=1024, pattern=PLAIN)]
Name = Annotated[str, Field(max_length=MAX_NAME, pattern=PLAIN)]
Sentence = Annotated[str, Field(max_length=MAX_SENTENCE, pattern=PLAIN)]
Sentences = Annotated[tuple[Sentence, ...], Field(max_length=MAX_SENTENCES)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
ShownText = Annotated[str, Field(max_length=MAX_NAME, pattern=WITHOUT_MARKUP)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def plain_sentence(text: str) -> str:
    """Return a text as a `Sentence` may hold it: each control character is a blank, and a long text is cut."""
    plain = _CONTROL_CHARACTERS.sub(" ", text)
    return plain if len(plain) <= MAX_SENTENCE else plain[: MAX_SENTENCE - 1] + "…"
