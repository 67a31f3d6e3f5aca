"""Verdicts of a user on the hits of a job or the events of a cadence, as gateway and export exchange them.

The gateway writes all verdicts of a job as one document, and export adds them to the tables. A revision names one state
of verdicts and results: the same verdicts on the same results have the same one.
"""

import hashlib
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import PermanentError
from shared.event_fields import PLAIN
from shared.strict_json import strict_json

Verdict = Literal["candidate", "rfi", "instrument", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# Far more than anybody gives by hand; a chunk alone may have as many hits.
MAX_VERDICTS = 10_000
MAX_NOTE = 1000
Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=PLAIN)]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class NumberedVerdict(BaseModel):
    """The verdict on the hit or event `number`, its `id` in the tables."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=0)
    verdict: Verdict
    note: Note


class VerdictsDocument(BaseModel):
    """All verdicts of a job or cadence, by number."""

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    job_id: str
    results_sha256: str = Field(description="Of the results.json or events.json that they are about.")
    verdicts: tuple[NumberedVerdict, ...] = Field(max_length=MAX_VERDICTS)

    @property
    def revision(self) -> str:
        """Names this state of the verdicts and of the results."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:32]

    def to_bytes(self) -> bytes:
        """Return the document as strict JSON; the same content gives the same bytes."""
        return strict_json(self.model_dump())

    @classmethod
    def from_bytes(cls, raw: bytes) -> "VerdictsDocument":
        """Read a document.

        Raises
        ------
        PermanentError
            It is no JSON, of an unknown version, or a field is missing or of another type; the message names the field.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise PermanentError(
                f"The verdicts of the job can't be read ({place or 'document'}: {first['msg']}); change one verdict "
                "and ask for the catalogue again.",
                code="unreadable_verdicts",
            ) from error
