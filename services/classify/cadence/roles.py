"""Which scans of a cadence are ON and which are OFF, where the user has not said so.

The names of sources and files say it in most archives. Where they don't, the order in time does: ABACAD and ABABAB both
begin with an ON scan, and every second one is ON.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.cadence import Role

# A word of its own: "HIP39826_OFF", "VOYAGER-1 OFF", "off.fil", but not "OFFSET".
_OFF = re.compile(r"(?<![a-z])off(?:\d+)?(?![a-z])", re.IGNORECASE)
_ON = re.compile(r"(?<![a-z])on(?:\d+)?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class NamedScan:
    """What is known of a scan without its data. `tstart_mjd` orders the scans; `role` is what the user said."""

    tstart_mjd: float
    source_name: str
    file_name: str
    role: Role | None = None


def proposed_roles(scans: Sequence[NamedScan]) -> tuple[list[Role], str]:
    """Return a role for each scan, in the order given, and a sentence that says where they come from.

    It is empty if the user stated all roles.

    Roles that the user stated stay. The others are taken from a word "OFF" or "ON" in the source's name or in the
    file's, else from the target: the source that was observed most often is ON, all others OFF. If all scans have one
    name, they alternate in time, ON first.
    """
    stated = [scan.role for scan in scans]
    if all(role is not None for role in stated):
        return [role for role in stated if role is not None], ""
    for roles, why in (_from_words(scans), _from_sources(scans)):
        if roles is not None:
            return _with_stated(roles, stated), why
    order = sorted(range(len(scans)), key=lambda index: scans[index].tstart_mjd)
    alternate: list[Role] = ["off"] * len(scans)
    for place, index in enumerate(order):
        alternate[index] = "off" if place % 2 else "on"
    return _with_stated(alternate, stated), (
        "No name tells ON scans from OFF scans. They are taken to alternate in time, ON first; state the roles if this "
        "is wrong."
    )


def _with_stated(roles: Sequence[Role], stated: Sequence[Role | None]) -> list[Role]:
    return [said or role for role, said in zip(roles, stated, strict=True)]


def _word(scan: NamedScan) -> Role | None:
    """Return what a word in a scan's names says: the source's name first."""
    for name in (scan.source_name, scan.file_name):
        if _OFF.search(name):
            return "off"
        if _ON.search(name):
            return "on"
    return None


def _from_words(scans: Sequence[NamedScan]) -> tuple[list[Role] | None, str]:
    words = [_word(scan) for scan in scans]
    if "off" not in words:
        return None, ""
    return [word or "on" for word in words], "The word OFF in the names of sources and files says which scans are OFF."


def _from_sources(scans: Sequence[NamedScan]) -> tuple[list[Role] | None, str]:
    """Take the source of most scans as the target; of several, that of the earliest scan."""
    sources = [scan.source_name.strip().casefold() for scan in scans]
    counts = Counter(sources)
    if len(counts) < 2 or max(counts.values()) < 2:
        return None, ""
    first = min(range(len(scans)), key=lambda index: (-counts[sources[index]], scans[index].tstart_mjd))
    roles: list[Role] = ["on" if source == sources[first] else "off" for source in sources]
    return roles, (
        f"'{scans[first].source_name}' was observed most often, so its scans are ON and those of other sources are OFF."
    )
