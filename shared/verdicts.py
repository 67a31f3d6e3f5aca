"""Verdicts of a user on the hits of a job or the events of a cadence, as gateway and export exchange them."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from shared.event_fields import PLAIN

Verdict = Literal["candidate", "rfi", "instrument", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# Far more than anybody gives by hand; a chunk alone may have as many hits.
MAX_VERDICTS = 10_000
MAX_NOTE = 1000
Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=PLAIN)]
