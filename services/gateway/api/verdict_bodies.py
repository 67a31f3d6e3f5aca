"""The body of PUT …/verdicts/…"""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from services.gateway.api.bodies import PRINTABLE, Body, no_control_characters
from shared.verdicts import MAX_NOTE, Verdict

Note = Annotated[str, StringConstraints(max_length=MAX_NOTE), AfterValidator(no_control_characters), PRINTABLE]


class VerdictBody(Body):
    """What you think of a hit or an event."""

    verdict: Verdict = Field(
        description="`candidate`: worth a second look; `rfi`: interference from Earth; `instrument`: made by the "
        "receiver or by the file; `unsure`."
    )
    note: Note = Field(default="", description="Plain text of one line.")
