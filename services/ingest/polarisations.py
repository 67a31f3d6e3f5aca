"""Which IFs of a file a search works on.

Headers of filterbank files count IFs (nifs) and do not say what they are. The rule: one IF is the total power; two are
the powers of two polarisations, as SIGPROC's own option `-sumifs` takes them. Four are either two powers and their
cross products, which may be negative, or the four Stokes parameters; only the user knows (`pol_type`, as in PSRFITS).
"""

from dataclasses import dataclass

from shared.errors import BadObservationError
from shared.events import SearchParameters
from shared.header import Header
from shared.polarisations import Ifs

# By `pol_type`: how many IFs a file has, and which of them are powers whose sum is the total power.
POL_TYPES: dict[str, tuple[int, Ifs]] = {
    "AABB": (2, (0, 1)),
    "AABBCRCI": (4, (0, 1)),
    "IQUV": (4, (0,)),
}
KNOWN_BY_COUNT: dict[int, Ifs] = {1: (0,), 2: (0, 1)}


@dataclass(frozen=True)
class Choice:
    """The IFs of each search: several in one are summed. `warning` says which they are; empty for a single IF."""

    searches: tuple[Ifs, ...]
    warning: str = ""


def choose_ifs(header: Header, parameters: SearchParameters, file_name: str) -> Choice:
    """Return the IFs to search.

    Raises
    ------
    BadObservationError
        The user asks for more than the first IF, and the file's IFs are not known or not as `pol_type` says.
    """
    n_ifs = header.n_ifs
    if parameters.ifs == "first":
        only = f"The file holds {n_ifs} IFs (polarisations); only the first was searched." if n_ifs > 1 else ""
        return Choice(((0,),), only)
    powers = _powers(n_ifs, parameters, file_name)
    if n_ifs == 1:
        return Choice(((0,),))
    rest = "" if len(powers) == n_ifs else " The others are no powers."
    if len(powers) == 1:
        return Choice((powers,), f"Of the {n_ifs} IFs the first, Stokes I, was searched.{rest}")
    if parameters.ifs == "stokes_i":
        return Choice((powers,), f"The sum of the file's IFs 0 and 1 (Stokes I) was searched.{rest}")
    return Choice(tuple((one,) for one in powers), f"IFs 0 and 1 of the file were searched, each by itself.{rest}")


def _powers(n_ifs: int, parameters: SearchParameters, file_name: str) -> Ifs:
    """Return the IFs that are powers."""
    if parameters.pol_type is None:
        if n_ifs in KNOWN_BY_COUNT:
            return KNOWN_BY_COUNT[n_ifs]
        raise BadObservationError(
            f"The file {file_name!r} can't be searched with ifs '{parameters.ifs}': it holds {n_ifs} IFs (nifs), and "
            "its header doesn't say what they are. Give pol_type 'AABBCRCI' or 'IQUV' for four, or search the first IF."
        )
    expected, powers = POL_TYPES[parameters.pol_type]
    if n_ifs != expected:
        raise BadObservationError(
            f"The file {file_name!r} can't be searched with pol_type {parameters.pol_type!r}, which has {expected} "
            f"IFs: it holds {n_ifs} (nifs). Leave pol_type out, or give that of the file."
        )
    return powers
