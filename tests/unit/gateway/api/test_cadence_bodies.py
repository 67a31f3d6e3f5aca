"""The body of POST /cadences: defaults, and what each scan may hold."""

import pytest
from pydantic import ValidationError

from services.gateway.api.cadence_bodies import CadenceBody
from shared.cadence import CadenceParameters
from shared.events import SearchParameters

SCANS = [{"file_key": "a"}, {"job_id": "j"}]


def test_what_is_left_out_has_its_default():
    body = CadenceBody.model_validate({"scans": SCANS, "name": None})
    assert (body.rule(), body.search_parameters()) == (CadenceParameters(), SearchParameters())


def test_parameters_go_to_the_rule_and_to_the_search():
    given = {
        "min_on_scans": 2,
        "max_drift_change_hz_s2": 0,
        "off_snr": 5,
        "snr_threshold": 12,
        "max_drift_rate_hz_s": 2,
        "ifs": "stokes_i",
        "pol_type": "AABB",
        "chirps": True,
    }
    body = CadenceBody.model_validate({"scans": SCANS, "parameters": given})
    rule, search = body.rule(), body.search_parameters()
    assert rule == CadenceParameters(min_on_scans=2, max_drift_change_hz_s2=0, off_snr=5, snr_threshold=12)
    assert search == SearchParameters(
        snr_threshold=12, max_drift_rate_hz_s=2, ifs="stokes_i", pol_type="AABB", chirps=True
    )
    assert set(given) == set(CadenceParameters.model_fields) | set(SearchParameters.model_fields)


@pytest.mark.parametrize(
    "scan",
    [
        {},
        {"file_key": "a", "job_id": "j"},
        {"job_id": "j", "filename": "a.fil"},
        {"job_id": "j", "source_name": "s"},
        {"job_id": "j", "sha256": "0" * 64},
        {"file_key": "a", "role": "ON"},
        {"file_key": "a", "snr_threshold": 10},
    ],
)
def test_a_scan_is_a_file_or_a_job(scan):
    with pytest.raises(ValidationError):
        CadenceBody.model_validate({"scans": [*SCANS, scan]})
    assert len(CadenceBody.model_validate({"scans": [*SCANS, {"file_key": "b", "source_name": "s"}]}).scans) == 3


@pytest.mark.parametrize("count", [0, 1, 65])
def test_a_cadence_has_2_to_64_scans(count):
    with pytest.raises(ValidationError):
        CadenceBody.model_validate({"scans": [{"file_key": str(number)} for number in range(count)]})
