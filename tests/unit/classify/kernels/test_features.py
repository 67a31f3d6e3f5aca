"""Measures of a cut-out on cases whose answers can be written down."""

from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pytest

from services.classify.kernels.alignment import Track
from services.classify.kernels.features import Features, measure, row_positions
from tests.unit.classify.kernels import reference_features as reference
from tests.unit.classify.kernels.reference_features import align

T = 16
FOFF, TSAMP = -2.8, 18.0
# The stamps of Voyager 1's five tones.
STAMPS = Path(__file__).parents[5] / "shared" / "data" / "voyager1_hits.npz"
# The observation's background per sample, and what the radiometer equation gives for each tone.
BACKGROUND_MEAN, BACKGROUND_STD = 1.1057550e10, 1.1497335e9
RADIOMETER_SNR = (121, 126, 1013, 119, 129)


def bow(u):
    """What of a parabola no straight line can follow: the second Legendre polynomial on 0..1."""
    return 6 * u * u - 6 * u + 1


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
    assert f.curvature_hz_s2 == pytest.approx(12 * 6 * FOFF / ((T - 1) * TSAMP) ** 2, rel=0.03)
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


def test_of_a_track_that_leaves_the_band_the_part_inside_is_measured():
    f = measure(tone(20)[:, :70], 40, 1, track(steps=20))
    seen = np.sum(np.rint(20 * np.arange(T) / (T - 1)) < 10)
    # The part inside moves by whole channels too, so its path may miss the tone in one row.
    assert 10 * (seen - 1) / np.sqrt(seen) <= f.path_snr * (1 + 1e-9)
    assert f.path_snr <= 10 * np.sqrt(seen) * (1 + 1e-9)
    assert f.occupancy > 0.8


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


def test_power_beside_the_box_is_its_share():
    power = tone(per_row=9.0)
    power[:, 60 + 5] = 3.0
    # A window of 8 channels on either side holds the line of 9 and that of 3.
    assert measure(power, 40, 1, track()).side_share == pytest.approx(3 / 12)


def test_a_wide_signal_with_peaks_of_noise_keeps_its_width():
    rng = np.random.default_rng(5)
    power = rng.normal(size=(T, 1024))
    power[:, 400:464] += 1.5
    f = measure(power.astype(np.float32), 0, 1, track(channel=400, width=64))
    assert f.fwhm_hz == pytest.approx(64 * 2.8, rel=0.15)


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("bend", [20, -30])
def test_a_parabola_that_touches_its_path(bend, turn):
    u = np.arange(T) / (T - 1)
    offsets = np.rint(bend * (u - turn) ** 2).astype(int)
    power = np.zeros((T, 200), np.float32)
    power[np.arange(T), 100 + offsets] = 12.0
    f = measure(power, 0, 1, track())
    on_path = np.count_nonzero(offsets == 0)
    assert f.path_snr == pytest.approx(12 * on_path / 4)
    # Rounded to whole channels, parabolas of several bends fit as well.
    assert 0.8 * T / on_path <= f.curvature_gain <= T / on_path
    assert f.bend_channels == pytest.approx(abs(bend) / 4, rel=0.25)
    assert f.curvature_hz_s2 == pytest.approx(2 * bend * FOFF / ((T - 1) * TSAMP) ** 2, rel=0.25)
    assert f.lean_channels == pytest.approx(abs(bend * ((1 - turn) ** 2 - turn**2)), abs=1)
    assert f.wobble_channels < 0.5


def test_noise_and_steady_tones_are_not_curved():
    rng = np.random.default_rng(11)
    for snr in (0.0, 12.0, 60.0):
        for _ in range(40):
            power = rng.normal(size=(T, 128))
            power[:, 60] += snr / 4
            f = measure(power.astype(np.float32), 40, 1, track())
            assert (f.curvature_gain, f.curvature_hz_s2, f.bend_channels) == (1.0, 0.0, 0.0)


def test_rows_that_hop_wobble_and_a_swing_is_wider_than_its_rows():
    swing = np.rint(8 * np.sin(2 * np.pi * 3 * np.arange(T) / T)).astype(int)
    power = np.zeros((T, 128), np.float32)
    power[np.arange(T), 60 + swing] = 40.0
    f = measure(power, 40, 1, track(channel=92, width=17))
    assert f.row_width_channels == 1.0
    u = np.arange(T) / (T - 1)
    rest = swing - np.polyval(np.polyfit(u, swing, 2), u)
    assert f.wobble_channels == pytest.approx(np.sqrt(np.mean(rest**2)))


def test_a_drift_faster_than_the_path_leans():
    f = measure(tone(steps=30, per_row=20.0), 40, 1, track(steps=10))
    assert f.lean_channels == pytest.approx(20, abs=1)
    assert f.wobble_channels < 0.5


def test_rows_as_wide_as_the_box():
    assert measure(tone(width=8, per_row=5.0), 40, 1, track(width=8)).row_width_channels == 8.0


@pytest.mark.skipif(not STAMPS.exists(), reason="the real stamps are not at hand")
@pytest.mark.parametrize("tone", range(5))
def test_voyager_tones_are_steady_straight_and_as_strong_as_known(tone):
    with np.load(STAMPS) as stamps:
        power, about = stamps[f"d{tone}"], stamps[f"m{tone}"]
    normalised = ((power - BACKGROUND_MEAN) / BACKGROUND_STD).astype(np.float32)
    track = Track(
        channel=int(about[1]), steps=int(about[2]), width=1, n_spectra=16, foff_hz=about[6] * 1e6, tsamp_s=about[8]
    )
    measured = measure(normalised, 0, 1, track)
    assert measured.path_snr == pytest.approx(RADIOMETER_SNR[tone], rel=0.02)
    assert measured.presence == 1.0
    assert measured.occupancy > 0.85
    assert measured.curvature_gain == 1.0
    assert measured.straightness_residual_channels < 1.0
    assert measured.edge_sharpness > 0.7


def random_cutout(rng):
    """A cut-out of noise with a wandering tone and a neighbour, some samples lost, and a track that may leave it."""
    rows, per_row = int(rng.choice([2, 3, 5, 16, 40])), int(rng.choice([1, 1, 1, 3]))
    width, steps = int(rng.choice([1, 2, 3, 7, 20, 90])), int(rng.integers(-120, 120))
    # Beside a wide box there are as many columns as in jobs: where it would lie outside, its places are equally good.
    left = 10 if width < 20 else 3 * width + 20
    channels = abs(steps) + left + int(rng.integers(left, 400))
    power = (rng.standard_normal((rows, channels)) / np.sqrt(per_row)).astype(np.float32)
    bend, strength = rng.choice([0.0, 0.0, 12.0, -30.0]), rng.choice([0.0, 3.0, 40.0])
    for row, u in enumerate(np.linspace(0, 1, rows)):
        at = int(max(-steps, 0) + left + steps * u + bend * bow(u))
        if 0 <= at < channels:
            power[row, at : at + width] += strength
    power[rng.random(power.shape) < rng.choice([0.0, 0.05])] = np.nan
    n_spectra = max(2, rows * per_row - int(rng.integers(0, per_row)))
    at = (int(rng.integers(0, 1000) + max(-steps, 0) + left), steps, width, n_spectra, FOFF, TSAMP)
    return power, int(at[0] - max(-steps, 0) - left + rng.integers(-2, 10)), per_row, at


@pytest.mark.parametrize("seed", range(300))
def test_the_kernel_equals_the_reference(seed):
    power, start_channel, per_row, track_of = random_cutout(np.random.default_rng(seed))
    found = measure(power, start_channel, per_row, Track(*track_of))
    expected = reference.measure(power, start_channel, per_row, reference.Track(*track_of))
    for field, ours, theirs in zip(fields(Features), astuple(found), astuple(expected), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=2e-9), field.name


def test_a_fit_that_is_exact_leaves_exactly_zero():
    f = measure(tone(per_row=50.0), 40, 1, track())
    assert (f.wobble_channels, f.lean_channels, f.straightness_residual_channels) == (0.0, 0.0, 0.0)
