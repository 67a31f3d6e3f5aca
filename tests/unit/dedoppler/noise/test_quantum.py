"""The step of quantised samples."""

import numpy as np
import pytest

from services.dedoppler.noise.quantum import quantum_of


@pytest.mark.parametrize(("scatter", "step"), [(0.4, 1.0), (0.4, 0.37), (3.0, 1.0), (14.0, 1.0)])
def test_the_step_is_the_distance_of_neighbouring_values(scatter, step):
    counts = np.rint(np.random.default_rng(1).normal(5 * scatter, scatter, (16, 5000)))
    assert quantum_of((counts * step).astype(np.float32)) == pytest.approx(step, rel=1e-5)


def test_averages_and_sums_of_samples_have_a_step_too():
    bits = np.random.default_rng(2).integers(0, 2, (31, 16, 5000))
    assert quantum_of(bits.mean(axis=0).astype(np.float32)) == pytest.approx(1 / 31, rel=1e-5)
    assert quantum_of(bits[:2].sum(axis=0).astype(np.float32)) == 1.0


def test_the_step_of_noise_that_is_not_quantised_is_far_below_its_scatter():
    power = np.random.default_rng(3).gamma(51.0, size=(16, 5000)).astype(np.float32)
    power[3, ::2] = np.nan
    assert quantum_of(power) < 0.01 * power[0].std()


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_equal_samples_have_none(value):
    assert quantum_of(np.full((2, 3), value, np.float32)) == 0.0
