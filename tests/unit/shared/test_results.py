"""`results.json` is written in its documented format, and only valid documents are read."""

import json
import math

import pytest

from shared.errors import PermanentError
from shared.events import ResultsSummary, SearchParameters
from shared.header import Header
from shared.results import ModelUse, Observation, Results, measured

HEADER = Header(
    file_format="fil",
    n_spectra=16,
    n_channels=1024,
    n_ifs=1,
    n_bits=32,
    fch1_mhz=8421.0,
    foff_mhz=-2.8e-6,
    tsamp_s=18.0,
)
HIT = {
    "id": 0,
    "frequency_hz": 8419319684.15156,
    "frequency_error_hz": 0.1,
    "drift_rate": -0.36735320667744153,
    "drift_rate_error": 1e-07,
    "snr": 1e16,
    "snr_error": 1.0,
    "channel": 7,
    "steps": 36,
    "width": 3,
    "snr_turboseti": None,
    "bandwidth_hz": 2.5,
    "bandwidth_error_hz": 1.0,
    "classification": "CHIRP",
    "confidence": 1.0,
    "shape": "CHIRP",
    "shape_probabilities": {"CHIRP": 1.0},
    "novelty": 0.5,
    "reasons": ["Größe."],
    "interestingness": 0.75,
    "interestingness_components": {"snr": 0.5, "drift": 1.0},
    "rfi_source": "",
    "bands": ["FM radio"],
    "protected_band": "",
    "source": "dedoppler_search",
    "group": 0,
    "chunk": 0,
    "chunk_hit": 0,
    "features": {"path_snr": 9.0, "kurtosis": None, "comb_teeth": 5},
}


BOX = {"start_channel": 0, "stop_channel": 9, "start_spectrum": 1, "stop_spectrum": 2}
NOISE = [
    {"chunk": 0, "dead_channels": 0.0, "level": None, "lost_fraction": 0.0, "start_channel": 0.0},
    {"chunk": 1, "gaps": [BOX | {"samples": 9}], "gain_changes": [BOX | {"factor": 2.5}]},
]


def results(**changes):
    fields = {
        "job_id": "job",
        "source_name": "Größe",
        "file_name": "v.fil",
        "observation": Observation(**HEADER.model_dump()),
        "parameters": SearchParameters(),
        "noise": NOISE,
        "labels": ModelUse(model="m", hits_unlike_training=0),
        "warnings": ["w"],
        "summary": ResultsSummary(
            raw_hits=1, filtered_hits=1, candidates=1, processing_time_seconds=2.5, top_candidates=()
        ),
        "processing_time_seconds": 2.5,
        "raw_hits": [HIT],
        "filtered_hits": [HIT],
        "candidates": [HIT],
    }
    return Results(**fields | changes)


def changed(**changes):
    return json.dumps(json.loads(results().to_bytes()) | changes).encode()


def test_results_are_read_as_they_were_written():
    written = results().to_bytes()
    assert Results.from_bytes(written) == results()
    assert Results.from_bytes(written).to_bytes() == written


def test_fields_are_in_the_order_of_the_format():
    document = json.loads(results().to_bytes())
    assert list(document) == [
        "format_version",
        "job_id",
        "source_name",
        "file_name",
        "observation",
        "parameters",
        "noise",
        "labels",
        "warnings",
        "summary",
        "processing_time_seconds",
        "raw_hits",
        "filtered_hits",
        "candidates",
    ]
    assert document["format_version"] == 2
    assert list(document["raw_hits"][0]) == list(HIT)
    assert list(document["observation"])[-4:] == [
        "lowest_frequency_hz",
        "highest_frequency_hz",
        "duration_s",
        "drift_resolution_hz_s",
    ]
    assert document["observation"]["lowest_frequency_hz"] == pytest.approx(8421e6 - 1023.5 * 2.8, abs=1e-3)
    assert document["observation"]["highest_frequency_hz"] == pytest.approx(8421e6 + 1.4, abs=1e-3)
    assert document["observation"]["duration_s"] == 16 * 18.0


def test_floats_keep_all_their_digits():
    text = results().to_bytes().decode()
    for written in ("-0.36735320667744153", "1e-7", "1e+16", "Größe"):
        assert written in text


def test_a_document_of_version_1_is_read():
    old = changed(format_version=1, raw_hits=[HIT | {"source": "width_ladder"}])
    assert Results.from_bytes(old).raw_hits[0]["source"] == "width_ladder"


@pytest.mark.parametrize("version", [0, 3, "2", None])
def test_an_unknown_version_is_refused(version):
    with pytest.raises(PermanentError, match=r"format_version.*analyze the observation again") as refused:
        Results.from_bytes(changed(format_version=version))
    assert refused.value.code == "unreadable_results"


@pytest.mark.parametrize("name", [name for name in HIT if name != "features"])
def test_a_hit_without_a_field_is_refused_by_its_name(name):
    bare = {key: value for key, value in HIT.items() if key != name}
    with pytest.raises(PermanentError, match=rf"raw_hits\.1\.{name}: Field required"):
        Results.from_bytes(changed(raw_hits=[HIT, bare]))


@pytest.mark.parametrize(
    "change", [{"noise": None}, {"raw_hits": [HIT | {"snr": None}]}, {"raw_hits": [HIT | {"chunk": "a"}]}]
)
def test_a_field_of_another_type_is_refused(change):
    with pytest.raises(PermanentError, match=next(iter(change))):
        Results.from_bytes(changed(**change))


@pytest.mark.parametrize("indent", [None, 1])
def test_the_hit_that_can_not_be_read_is_named_in_any_layout(indent):
    many = [HIT] * 600 + [HIT | {"snr": None}]
    document = json.dumps(json.loads(results().to_bytes()) | {"raw_hits": many}, indent=indent).encode()
    with pytest.raises(PermanentError, match=r"raw_hits\.600\.snr: Input should be a valid number"):
        Results.from_bytes(document)


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_documents_are_read_in_any_layout(indent):
    listed = {"raw_hits": [HIT, HIT | {"id": 1}], "filtered_hits": [], "candidates": [HIT | {"id": 1}]}
    document = json.dumps(json.loads(results().to_bytes()) | listed, indent=indent).encode()
    read = Results.from_bytes(document)
    assert {name: getattr(read, name) for name in listed} == listed


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff"])
def test_invalid_documents_are_refused(raw):
    with pytest.raises(PermanentError, match="can't be read"):
        Results.from_bytes(raw)


def test_fields_that_a_later_version_adds_to_hits_are_kept():
    added = HIT | {"added": 1, "features": HIT["features"] | {"also": 2.0}}
    (hit,) = Results.from_bytes(changed(raw_hits=[added])).raw_hits
    assert (hit["added"], hit["features"]["also"]) == (1, 2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_null_or_an_error(value):
    assert measured(value) is None
    with pytest.raises(ValueError, match="not finite"):
        results(raw_hits=[HIT | {"snr": value}]).to_bytes()


def test_a_list_that_names_a_hit_which_is_not_there_is_refused():
    with pytest.raises(PermanentError, match=r"hit 7 is not among raw_hits"):
        Results.from_bytes(changed(candidates=[HIT | {"id": 7}]))


def test_the_lists_share_the_records_of_the_hits():
    read = Results.from_bytes(changed(raw_hits=[HIT], filtered_hits=[HIT], candidates=[HIT]))
    assert read.candidates[0] is read.raw_hits[0]
    assert read.filtered_hits[0] is read.raw_hits[0]
