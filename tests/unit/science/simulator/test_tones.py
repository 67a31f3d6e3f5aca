"""The power of a drifting tone, against slow and obvious references."""

import math
from fractions import Fraction

import numpy as np
import pytest

from science.simulator import Tone, make_header, tone_power
from science.simulator.tones import best_statistic, path_offsets, response_integral, smeared_response, unit_tone


def tone_at(header, channel, channels_per_spectrum, snr=10.0):
    """A tone by its place on the grid rather than in Hz."""
    drift = channels_per_spectrum * header.foff_hz / header.tsamp_s
    return Tone(header.frequency_hz(channel), drift, snr)


def mean_of_sinc2(distance, channels_per_spectrum, n=4_000):
    """Response of a channel at `distance` to a tone that moves: the mean over so many moments (midpoint rule)."""
    moments = (np.arange(n) + 0.5) / n - 0.5
    return np.mean(np.sinc(np.asarray(distance)[..., None] - channels_per_spectrum * moments) ** 2, axis=-1)


def slow_best_statistic(power, most_steps, widest):
    """Largest box statistic over every start, every number of steps and every width, one after another."""
    n_spectra, n_channels = power.shape
    padded = np.pad(power, ((0, 0), (most_steps + widest, most_steps + widest)))
    best = 0.0
    for steps in range(-most_steps, most_steps + 1):
        path = np.zeros(n_channels + widest)
        for t in range(n_spectra):
            offset = nearest_integer(Fraction(steps * t, n_spectra - 1))
            first = most_steps + offset
            path += padded[t, first : first + len(path)]
        for width in range(1, widest + 1):
            for start in range(len(path) - width + 1):
                best = max(best, path[start : start + width].sum() / math.sqrt(n_spectra * width))
    return best


def nearest_integer(value: Fraction) -> int:
    """Halves away from zero, so that a path and its mirror image are alike."""
    size = math.floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


def test_the_integral_of_the_response_is_right_near_and_far():
    x = np.linspace(0, 70, 700_001)
    slow = np.concatenate([[0.0], np.cumsum((np.sinc(x[1:]) ** 2 + np.sinc(x[:-1]) ** 2) / 2 * np.diff(x))])
    places = np.searchsorted(x, [0.0, 0.1, 0.5, 1.0, 3.3, 17.25, 63.99, 64.01, 69.0])
    np.testing.assert_allclose(response_integral(x[places]), slow[places], atol=3e-6)
    np.testing.assert_array_equal(response_integral(-x[places]), -response_integral(x[places]))
    np.testing.assert_allclose(response_integral(np.array([1e9])), 0.5, atol=1e-9)


@pytest.mark.parametrize("channels_per_spectrum", [0.0, 0.01, 0.02, 0.3, 1.0, 2.7, -2.7, 20.0])
def test_the_smeared_response_is_the_mean_of_sinc_squared_along_the_way(channels_per_spectrum):
    distance = np.linspace(-30, 30, 241)
    np.testing.assert_allclose(
        smeared_response(distance, channels_per_spectrum), mean_of_sinc2(distance, channels_per_spectrum), atol=5e-5
    )


def test_a_tone_on_a_channel_is_in_that_channel_alone():
    header = make_header(256, 4)
    first, power = unit_tone(header, tone_at(header, 100, 0.0))
    expected = np.zeros_like(power)
    expected[:, 100 - first] = 1.0
    np.testing.assert_allclose(power, expected, atol=1e-9)


def test_a_tone_between_two_channels_is_in_both():
    header = make_header(256, 4)
    first, power = unit_tone(header, tone_at(header, 100.5, 0.0))
    np.testing.assert_allclose(power[:, [100 - first, 101 - first]], 4 / math.pi**2, rtol=1e-6)


@pytest.mark.parametrize("channels_per_spectrum", [0.0, 0.4, -3.2, 25.0])
@pytest.mark.parametrize("channel", [100.0, 100.25, 100.5])
def test_no_power_is_lost_but_in_the_far_wings(channel, channels_per_spectrum):
    header = make_header(256, 8)
    _, power = unit_tone(header, tone_at(header, channel, channels_per_spectrum))
    # Beyond 32 channels on either side lies twice the sum of 1/(pi d)^2 at most.
    np.testing.assert_allclose(power.sum(axis=1), 1.0, atol=2 / (math.pi**2 * 32))


def test_the_faster_the_drift_the_wider_and_the_lower():
    header = make_header(256, 8)
    highest, widths = [], []
    for channels_per_spectrum in (0.0, 1.0, 2.0, 5.0, 10.0, 30.0):
        _, power = unit_tone(header, tone_at(header, 100, channels_per_spectrum))
        highest.append(power[0].max())
        widths.append(np.count_nonzero(power[0] > power[0].max() / 2))
    assert highest == sorted(highest, reverse=True)
    assert widths == sorted(widths)
    # A fast tone gives each of the channels on its way the same share.
    assert highest[-1] == pytest.approx(1 / 30, rel=0.1)
    assert widths[-1] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("foff_mhz", [-2.7939677238464355e-06, 2.0e-06])
@pytest.mark.parametrize("drift_rate_hz_s", [-0.4, 0.0, 0.15, 1.3])
def test_drift_has_the_sign_of_the_sky_whichever_way_the_channels_run(foff_mhz, drift_rate_hz_s):
    header = make_header(4096, 16, foff_mhz=foff_mhz)
    frequency = header.frequency_hz(2000)
    first, power = unit_tone(header, Tone(frequency, drift_rate_hz_s, 10.0))
    peaks = header.fch1_mhz * 1e6 + (first + power.argmax(axis=1)) * header.foff_hz
    expected = frequency + drift_rate_hz_s * header.tsamp_s * np.arange(16)
    half_the_smear = abs(drift_rate_hz_s) * header.tsamp_s / 2
    np.testing.assert_allclose(peaks, expected, rtol=0, atol=half_the_smear + 0.51 * abs(header.foff_hz))
    # The middle of the power is exact where the peak is flat.
    places = first + np.arange(power.shape[1])
    middle = (power * places).sum(axis=1) / power.sum(axis=1)
    np.testing.assert_allclose(
        header.fch1_mhz * 1e6 + middle * header.foff_hz, expected, rtol=0, atol=0.1 * abs(header.foff_hz)
    )


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 16, 17, 60])
def test_paths_go_to_the_nearest_channel(n_spectra):
    for steps in range(-3 * n_spectra, 3 * n_spectra + 1):
        expected = [nearest_integer(Fraction(steps * t, n_spectra - 1)) for t in range(n_spectra)]
        assert path_offsets(n_spectra, steps).tolist() == expected


@pytest.mark.parametrize("channel", [100.0, 100.3, 100.5])
@pytest.mark.parametrize("channels_per_spectrum", [0.0, 0.13, -0.6, 1.0, 2.45, -3.5])
def test_the_best_statistic_is_the_largest_of_all(channel, channels_per_spectrum):
    n_spectra = 6
    header = make_header(256, n_spectra)
    _, power = unit_tone(header, tone_at(header, channel, channels_per_spectrum, snr=0.0))
    slow = slow_best_statistic(power, most_steps=22, widest=8)
    assert best_statistic(power, channels_per_spectrum) == pytest.approx(slow, rel=1e-9)


def test_the_best_statistic_of_a_tone_in_one_channel():
    header = make_header(256, 16)
    _, power = unit_tone(header, tone_at(header, 100, 0.0))
    # All power of T spectra in T boxes of one channel: T / sqrt(T).
    assert best_statistic(power, 0.0) == pytest.approx(4.0)


@pytest.mark.parametrize("snr", [6.0, 40.0, 1_000.0])
@pytest.mark.parametrize("channels_per_spectrum", [0.0, 0.37, -2.3])
def test_a_tone_of_an_snr_has_that_snr(snr, channels_per_spectrum):
    header = make_header(256, 6)
    first, power = tone_power(header, tone_at(header, 100.4, channels_per_spectrum, snr))
    # Where the power is; the wings of the strongest reach too far for the slow reference.
    core = power[:, max(60 - first, 0) : 140 - first]
    assert slow_best_statistic(core, most_steps=18, widest=7) == pytest.approx(snr, rel=1e-6)


def test_a_tone_may_leave_the_file():
    header = make_header(64, 16)
    first, power = tone_power(header, tone_at(header, 60, 3.0))
    assert first + power.shape[1] > 60 + 45
    inside, _ = tone_power(make_header(4096, 16), tone_at(header, 60, 3.0))
    assert inside == first
