"""Labels, groups and ranks on hits objects whose content is known."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.domain import candidates, classify_observation, filtered, ranked
from services.classify.ranking import WEIGHTS, interestingness
from shared.events import SearchParameters
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise
from shared.labels import LABELS

PARAMETERS = SearchParameters()


def labels_of(header, *chunks):
    return [hit.verdict.label for hit in classify_observation(header, PARAMETERS, chunks)]


def test_voyager_is_found_labelled_and_on_top(header, voyager):
    hits = classify_observation(header, PARAMETERS, [voyager])
    top = candidates(hits)[:5]
    assert sorted(int(hit.values["channel"]) for hit in top) == [739820, 739933, 747929, 755923, 756037]
    assert int(top[0].values["channel"]) == 747929
    assert {hit.verdict.label for hit in top} <= {"NARROWBAND_DRIFTING", "CANDIDATE_ET"}
    assert {hit.verdict.rfi_source for hit in hits} == {""}
    assert [int(h.values["channel"]) for h in ranked(hits)[:5]] == [int(h.values["channel"]) for h in top]


def test_lines_that_do_not_drift(header, observation):
    assert labels_of(header, observation.chunk([(500, 0, 60.0, {}), (9000, 1, 25.0, {})])) == [
        "NARROWBAND_STATIONARY",
        "NARROWBAND_STATIONARY",
    ]


@pytest.mark.parametrize(
    ("signal", "label"),
    [
        ((5000, 30, 60.0, {}), "CANDIDATE_ET"),
        ((5000, 30, 12.0, {}), "NARROWBAND_DRIFTING"),
        ((5000, 30, 60.0, {"rows": [0] * 4 + [1] * 4 + [0] * 8}), "PULSED"),
        ((5000, 30, 60.0, {"rows": [0] * 9 + [1] + [0] * 6}), "NOISE"),
        ((5000, 30, 60.0, {"width": 250, "margin": 550}), "BROADBAND"),
        ((5000, 30, 60.0, {"bow": 3}), "CHIRP"),
    ],
)
def test_one_signal_one_label(header, observation, signal, label):
    assert label in LABELS
    assert labels_of(header, observation.chunk([signal])) == [label]


def test_hit_that_its_cutout_does_not_bear_out_is_noise(header, observation):
    chunk = observation.chunk([(5000, 30, 60.0, {})])
    empty = replace(chunk.cutouts[0], power=np.zeros_like(chunk.cutouts[0].power))
    assert labels_of(header, replace(chunk, cutouts=[empty])) == ["NOISE"]


def test_stationary_line_in_the_fm_band_is_terrestrial_rfi_and_filtered_out(header, observation):
    fm = header.model_copy(update={"fch1_mhz": 100.0})
    observation.header = fm
    hits = classify_observation(fm, PARAMETERS, [observation.chunk([(5000, 0, 60.0, {}), (90000, 25, 60.0, {})])])
    assert (hits[0].verdict.label, hits[0].verdict.rfi_source) == ("RFI_TERRESTRIAL", "FM radio")
    assert hits[1].verdict.rfi_source == ""
    assert [h.number for h in filtered(hits)] == [1]


def test_side_lobe_of_rfi_is_rfi_of_the_same_source(header, observation):
    fm = header.model_copy(update={"fch1_mhz": 100.0})
    observation.header = fm
    hits = classify_observation(
        fm, PARAMETERS, [observation.chunk([(5000, 0, 900.0, {}), (5060, 2, 15.0, {"rows": [1] * 7 + [0] * 9})])]
    )
    assert [(h.verdict.label, h.verdict.rfi_source) for h in hits] == [("RFI_TERRESTRIAL", "FM radio")] * 2
    assert "Belongs to hit 0." in hits[1].verdict.reasons
    assert filtered(hits) == []


def test_comb_counts_once_and_is_no_candidate_et(header, observation):
    hits = classify_observation(
        header, PARAMETERS, [observation.chunk([(5000 + 700 * k, 30, 40.0 + k, {}) for k in range(7)])]
    )
    assert [h.evidence.comb_spacing_hz for h in hits] == pytest.approx([700 * 2.7939677] * 7, rel=1e-6)
    assert {h.verdict.label for h in hits} == {"NARROWBAND_DRIFTING"}
    assert [h.number for h in filtered(hits)] == [h.number for h in candidates(hits)] == [6]


def test_side_lobe_goes_with_its_main_lobe(header, observation):
    hits = classify_observation(
        header, PARAMETERS, [observation.chunk([(5000, 30, 900.0, {}), (5060, 30, 15.0, {}), (5120, 12, 15.0, {})])]
    )
    assert [h.group for h in hits] == [0, 0, 2]


def test_a_hit_seen_by_two_chunks_counts_once(header, observation):
    one, two = observation.chunk([(5000, 30, 60.0, {})]), observation.chunk([(5000, 30, 60.0, {})])
    assert len(classify_observation(header, PARAMETERS, [one, two])) == 1


def test_no_hits(header, observation):
    hits = classify_observation(header, PARAMETERS, [observation.chunk([])])
    assert hits == filtered(hits) == candidates(hits) == []


def test_result_does_not_depend_on_how_hits_fall_into_chunks(header, voyager):
    parts = [
        ChunkHits(voyager.hits[s], voyager.cutouts[s], None, ChunkNoise(), voyager.waterfall)
        for s in (slice(0, 3), slice(3, None))
    ]
    whole = classify_observation(header, PARAMETERS, [voyager])
    split = classify_observation(header, PARAMETERS, parts)
    assert [(h.values.item(), h.verdict, h.interestingness) for h in whole] == [
        (h.values.item(), h.verdict, h.interestingness) for h in split
    ]


def test_interestingness_is_the_weighted_mean_of_what_there_is():
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert interestingness({"snr": 1.0, "drift": 0.0}) == pytest.approx(0.25 / 0.45)
    everything = dict.fromkeys(WEIGHTS, 1.0)
    assert interestingness(everything) == pytest.approx(1)


def test_components_and_scores_stay_within_0_and_1(header, voyager):
    for hit in classify_observation(header, PARAMETERS, [voyager]):
        assert set(hit.parts) == {"snr", "drift", "rfi_freedom", "novelty", "confidence"}
        assert all(0 <= value <= 1 for value in [*hit.parts.values(), hit.interestingness])


def test_hit_dtype_of_an_empty_observation_survives_the_store(observation):
    assert ChunkHits.from_bytes(observation.chunk([]).to_bytes()).hits.dtype == HIT_DTYPE
