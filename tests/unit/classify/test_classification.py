"""Labels on hits objects whose content is known."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.selection import candidates, ranked
from shared.hits import ChunkHits, ChunkNoise
from shared.labels import LABELS


@pytest.fixture
def labels_of(classify, header):
    """The labels of the hits of some chunks."""
    return lambda *chunks: [hit.verdict.label for hit in classify(header, *chunks)]


def test_voyager_is_found_labelled_and_on_top(classify, header, voyager):
    hits = classify(header, voyager)
    top = candidates(hits)[:5]
    assert sorted(int(hit.values["channel"]) for hit in top) == [739820, 739933, 747929, 755923, 756037]
    assert int(top[0].values["channel"]) == 747929
    assert {hit.verdict.label for hit in top} <= {"NARROWBAND_DRIFTING", "CANDIDATE_ET"}
    assert {hit.verdict.rfi_source for hit in hits} == {""}
    assert [int(h.values["channel"]) for h in ranked(hits)[:5]] == [int(h.values["channel"]) for h in top]


def test_lines_that_do_not_drift(labels_of, observation):
    assert labels_of(observation.chunk([(500, 0, 60.0, {}), (9000, 1, 25.0, {})])) == [
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
def test_one_signal_one_label(labels_of, observation, signal, label):
    assert label in LABELS
    assert labels_of(observation.chunk([signal])) == [label]


def test_a_hit_that_its_cutout_does_not_support_is_noise(labels_of, observation):
    chunk = observation.chunk([(5000, 30, 60.0, {})])
    empty = replace(chunk.cutouts[0], power=np.zeros_like(chunk.cutouts[0].power))
    assert labels_of(replace(chunk, cutouts=[empty])) == ["NOISE"]


def test_result_does_not_depend_on_how_hits_fall_into_chunks(classify, header, voyager):
    parts = [
        ChunkHits(voyager.hits[s], voyager.cutouts[s], None, ChunkNoise(), voyager.waterfall)
        for s in (slice(0, 3), slice(3, None))
    ]
    whole = classify(header, voyager)
    split = classify(header, *parts)
    assert [(h.values.item(), h.verdict, h.interestingness) for h in whole] == [
        (h.values.item(), h.verdict, h.interestingness) for h in split
    ]


def test_components_and_scores_stay_within_0_and_1(classify, header, voyager):
    for hit in classify(header, voyager):
        assert set(hit.parts) == {"snr", "drift", "rfi_freedom", "novelty", "confidence"}
        assert all(0 <= value <= 1 for value in [*hit.parts.values(), hit.interestingness])
