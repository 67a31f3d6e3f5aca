"""What scans must be to make a cadence."""

import pytest

from services.gateway.jobs.errors import BadCadenceError
from services.gateway.jobs.new_cadence import NewCadence, NewScan, require_different, require_roles
from shared.cadence import CadenceParameters
from shared.events import SearchParameters


def scan(file_key: str, job_id: str | None = None) -> NewScan:
    return NewScan(file_key, f"{file_key}.fil", "s", 5, None, None, None, job_id)


def test_only_new_files_count():
    scans = (scan("a"), scan("b", "j"), scan("c"))
    assert NewCadence("n", scans, CadenceParameters(), SearchParameters()).files == 2


@pytest.mark.parametrize(
    ("roles", "min_on", "code"),
    [
        (("on", "off"), None, None),
        ((None, None), 2, None),
        (("off", None), 1, None),
        (("off", "off"), None, "no_on_scan"),
        (("off", None), 2, "invalid_field"),
        (("on", "on", "off"), 3, "invalid_field"),
    ],
)
def test_some_scans_may_be_on(roles, min_on, code):
    if code is None:
        require_roles(roles, min_on)
        return
    with pytest.raises(BadCadenceError) as caught:
        require_roles(roles, min_on)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ((scan("a"), scan("b"), scan("c", "j")), None),
        ((scan("a"), scan("b"), scan("a")), "Scans 1 and 3 are the same file (a.fil): leave one of them out."),
        ((scan("b"), scan("a", "j"), scan("a")), "Scans 2 and 3 are the same file (a.fil): leave one of them out."),
        ((scan("a", "j"), scan("a", "j")), "Scans 1 and 2 are the same job (a.fil): leave one of them out."),
        ((scan("a", "i"), scan("a", "j")), "Scans 1 and 2 are the same file (a.fil): leave one of them out."),
    ],
)
def test_all_scans_are_different(scans, message):
    if message is None:
        require_different(scans)
        return
    with pytest.raises(BadCadenceError) as caught:
        require_different(scans)
    assert (caught.value.code, caught.value.message) == ("duplicate_scan", message)
