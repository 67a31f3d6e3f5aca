"""Gain and noise that change with time: the matched SNR and the right shape, whatever the cause."""

import numpy as np
import pytest

from science.measure.gains import KINDS, recovered
from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.classify.noise_warnings import noise_warnings
from shared.events import SearchParameters
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


def test_a_gain_step_and_one_bright_spectrum(pool, model):
    """A tone of SNR 40; all samples doubled from spectrum 8 on, and spectrum 3 ten times as bright."""
    header = make_header(2**16)
    power = simulate(Scene(header, (tone(header, 20_000.3, 29.4, 40.0),), seed=5))
    steady = search(power, header, pool)
    power[8:] *= 2.0
    power[3] *= 10.0
    found = search(power, header, pool)
    (hit,) = classify_observation(header, SearchParameters(), [found], model)
    assert hit.verdict.shape == NARROWBAND_DRIFTING
    assert hit.values["snr"] == pytest.approx(steady.hits["snr"][0], rel=0.01)
    # All rows of the picture are alike.
    np.testing.assert_allclose(found.waterfall.mean(axis=1), steady.waterfall.mean(axis=1), rtol=0.02)
    assert noise_warnings(header, [found.noise]) == [
        "Spectra 3 (10 times) and 8 to 15 (2 times) differed in gain; the gain was taken out."
    ]


@pytest.mark.parametrize(("n_bits", "mean"), [(1, 0.5), (2, 1.5), (4, 6.0)])
def test_noise_of_few_bits_has_no_gain_in_single_spectra(pool, n_bits, mean):
    """Many spectra are measured together, and then each by itself."""
    header = make_header(2**13, 300, n_bits=n_bits)
    found = search(simulate(Scene(header, mean=mean, averaged_spectra=4, seed=3)), header, pool)
    assert found.noise.gain_changes == ()
    assert len(found.hits) == 0
