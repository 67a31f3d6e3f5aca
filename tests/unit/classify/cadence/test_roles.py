"""Roles that the user did not state follow from names, else from the order in time."""

import pytest

from services.classify.cadence.roles import NamedScan, proposed_roles


def scans(*sources, files=None, roles=None):
    files = files or [f"{place}.h5" for place in range(len(sources))]
    roles = roles or [None] * len(sources)
    return [
        NamedScan(59000 + place, source, file, role)
        for place, (source, file, role) in enumerate(zip(sources, files, roles, strict=True))
    ]


def letters(found):
    return "".join("A" if role == "on" else "b" for role in found)


@pytest.mark.parametrize(
    ("given", "expected", "word"),
    [
        (scans("HIP39826", "HIP39826_OFF", "HIP39826", "HIP39826_OFF"), "AbAb", "OFF"),
        (scans("VOYAGER-1", "VOYAGER-1 OFF", "VOYAGER-1"), "AbA", "OFF"),
        (scans("x", "x", "x", files=["x_ON.fil", "x_off2.fil", "x_on.fil"]), "AbA", "OFF"),
        (scans("HIP1", "HIP2", "HIP1", "HIP3", "HIP1", "HIP4"), "AbAbAb", "'HIP1'"),
        (scans("B", "A", "B", "A"), "AbAb", "'B'"),
        (scans("C1", "A", "c2", "A", "c3", "a "), "bAbAbA", "'A'"),
        (scans("same", "same", "same", "same"), "AbAb", "alternate"),
        (scans("OFFSET", "OFFSET", "Coffee", "Coffee"), "AAbb", "'OFFSET'"),
        (scans("P", "Q", "R"), "AbA", "alternate"),
    ],
)
def test_proposals(given, expected, word):
    roles, why = proposed_roles(given)
    assert letters(roles) == expected
    assert word in why


def test_the_order_of_the_list_does_not_matter():
    given = scans("same", "same", "same", "same", "same")
    roles, _ = proposed_roles(given)
    backwards, _ = proposed_roles(given[::-1])
    assert backwards[::-1] == roles


def test_stated_roles_stay():
    stated = scans("HIP1", "HIP2", "HIP1", roles=["off", "on", "off"])
    assert proposed_roles(stated) == (["off", "on", "off"], "")
    some = scans("HIP1", "HIP2", "HIP1", "HIP3", roles=[None, "on", None, None])
    assert letters(proposed_roles(some)[0]) == "AAAb"
