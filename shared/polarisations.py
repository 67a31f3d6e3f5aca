"""Which IFs (polarisations) of a file are searched, as types of the events."""

from typing import Annotated, Literal

from pydantic import Field

MAX_IF = 1023
IfChoice = Literal["first", "all", "stokes_i"]
# As in PSRFITS: two powers; two powers and their cross products; Stokes parameters.
PolType = Literal["AABB", "AABBCRCI", "IQUV"]
# Numbers of IFs (polarisations) of a file, from 0. The powers of several are summed.
Ifs = tuple[Annotated[int, Field(ge=0, le=MAX_IF)], ...]
FIRST_IF: Ifs = (0,)
# Fields with these values are left out, as in events from before there was a choice of IFs.
IfsOfChunk = Annotated[
    Ifs, Field(min_length=1, max_length=2, exclude_if=lambda ifs: ifs == FIRST_IF, description="IFs that are summed.")
]
IfsOfSearches = Annotated[
    tuple[Ifs, ...],
    Field(
        min_length=1,
        max_length=2,
        exclude_if=lambda searches: searches == (FIRST_IF,),
        description="The IFs of each search of the observation, one after another.",
    ),
]
