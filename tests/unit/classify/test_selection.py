"""Which hits are filtered hits and candidates."""

import math

import pytest

from services.classify.selection import candidates, filtered


def test_stationary_line_in_the_fm_band_is_terrestrial_rfi_and_filtered_out(classify, header, observation):
    fm = header.model_copy(update={"fch1_mhz": 100.0})
    observation.header = fm
    hits = classify(fm, observation.chunk([(5000, 0, 60.0, {}), (90000, 25, 60.0, {})]))
    assert (hits[0].verdict.label, hits[0].verdict.rfi_source) == ("RFI_TERRESTRIAL", "FM radio")
    assert hits[1].verdict.rfi_source == ""
    assert [h.number for h in filtered(hits)] == [1]


def test_comb_counts_once_and_is_no_candidate_et(classify, header, observation):
    hits = classify(header, observation.chunk([(5000 + 700 * k, 30, 40.0 + k, {}) for k in range(7)]))
    assert [h.evidence.comb_spacing_hz for h in hits] == pytest.approx([700 * 2.7939677] * 7, rel=1e-6)
    assert {h.verdict.label for h in hits} == {"NARROWBAND_DRIFTING"}
    assert [h.number for h in filtered(hits)] == [h.number for h in candidates(hits)] == [6]


def test_no_hits(classify, header, observation):
    hits = classify(header, observation.chunk([]))
    assert hits == filtered(hits) == candidates(hits) == []


@pytest.mark.parametrize("change", [{"foff_mhz": -4.0, "fch1_mhz": 4e6, "tsamp_s": 5e-4}, {"n_channels": 200}])
def test_a_product_for_other_signals_has_no_candidates(classify, header, observation, change):
    other = header.model_copy(update=change)
    observation.header = other
    hits = classify(other, observation.chunk([(50, 25, 60.0, {}), (150, 0, 30.0, {})]))
    assert len(filtered(hits)) == 2
    assert candidates(hits) == []
    assert "CANDIDATE_ET" not in {hit.verdict.label for hit in hits}


@pytest.mark.parametrize(("false_alarms", "number"), [(math.nan, 1), (0.0, 1), (0.01, 1), (0.011, 0), (12.0, 0)])
def test_what_noise_makes_too_often_is_no_candidate(classify, header, observation, false_alarms, number):
    chunk = observation.chunk([(5000, 30, 60.0, {})])
    chunk.hits["false_alarms"] = false_alarms
    hits = classify(header, chunk)
    assert len(filtered(hits)) == 1
    assert len(candidates(hits)) == number
