"""Gain and noise that change with time: the matched SNR and the right shape, whatever the cause."""

import numpy as np
import pytest

from science.measure.gains import KINDS, recovered
from services.classify.model import load_model
from shared.labels import NARROWBAND_DRIFTING

SEEDS = range(4)


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.mark.parametrize("cause", ["gain", "noise"])
@pytest.mark.parametrize("kind", KINDS)
def test_snr_is_matched_and_the_shape_is_right(pool, model, kind, cause):
    """SNR 100 scatters by 1 %, by half of that in the mean of four."""
    hits = [recovered(kind, cause, 100.0, seed, pool, model) for seed in SEEDS]
    assert [len(found) for found in hits] == [1] * len(SEEDS)
    assert np.mean([found[0][0] for found in hits]) == pytest.approx(1.0, abs=0.05)
    assert {found[0][1] for found in hits} == {NARROWBAND_DRIFTING}
