"""Structure wider than a box: what is flattened, what is an emission, and that noise stays as it is."""

import numpy as np
import pytest

from services.dedoppler.kernels.conditioning import Nodes
from services.dedoppler.noise.wide_structure import Stretch, restore, take_off_wide_structure

T, N, PAD, WIDEST, MAX_STEPS = 16, 32768, 700, 256, 390
# Raw level over sigma of Breakthrough Listen's products: changes of noise are nearly those of normal deviates.
LEVEL = 51**0.5


def noise(seed=1):
    x = np.zeros((T, N + 2 * PAD), np.float32)
    x[:, PAD:-PAD] = np.random.default_rng(seed).normal(size=(T, N))
    return x


def stretch(first=0, stop=N, level=LEVEL):
    """Channels [first, stop) as one coarse channel with a flat bandpass."""
    shape = Nodes(np.array([PAD + first, PAD + stop - 1.0]), np.full(2, level), np.ones(2))
    return Stretch(PAD + first, PAD + stop, PAD + first, shape)


def flatten(x, pool, *stretches):
    return take_off_wide_structure(x, stretches or (stretch(),), WIDEST, MAX_STEPS, pool).emissions


def add_emission(x, first, width, steps, height, own_noise=0.0):
    """Add an even emission of sharp edges, which may multiply the noise."""
    for t in range(T):
        start = PAD + first + round(steps * t / (T - 1))
        x[t, start : start + width] = x[t, start : start + width] * (1 + own_noise) + np.float32(height)


def test_noise_stays_as_it_is(pool):
    x = noise()
    before = x.copy()
    assert flatten(x, pool) == []
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("steps", [0, 100, -390])
def test_an_emission_is_taken_off_along_its_drift_and_can_be_restored(pool, steps):
    """At rest it is known by its sharp flanks. SNR is height * sqrt(T * width) to 4 %."""
    x = noise()
    add_emission(x, 15_000, 4000, steps, 0.8)
    before = x.copy()
    (found,) = flatten(x, pool)
    assert abs(found.column - (PAD + 15_000)) <= 3 * found.column_error < 60
    assert abs(found.steps - steps) <= 3 * found.steps_error < 60
    assert abs(found.width - 4000) <= 3 * found.width_error < 60
    assert found.snr == pytest.approx(0.8 * np.sqrt(T * 4000), rel=0.04)
    inside = np.concatenate([x[t, found.column + found.offsets[t] :][200 : found.width - 200] for t in range(T)])
    assert np.mean(inside) == pytest.approx(0, abs=0.02)
    assert np.std(inside) == pytest.approx(1, abs=0.03)
    restore(x, found)
    # What was flattened at rest beside it remains so, to what a level is known to.
    assert np.abs(x - before)[:, PAD:-PAD].max() < 0.5
    middle = slice(PAD + 16_000, PAD + 18_000)
    np.testing.assert_allclose(x[:, middle], before[:, middle], atol=0.25)


def test_the_noise_of_an_emission_becomes_sigma_1_and_its_snr_is_that_beside_it(pool):
    x = noise()
    add_emission(x, 15_000, 4000, 100, 2.0, own_noise=0.5)
    (found,) = flatten(x, pool)
    assert found.snr == pytest.approx(2.0 * np.sqrt(T * 4000), rel=0.04)
    assert np.median(1 / found.gain[1000:3000]) == pytest.approx(1.5, rel=0.03)
    assert np.std(x[:, PAD + 16_000 : PAD + 18_500]) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_or_a_slope_to_the_end_is_the_bands_and_is_flattened(pool, sign):
    x = noise()
    x[:, PAD:-PAD] += np.float32(sign) * np.clip((np.arange(N, dtype=np.float32) - 20_000) / 500, 0, 1)
    assert flatten(x, pool) == []
    for part in (slice(PAD, PAD + 19_000), slice(PAD + 20_000, PAD + 20_500), slice(PAD + 21_000, PAD + N)):
        assert np.mean(x[:, part]) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("height", [0.4, 0.9])
def test_a_soft_rise_at_rest_below_one_sigma_is_a_ripple(pool, height):
    """Its flanks take over a quarter of its width; it is flattened and no emission."""
    x = noise()
    x[:, PAD:-PAD] += np.float32(height) * np.exp(-0.5 * ((np.arange(N, dtype=np.float32) - 16_000) / 1500) ** 2)
    assert flatten(x, pool) == []
    assert np.abs(x[:, PAD:-PAD].reshape(T, -1, 1024).mean(axis=(0, 2))).max() < 0.06


def test_a_dip_is_no_emission(pool):
    x = noise()
    add_emission(x, 15_000, 4000, 0, -2.0)
    assert flatten(x, pool) == []
    assert np.mean(x[:, PAD + 15_500 : PAD + 18_500]) == pytest.approx(0, abs=0.03)


def test_a_line_on_an_emission_keeps_its_strength(pool):
    """A tone of SNR 60 in the middle of an emission, drifting otherwise: to three sigma."""
    x = noise()
    add_emission(x, 15_000, 4000, 100, 0.8)
    for t in range(T):
        x[t, PAD + 17_000 - 2 * t] += np.float32(60 / np.sqrt(T))
    assert len(flatten(x, pool)) == 1
    line = sum(float(x[t, PAD + 17_000 - 2 * t]) for t in range(T)) / np.sqrt(T)
    assert line == pytest.approx(60, abs=3)


def test_lost_samples_stay_lost(pool):
    x = noise()
    add_emission(x, 15_000, 4000, 100, 0.8)
    lost = np.random.default_rng(2).random(x.shape) < 0.1
    lost[5] = lost[:, PAD + 16_000 : PAD + 16_040] = True
    x[lost] = 0.0
    (found,) = flatten(x, pool)
    assert not x[lost].any()
    restore(x, found)
    assert not x[lost].any()


def test_each_stretch_is_flattened_by_itself(pool):
    """An emission in the one, a step in the other; what lies between, and beside, stays as it is."""
    x = noise()
    add_emission(x, 6000, 3000, 40, 1.5)
    x[:, PAD + 25_000 : PAD + N] += np.float32(0.7)
    between = slice(PAD + 16_000, PAD + 17_000)
    x[:, between] = 55.0
    (found,) = flatten(x, pool, stretch(0, 16_000), stretch(17_000, N))
    assert found.column == pytest.approx(PAD + 6000, abs=20)
    assert np.mean(x[:, PAD + 26_000 : PAD + N]) == pytest.approx(0, abs=0.03)
    assert (x[:, between] == 55.0).all()
    assert not x[:, :PAD].any()


@pytest.mark.parametrize("averaged", [1.0, 4.0, np.inf])
def test_the_noise_is_measured_whatever_its_distribution(pool, averaged):
    """Power that is the mean of so many exponential deviates; sigma on an emission is 1 to 3 %."""
    x, rng = noise(), np.random.default_rng(4)
    if np.isfinite(averaged):
        x[:, PAD:-PAD] = (rng.gamma(averaged, size=(T, N)) - averaged) / np.sqrt(averaged)
    add_emission(x, 15_000, 4000, 0, 2.0)
    (found,) = flatten(x, pool, stretch(level=np.sqrt(averaged) if np.isfinite(averaged) else 0.0))
    assert np.median(found.gain[1000:3000]) == pytest.approx(1, abs=0.03)
    assert found.snr == pytest.approx(2.0 * np.sqrt(T * 4000), rel=0.03)


def test_an_emission_in_few_spectra_beside_lost_ones(pool):
    """With a quarter of its samples, cells along a drift have no level: nothing is measured, and nothing fails."""
    x = noise()
    add_emission(x, 15_000, 2000, 0, 2.0)
    x[:12, PAD + 10_000 : PAD + 24_000] = 0.0
    assert flatten(x, pool) == []
    assert np.isfinite(x).all()
