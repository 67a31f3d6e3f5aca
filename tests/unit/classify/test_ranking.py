"""Interestingness: its components, and that it never falls where it should rise."""

from dataclasses import replace

import numpy as np
import pytest

from services.classify.labels import Verdict
from services.classify.ranking import WEIGHTS, components, drift_component, interestingness, snr_component


@pytest.fixture
def hit(classify, header, observation):
    """Evidence and verdict of one clean drifting tone."""
    found = classify(header, observation.chunk([(5000, 30, 60.0, {})]))[0]
    return found.evidence, found.verdict


def score(evidence, verdict):
    return interestingness(components(evidence, verdict))


def rising(scores):
    return all(np.diff(scores) >= 0) and scores[-1] > scores[0]


def test_more_snr_never_lowers_it(hit):
    evidence, verdict = hit
    assert rising([score(replace(evidence, snr=snr), verdict) for snr in np.geomspace(10, 3000, 60)])


def test_more_novelty_never_lowers_it(hit):
    evidence, verdict = hit
    assert rising([score(evidence, replace(verdict, novelty=n)) for n in np.linspace(0, 1, 40)])


def test_a_more_probable_shape_never_lowers_it(hit):
    evidence, verdict = hit
    assert rising([score(evidence, replace(verdict, shape_probability=p)) for p in np.linspace(0.2, 1, 40)])


def test_more_hits_that_drift_alike_never_raise_it(hit):
    evidence, verdict = hit
    assert rising([score(replace(evidence, hits_with_like_drift=n), verdict) for n in range(50, -1, -1)])
    far = replace(evidence, hits_with_like_drift=5, like_drift_span_hz=5e6)
    assert score(far, verdict) < score(replace(far, like_drift_span_hz=1e3), verdict)


def test_faster_than_a_planet_never_raises_it(hit):
    evidence, verdict = hit
    per_hz = np.geomspace(300e-9, 5e-9, 60)
    assert rising([score(replace(evidence, drift_rate_hz_s=p * evidence.frequency_hz), verdict) for p in per_hz])
    assert drift_component(replace(evidence, drift_rate_hz_s=0.0)) == 0.0


@pytest.mark.parametrize("change", [{"frequency_hz": 1.5e9 + 75.42e6}, {"comb_spacing_hz": 100.0, "comb_teeth": 6}])
def test_a_band_or_a_comb_lowers_it(hit, change):
    evidence, verdict = hit
    assert score(replace(evidence, **change), verdict) < score(evidence, verdict)


@pytest.mark.parametrize("label", ["RFI_TERRESTRIAL", "RFI_SATELLITE", "NOISE"])
def test_rfi_and_noise_have_no_freedom_from_rfi(hit, label):
    evidence, verdict = hit
    assert components(evidence, replace(verdict, label=label))["rfi_freedom"] == 0.0
    assert score(evidence, replace(verdict, label=label)) < score(evidence, verdict)


def test_snr_counts_from_the_threshold_to_a_hundred_times_it():
    assert [snr_component(s, 10.0) for s in (5.0, 10.0, 100.0, 1000.0, 9999.0)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_all_components_lie_within_0_and_1(hit):
    evidence, _ = hit
    rng = np.random.default_rng(1)
    for _ in range(200):
        some = replace(
            evidence,
            snr=float(rng.uniform(1, 1e5)),
            frequency_hz=float(rng.uniform(1e7, 2e10)),
            drift_rate_hz_s=float(rng.normal(0, 10)),
            hits_with_like_drift=int(rng.integers(0, 1000)),
            like_drift_span_hz=float(rng.uniform(0, 1e8)),
            comb_spacing_hz=float(rng.choice([0.0, 500.0])),
        )
        verdict = Verdict("PULSED", 0.5, shape_probability=float(rng.random()), novelty=float(rng.random()))
        parts = components(some, verdict)
        assert set(parts) == set(WEIGHTS) - {"cadence"}
        assert all(0 <= value <= 1 for value in [*parts.values(), interestingness(parts)])


def test_interestingness_is_the_weighted_mean_of_what_there_is():
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert interestingness({"snr": 1.0, "drift": 0.0}) == pytest.approx(0.25 / 0.45)
    everything = dict.fromkeys(WEIGHTS, 1.0)
    assert interestingness(everything) == pytest.approx(1)
