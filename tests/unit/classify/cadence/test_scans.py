"""Lists of scans that are no cadence are refused, and doubtful ones are warned of; both name the scans."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.cadence.scans import check, failed_scan, ordered, scan_of_results, scan_of_table
from services.classify.cadence.turboseti_tables import HitTable
from shared.errors import PermanentError
from shared.results import ModelUse, Observation, Results
from shared.search_parameters import SearchParameters
from tests.unit.classify.cadence.example_scans import CHANNEL_HZ, Emitter, cadence, header, scan
from tests.unit.shared.example_events import SUMMARY

ONE = Emitter(8420.5e6, -1.0, 0.0, (20.0,) * 6)


def warnings(scans):
    return check(ordered(scans))


def test_a_good_cadence_gives_no_warning():
    assert warnings(cadence([ONE])) == []


def test_scans_are_put_in_order_of_time_and_those_without_results_last():
    scans = [failed_scan("on", "z.h5", "It is empty."), *cadence([ONE])[::-1]]
    found = ordered(scans)
    assert [item.file_name for item in found] == ["0.h5", "1.h5", "2.h5", "3.h5", "4.h5", "5.h5", "z.h5"]
    assert [item.index for item in found] == list(range(7))
    assert found[2].start_s == pytest.approx(636.0, abs=1e-3)


@pytest.mark.parametrize(
    ("scans", "sentence"),
    [
        ([scan(0, "off", [ONE]), scan(1, "off", [ONE])], "No scan is ON"),
        ([failed_scan("on", "a", "It is empty."), scan(1, "off", [ONE])], "None of the ON scans has results"),
        (
            [scan(0, "on", [ONE]), scan(0, "off", [ONE])],
            r"Scan 1 \('0.h5'\) and scan 2 \('0.h5'\) are one scan. List each scan once.",
        ),
        (
            [scan(0, "on", [ONE]), replace(scan(0, "on", [ONE]), job_id="another", file_name="copy.h5")],
            "are one scan",
        ),
        (
            [scan(0, "on", [ONE]), replace(scan(2, "on", [ONE]), band_hz=(1e9, 1.1e9))],
            r"The frequencies of the ON scans don't overlap \(scan 1 \('0.h5'\): 8419.000 to 8422.000 MHz, scan 2",
        ),
    ],
)
def test_lists_that_are_no_cadence_are_refused(scans, sentence):
    with pytest.raises(PermanentError, match=sentence) as refused:
        warnings(scans)
    assert refused.value.code == "bad_cadence"


@pytest.mark.parametrize(
    ("scans", "sentence"),
    [
        (cadence([ONE])[:2], "There is one ON scan only"),
        ([scan(0, "on", [ONE]), scan(2, "on", [ONE])], "There is no OFF scan with results"),
        (
            [*cadence([ONE])[:2], replace(scan(2, "on", [ONE]), header=header(dec_deg=40.0), source_name="M31")],
            "The ON scans are not of the same source: scan 1 ('0.h5') is of 'target', scan 3 ('2.h5') of 'M31'.",
        ),
        (
            [*cadence([ONE])[:3], replace(scan(3, "off", [ONE]), header=header(dec_deg=12.2))],
            "Scan 4 ('3.h5') is OFF, but points where scan 1 ('0.h5') does.",
        ),
        (
            [*cadence([ONE])[:3], replace(scan(3, "off", [ONE]), band_hz=(1e9, 1.1e9))],
            "The frequencies of scan 4 ('3.h5'), 1000.000 to 1100.000 MHz, don't overlap those of scan 1",
        ),
        (
            [*cadence([ONE])[:2], scan(2, "on", [ONE], start_s=100.0)],
            "Scan 1 ('0.h5') and scan 2 ('2.h5') are both ON and overlap in time by 192 s.",
        ),
        (
            [*cadence([ONE])[:2], scan(2, "on", [ONE], start_s=200 * 86_400.0)],
            "are 200 days apart: no drift can be followed over such a gap.",
        ),
    ],
)
def test_doubtful_lists_are_warned_of(scans, sentence):
    assert any(sentence in text for text in warnings(scans))


def test_a_simultaneous_beam_is_a_good_off():
    beam = scan(0, "off", [ONE._replace(snr=(0.0,) * 6)], start_s=0.0)
    beam = replace(beam, file_name="beam2.h5", job_id="beam")
    assert warnings([*cadence([ONE])[:3], beam]) == []


def test_a_table_has_errors_of_its_own_and_no_band():
    one, none = np.array([8420e6]), np.empty(0)
    table = HitTable(
        "a.dat",
        "x",
        59000.0,
        18.25,
        CHANNEL_HZ,
        292.0,
        4.0,
        np.array([1]),
        one,
        -one / one,
        one * 0 + 12,
        np.array([5]),
    )
    found = scan_of_table(table, "on")
    assert found.hits.drift_rate_error_hz_s[0] == pytest.approx(3 * CHANNEL_HZ / (292 - 18.25))
    assert found.band_hz == (8417e6, 8423e6)
    empty = replace(
        table, number=np.empty(0, np.int64), frequency_hz=none, drift_rate_hz_s=none, snr=none, channel=none
    )
    assert scan_of_table(empty, "off").band_hz == (-np.inf, np.inf)


def test_results_become_a_scan_and_null_errors_one_channel_and_one_step():
    observation = Observation(**header().model_dump())
    hit = {
        "id": 4,
        "frequency_hz": 8420.5e6,
        "frequency_error_hz": None,
        "drift_rate": -0.4,
        "drift_rate_error": None,
        "snr": 22.0,
        "bandwidth_hz": 3.0,
    }
    results = Results.model_construct(
        job_id="j",
        source_name="Voyager 1",
        file_name="v.h5",
        observation=observation,
        parameters=SearchParameters(),
        noise=[],
        labels=ModelUse(model="m", hits_unlike_training=0),
        warnings=[],
        summary=SUMMARY,
        processing_time_seconds=1.0,
        raw_hits=[hit],
        filtered_hits=[],
        candidates=[],
    )
    found = scan_of_results(results, "on")
    assert (found.job_id, found.file_name, found.source_name, found.role) == ("j", "v.h5", "Voyager 1", "on")
    assert found.hits.id.tolist() == [4]
    assert found.hits.frequency_error_hz[0] == pytest.approx(CHANNEL_HZ)
    assert found.hits.drift_rate_error_hz_s[0] == pytest.approx(observation.drift_resolution_hz_s)
    assert found.band_hz == observation.band_hz
    assert found.header == header()
