"""Gains that change with time: for the whole band or a part of it, with a bandpass, holes, few bits or no mean."""

import numpy as np
import pytest

from science.measure.search import chunk_plan, search, tone
from science.simulator import Scene, make_header, simulate
from science.simulator.scene import pfb_bandpass
from services.dedoppler.noise.gains import is_unlike_its_tile, measure_gains, weighting

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N, T = 2**14, 16
STEPS, SNR = 29.4, 50.0
CHANGING = np.array([1, 1, 1, 10, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2], np.float32)[:, None]


@pytest.fixture
def header():
    return make_header(N, T)


@pytest.fixture
def power(header):
    return simulate(Scene(header, (tone(header, 6000.3, STEPS, SNR),)))


def check_as_steady(found, steady, rel=0.02):
    """The same hit as in the steady observation."""
    (hit,), (before,) = found.hits, steady.hits
    assert (hit["channel"], hit["steps"]) == pytest.approx((before["channel"], before["steps"]), abs=1)
    assert hit["snr"] == pytest.approx(before["snr"], rel=rel)
    assert hit["snr_turboseti"] == pytest.approx(before["snr_turboseti"], rel=0.05)


def brightest(found):
    """The mean of each row of the picture: the same for all rows where no spectrum is brighter."""
    return found.waterfall.mean(axis=1)


def test_steady_power_is_left_as_it_is(header, power):
    level, scatter = np.full((T, 8), 100.0), np.full((T, 8), 14.0)
    rng = np.random.default_rng(1)
    level += rng.normal(0, 14 / np.sqrt(2048), level.shape)
    scatter *= 1 + rng.normal(0, 1 / np.sqrt(4096), level.shape)
    gain, noise, mixed = measure_gains(level, scatter, np.full((T, 8), 2048), np.arange(9) * 2048)
    assert (gain == 1).all()
    assert (noise == 1).all()
    assert not mixed.any()


def test_a_change_for_the_whole_band(header, power, pool):
    found = search(power * CHANGING, header, pool)
    check_as_steady(found, search(power, header, pool))
    assert np.ptp(brightest(found)) < 0.2


@pytest.mark.parametrize("changed", [slice(0, 2**14), slice(0, 2**15), slice(2**14, None), slice(20_000, 50_300)])
def test_a_change_for_a_part_of_the_band(pool, changed):
    """Another node's spectra; blocks in which the gain changes along frequency are lost for these spectra."""
    wide = make_header(2**16, T)
    power = simulate(Scene(wide, (tone(wide, 6000.3, STEPS, SNR), tone(wide, 60_000, STEPS, SNR))))
    steady = search(power, wide, pool).hits
    power[:, changed] *= CHANGING
    hits = search(power, wide, pool).hits
    np.testing.assert_allclose(hits["channel"], steady["channel"], atol=1)
    np.testing.assert_allclose(hits["snr"], steady["snr"], rtol=0.02)


def test_the_shape_of_the_band_does_not_matter(header, pool):
    band = pfb_bandpass(N, N // 4)
    power = simulate(Scene(header, (tone(header, 6000.3, STEPS, SNR),), bandpass=band))
    check_as_steady(search(power * CHANGING, header, pool), search(power, header, pool))


def test_holes_are_left_out(header, power, pool):
    """A part of the band is lost while the gain differs, so its level is that of the other spectra."""
    power[8:, 8192:14_000] = np.nan
    steady = search(power, header, pool)
    for filling in (np.nan, 0.0):
        changing = power * CHANGING
        changing[8:, 8192:14_000] = filling
        check_as_steady(search(changing, header, pool), steady)


def test_power_less_its_mean(header, power, pool):
    """The level says nothing: the gain is that of the noise."""
    check_as_steady(search((power - 100.0) * CHANGING, header, pool), search(power, header, pool), rel=0.03)


def test_eight_bits(header, pool):
    few = header.model_copy(update={"n_bits": 8})
    power = simulate(Scene(few, (tone(few, 6000.3, STEPS, 30.0),), mean=30.0))
    changing = np.clip(np.rint(power * np.linspace(1, 3, T)[:, None]), 0, 255).astype(np.float32)
    (hit,), (before,) = search(changing, few, pool).hits, search(power, few, pool).hits
    assert hit["snr"] == pytest.approx(before["snr"], rel=0.03)


def test_a_tone_without_drift_survives(header, pool):
    power = simulate(Scene(header, (tone(header, 6000, 0, SNR),)))
    check_as_steady(search(power * CHANGING, header, pool), search(power, header, pool))


def test_chunks_see_the_same_gain(pool):
    wide = make_header(2**15, T)
    power = CHANGING * simulate(Scene(wide, (tone(wide, 6000, STEPS, SNR), tone(wide, 26_000, 0, SNR))))
    whole = search(power, wide, pool).hits
    parts = [search(power, wide, pool, chunk=chunk).hits for chunk in chunk_plan(wide, [0, 2**14, 2**15])]
    np.testing.assert_allclose(np.concatenate(parts)["snr"], whole["snr"], rtol=0.01)


@pytest.mark.parametrize(("n_channels", "n_spectra"), [(256, 1024), (512, 64), (64, 600)])
def test_spectra_in_tiles_of_several(pool, n_channels, n_spectra):
    """Few channels, or many spectra: single spectra differ from their tile."""
    header = make_header(n_channels, n_spectra, tsamp_s=0.1)
    power = simulate(Scene(header, (tone(header, n_channels // 3, 20, SNR),)))
    steady = search(power, header, pool)
    factor = 1 + 0.5 * np.sin(2 * np.pi * np.arange(n_spectra) / 7)
    factor[5] = 100.0
    found = search(power * factor[:, None].astype(np.float32), header, pool)
    (hit,), (before,) = found.hits, steady.hits
    assert abs(hit["channel"] - before["channel"]) <= 1
    assert hit["snr"] == pytest.approx(before["snr"], rel=0.05)


def test_noise_alone_gives_no_hits(pool):
    """At a threshold of 7, with all kinds of changes."""
    header = make_header(2**16, T)
    for seed, factor in enumerate((CHANGING, np.linspace(1, 4, T)[:, None], 1.0 + (np.arange(T) % 2)[:, None])):
        power = simulate(Scene(header, seed=seed + 50)) * factor.astype(np.float32)
        assert len(search(power, header, pool, snr_threshold=7.0).hits) == 0


def test_a_pulse_of_a_part_of_a_block_is_no_gain():
    """A fifth of a block, five sigma bright, in one block and spectrum."""
    level, scatter = np.full((T, 32), 100.0), np.full((T, 32), 14.0)
    level[5, 7:9] += 14.0
    gain, noise, mixed = measure_gains(level, scatter, np.full((T, 32), 2048), np.arange(33) * 2048)
    assert (gain == 1).all()
    assert (noise == 1).all()
    assert not mixed.any()


def test_single_spectra_unlike_their_tile():
    mean, spread = np.array([0.0, 0.1, 1.0, 0.0, 9.0]), np.array([1.0, 1.0, 1.0, 1.5, 1.0])
    number = np.array([1000, 1000, 1000, 1000, 10])
    assert is_unlike_its_tile(mean, spread, number).tolist() == [False, False, True, True, False]


def test_weights_keep_the_variance_of_a_path_sum():
    noise = np.array([[1.0], [4.0], [1.0], [0.01]])
    found = weighting(noise, np.array([False, False, True, False]), np.array([0, 100]))
    assert np.sum(found.weight**2) == pytest.approx(4)
    assert found.weight[:, 0] / found.weight[0, 0] == pytest.approx([1, 0.5, 0, 2])
    assert found.share[:, 0] == pytest.approx([1, 0.25, 0, 4])


def test_equal_spectra_have_no_weights():
    assert weighting(np.ones((4, 2)), np.zeros(4, bool), np.array([0, 5, 10])) is None
