"""Simulated spectra: their noise, their tones, their gain, and that a seed gives the same ones again."""

from itertools import islice

import numpy as np
import pytest

from science.simulator import Scene, Tone, make_header, simulate, spectra
from science.simulator.scene import pfb_bandpass
from science.simulator.tones import best_statistic


def test_the_header_is_that_of_the_high_resolution_product():
    header = make_header(1024)
    assert (header.n_channels, header.n_spectra, header.n_ifs, header.n_bits) == (1024, 16, 1, 32)
    assert header.drift_resolution_hz_s == pytest.approx(0.0102042557, abs=1e-10)
    assert make_header(8, 3, n_bits=8, foff_mhz=1.0).foff_mhz == 1.0


@pytest.mark.parametrize("averaged_spectra", [1, 51, 102])
def test_noise_is_gamma_distributed(averaged_spectra):
    scene = Scene(make_header(2**16, 4), mean=100.0, averaged_spectra=averaged_spectra, seed=7)
    data = simulate(scene).astype(np.float64)
    n = data.size
    sigma = 100.0 / np.sqrt(averaged_spectra)
    assert scene.sigma == pytest.approx(sigma)
    assert (data > 0).all()
    # Within five standard errors.
    assert data.mean() == pytest.approx(100.0, abs=5 * sigma / np.sqrt(n))
    error_of_variance = sigma**2 * np.sqrt((2 + 6 / averaged_spectra) / n)
    assert data.var() == pytest.approx(sigma**2, abs=5 * error_of_variance)
    skewness = np.mean((data - data.mean()) ** 3) / data.std() ** 3
    assert skewness == pytest.approx(2 / np.sqrt(averaged_spectra), rel=0.15)


def test_samples_are_independent():
    data = simulate(Scene(make_header(2**16, 4), seed=7)).astype(np.float64) - 100.0
    sigma2 = data.var()
    limit = 5 / np.sqrt(data.size)
    assert abs((data[:, 1:] * data[:, :-1]).mean() / sigma2) < limit
    assert abs((data[1:] * data[:-1]).mean() / sigma2) < limit


def test_a_seed_gives_the_same_spectra_again():
    header = make_header(512)
    tone = Tone(header.frequency_hz(200.5), 0.3, 30.0)
    first = simulate(Scene(header, (tone,), seed=3))
    np.testing.assert_array_equal(simulate(Scene(header, (tone,), seed=3)), first)
    assert not np.array_equal(simulate(Scene(header, (tone,), seed=4)), first)
    assert not np.array_equal(first[0], first[1])


def test_a_spectrum_does_not_depend_on_how_many_are_made():
    long, short = Scene(make_header(256, 40)), Scene(make_header(256, 5))
    np.testing.assert_array_equal(np.stack(list(islice(spectra(long), 5))), simulate(short))


def test_spectra_come_one_at_a_time_as_float32():
    rows = spectra(Scene(make_header(128, 1_000_000)))
    row = next(rows)
    assert (row.shape, row.dtype) == ((128,), np.float32)
    rows.close()


@pytest.mark.parametrize("channels_per_spectrum", [0.0, 0.4, -2.2])
@pytest.mark.parametrize("snr", [10.0, 200.0])
def test_a_tone_of_an_snr_adds_that_much_above_the_noise(snr, channels_per_spectrum):
    header = make_header(512)
    drift = channels_per_spectrum * header.foff_hz / header.tsamp_s
    quiet = Scene(header, seed=5)
    with_tone = Scene(header, (Tone(header.frequency_hz(250.2), drift, snr),), seed=5)
    added = (simulate(with_tone).astype(np.float64) - simulate(quiet)) / quiet.sigma
    # Samples near 100 in float32 are good to 4e-6, and a sigma is 14.
    assert best_statistic(added, channels_per_spectrum) == pytest.approx(snr, rel=1e-4)


def test_tones_add_up():
    header = make_header(512)
    one, other = Tone(header.frequency_hz(100), 0.0, 20.0), Tone(header.frequency_hz(104), 0.1, 30.0)
    quiet, first, second, both = (simulate(Scene(header, tones)) for tones in ((), (one,), (other,), (one, other)))
    np.testing.assert_allclose(both - quiet, (first - quiet) + (second - quiet), atol=1e-3)


@pytest.mark.parametrize(("channel", "channels_per_spectrum"), [(2, -3.0), (509, 3.0), (-20, 0.0), (600, 0.0)])
def test_a_tone_that_leaves_the_file_does_not_come_in_at_the_other_end(channel, channels_per_spectrum):
    header = make_header(512)
    drift = channels_per_spectrum * header.foff_hz / header.tsamp_s
    tone = Tone(header.frequency_hz(channel), drift, 1_000.0)
    added = simulate(Scene(header, (tone,))) - simulate(Scene(header))
    other_half = added[:, 256:] if channel < 256 else added[:, :256]
    assert abs(other_half).max() < 0.1


def test_the_gain_is_that_of_noise_and_tones():
    header = make_header(512)
    tone = Tone(header.frequency_hz(100), 0.0, 50.0)
    gain = np.linspace(0.5, 2.0, 512)
    np.testing.assert_allclose(
        simulate(Scene(header, (tone,), bandpass=gain)), simulate(Scene(header, (tone,))) * gain, rtol=1e-5
    )


def test_the_filter_bank_is_flat_but_for_its_edges():
    gain = pfb_bandpass(400, 200, depth=0.4, edge=0.1)
    np.testing.assert_array_equal(gain[:200], gain[200:])
    np.testing.assert_allclose(gain, gain[::-1])
    np.testing.assert_array_equal(gain[20:180], 1.0)
    assert gain[0] == pytest.approx(0.6, abs=0.01)
    assert (np.diff(gain[:20]) > 0).all()


def test_the_dc_spike_is_in_the_middle_of_each_coarse_channel():
    fields = {"coarse_channel_width": 64}
    without = simulate(Scene(make_header(256, 2, **fields)))
    with_spike = simulate(Scene(make_header(256, 2, **fields, has_dc_spike=True), mean=100.0, dc_spike=30.0))
    added = with_spike - without
    np.testing.assert_array_equal(np.flatnonzero(added[0]), [32, 96, 160, 224])
    np.testing.assert_allclose(added[:, 32::64], 3_000.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("n_bits", "signed", "lowest", "highest"),
    [(8, False, 0, 255), (16, False, 0, 65_535), (8, True, -128, 127), (16, True, -32_768, 32_767)],
)
def test_samples_of_few_bits_are_rounded_and_clipped(n_bits, signed, lowest, highest):
    header = make_header(4096, 4, n_bits=n_bits, signed=signed)
    # Strong enough to go over the top of 16 bits, too.
    tone = Tone(header.frequency_hz(2000), 0.0, 20_000.0)
    exact = simulate(Scene(make_header(4096, 4), (tone,), mean=100.0))
    data = simulate(Scene(header, (tone,), mean=100.0))
    assert exact.max() > highest
    np.testing.assert_array_equal(data, np.clip(np.round(exact), lowest, highest))
    kind = np.dtype(f"{'i' if signed else 'u'}{n_bits // 8}")
    np.testing.assert_array_equal(data.astype(kind).astype(np.float32), data)
