"""Measures of a cut-out on cases whose answers can be written down."""

import numpy as np
import pytest

from services.classify.kernels.features import Track, align, bow, measure, row_positions

T = 16
FOFF, TSAMP = -2.8, 18.0


def track(channel=100, steps=0, width=1):
    return Track(channel=channel, steps=steps, width=width, n_spectra=T, foff_hz=FOFF, tsamp_s=TSAMP)


def tone(steps=0, *, per_row=10.0, rows=range(T), bend=0, width=1, channels=128):
    """A cut-out from channel 40 on with a noiseless tone that starts at channel 100."""
    power = np.zeros((T, channels), np.float32)
    u = np.arange(T) / (T - 1)
    offsets = np.rint(steps * u) + np.rint(bend * bow(u))
    for t in rows:
        at = 60 + int(offsets[t])
        power[t, at : at + width] = per_row
    return power


def test_steady_tone():
    f = measure(tone(20), 40, 1, track(steps=20))
    assert f.path_snr == pytest.approx(10 * np.sqrt(T))
    assert f.presence == 1.0
    assert f.occupancy == 1.0
    assert f.peak_fraction == pytest.approx(1 / T)
    assert f.kurtosis == 0.0
    assert f.fwhm_hz == pytest.approx(2.8)
    assert f.edge_sharpness == 1.0
    assert (f.curvature_gain, f.curvature_hz_s2, f.straightness_residual_channels) == pytest.approx((1, 0, 0))


def test_power_in_four_of_sixteen_rows():
    f = measure(tone(rows=range(4, 8), per_row=100.0), 40, 1, track())
    # (sum p)^2 / (N (sum p^2 - N)) with p = 100 in 4 rows
    assert f.occupancy == pytest.approx(400**2 / (16 * (4 * 100**2 - 16)))
    assert f.presence == 2 / 8
    assert f.peak_fraction == pytest.approx(1 / 4)
    # p is 1 with chance q = 1/4: excess kurtosis (1 - 6q(1 - q)) / (q(1 - q))
    assert f.kurtosis == pytest.approx((1 - 6 * 3 / 16) / (3 / 16))


def test_single_row_pulse_is_all_peak():
    f = measure(tone(rows=[5]), 40, 1, track())
    assert f.peak_fraction == 1.0
    assert f.occupancy == pytest.approx(100 / (16 * (100 - 16)))


def test_parabola_gives_its_second_derivative_with_the_sign_of_the_band():
    f = measure(tone(steps=10, bend=6), 40, 1, track(steps=10))
    assert f.curvature_gain > 1.5
    assert f.curvature_hz_s2 == pytest.approx(12 * 6 * FOFF / ((T - 1) * TSAMP) ** 2)
    assert measure(tone(steps=10, bend=-6), 40, 1, track(steps=10)).curvature_hz_s2 == pytest.approx(-f.curvature_hz_s2)


def test_straightness_residual_of_alternating_peaks():
    power = np.zeros((8, 128), np.float32)
    for t in range(8):
        power[t, 60 + 2 * (t % 2)] = 20.0
    f = measure(power, 40, 1, Track(100, 0, 1, 8, FOFF, TSAMP))
    columns = np.array([0, 2] * 4, float)
    line = np.polyval(np.polyfit(np.arange(8), columns, 1), np.arange(8))
    assert f.straightness_residual_channels == pytest.approx(np.sqrt(np.mean((columns - line) ** 2)))


def test_flat_band_has_no_edge():
    f = measure(np.full((T, 128), 3.0, np.float32), 40, 1, track())
    assert f.edge_sharpness == 0.0
    assert f.window_fill == 1.0


def test_width_at_half_maximum_of_a_box():
    assert measure(tone(width=7), 40, 1, track(width=7)).fwhm_hz == pytest.approx(7 * 2.8)


def test_cutout_that_ends_early_counts_the_rest_as_noise_mean():
    f = measure(tone(20)[:, :70], 40, 1, track(steps=20))
    seen = np.sum(np.rint(20 * np.arange(T) / (T - 1)) < 10)
    assert f.path_snr == pytest.approx(10 * seen / np.sqrt(T))


def test_averaged_rows_keep_the_snr_of_a_stationary_tone():
    full = tone(per_row=4.0)
    averaged = full.reshape(4, 4, -1).mean(axis=1)
    assert measure(averaged, 40, 4, track()).path_snr == pytest.approx(measure(full, 40, 1, track()).path_snr)


@pytest.mark.parametrize("steps", [-37, -3, 0, 1, 24])
def test_align_equals_a_plain_loop(steps):
    rng = np.random.default_rng(7)
    power = rng.normal(size=(T, 200))
    aligned, width, pad = align(power, track(channel=120, steps=steps, width=2), 30, 1)
    for t in range(T):
        for k in range(aligned.shape[1]):
            column = 120 - 30 + int(np.rint(steps * t / (T - 1))) - pad + k
            assert aligned[t, k] == (power[t, column] if 0 <= column < 200 else 0.0)
    assert width == 2


def test_features_do_not_change_when_band_and_drift_are_flipped():
    rng = np.random.default_rng(3)
    power = (tone(12) + rng.normal(size=(T, 128))).astype(np.float32)
    ahead = measure(power, 40, 1, track(channel=100, steps=12))
    # Column 60 becomes 127 - 60 = 67: channel 107.
    mirror = measure(power[:, ::-1].copy(), 40, 1, track(channel=107, steps=-12))
    for name in ("path_snr", "occupancy", "presence", "kurtosis", "edge_sharpness", "fwhm_hz"):
        assert getattr(ahead, name) == pytest.approx(getattr(mirror, name), rel=1e-6), name


def test_bow_is_orthogonal_to_lines():
    u = row_positions(10_000, 1, 10_000)
    assert np.mean(bow(u)) == pytest.approx(0, abs=1e-3)
    assert np.mean(bow(u) * u) == pytest.approx(0, abs=1e-3)


def test_samples_that_are_not_numbers_count_as_noise_mean():
    power = tone()
    power[3] = np.nan
    assert measure(power, 40, 1, track()).path_snr == pytest.approx(10 * 15 / 4)
