"""Tones of all strengths and drifts that cross densely: each is one hit, and few hits are artefacts."""

import numpy as np
import pytest

from science.measure.crossings import crossings
from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate

CARRIER, STEPS = 8000, 37


@pytest.mark.parametrize(
    ("channels_apart", "artefacts", "missed"), [(64, 0.03, 0.2), (128, 0.02, 0.05), (256, 0.01, 0.02)]
)
def test_hits_that_are_artefacts_and_tones_that_are_missed(pool, channels_apart, artefacts, missed):
    """SNR 15 to 5000, drifts up to 4 Hz/s. At one per 64 channels some tones lie on one another."""
    found = crossings(pool, channels_apart, 5000.0, observations=2)
    assert found.artefacts <= artefacts * found.real
    assert found.missed <= missed * (found.real + found.missed)
    # Blanked tracks of stronger tones take a part of the fainter ones.
    assert found.median_ratio >= (0.6 if channels_apart == 64 else 0.85)


@pytest.mark.parametrize("drifts", [(0, STEPS), (STEPS, 0), (-STEPS, STEPS), (-150, 150), (0, 150), (150, 0)])
@pytest.mark.parametrize("distance", [6, 7, -7, 12])
@pytest.mark.parametrize("seed", range(3))
def test_a_tone_beside_a_carrier_20_times_as_strong_that_drifts_otherwise_is_one_hit(pool, drifts, distance, seed):
    """SNR 150 beside 3200: what the carrier's wings don't hide is found once, with its own drift."""
    header = make_header(2**14)
    tones = tone(header, CARRIER, drifts[0], 3200.0), tone(header, CARRIER + distance, drifts[1], 150.0)
    hits = search(simulate(Scene(header, tones, seed=seed)), header, pool).hits
    strongest = hits[np.argsort(-hits["snr"])]
    assert list(strongest["steps"]) == pytest.approx(list(drifts), abs=3)
    assert strongest["snr"][0] == pytest.approx(3200, rel=0.02)
    assert 30 <= strongest["snr"][1] <= 155


@pytest.mark.parametrize(("steps", "hidden"), [(0, 12), (STEPS, 18), (150, 34)])
@pytest.mark.parametrize("snr", [40.0, 150.0])
def test_a_tone_that_drifts_as_a_carrier_is_found_beyond_its_wings_and_never_listed_twice(pool, steps, hidden, snr):
    """The carrier of SNR 3200 hides as many channels as its wings and both smears take: one hit within, two beyond."""
    header = make_header(2**14)
    for distance in (6, 7, hidden + 1):
        tones = tone(header, CARRIER, steps, 3200.0), tone(header, CARRIER + distance, steps, snr)
        hits = search(simulate(Scene(header, tones, seed=1)), header, pool).hits
        assert len(hits) == (2 if distance > hidden else 1)
        assert list(hits["steps"]) == pytest.approx([steps] * len(hits), abs=2)
        if distance > hidden:
            assert hits["snr"][1] == pytest.approx(snr, abs=5)
