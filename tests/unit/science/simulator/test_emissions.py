"""Tracks, envelopes and profiles against closed forms."""

import numpy as np
import pytest

from science.simulator import make_header, simulate
from science.simulator.emissions import (
    SPEED_OF_LIGHT_M_S,
    Emission,
    curved_track,
    edge_times_s,
    emission_power,
    fading,
    pass_track,
    pulse_train,
    straight_track,
    wandering_track,
)
from science.simulator.scene import Scene
from science.simulator.tones import Tone, tone_power

HEADER = make_header(4096, 16)
MIDDLE_HZ = HEADER.frequency_hz(2000)


def power_of(emission, header=HEADER):
    """Power on the file's channels."""
    first, power = emission_power(header, emission)
    whole = np.zeros((header.n_spectra, header.n_channels))
    whole[:, first : first + power.shape[1]] = power
    return whole


def test_a_straight_line_is_a_tone():
    drift = HEADER.drift_rate_hz_s(40)
    power = power_of(Emission(straight_track(HEADER, MIDDLE_HZ, drift), 50.0))
    first, tone = tone_power(HEADER, Tone(MIDDLE_HZ, drift, 50.0))
    part = power[:, first : first + tone.shape[1]]
    scale = part.max() / tone.max()
    np.testing.assert_allclose(part, tone * scale, atol=1e-3 * part.max())


@pytest.mark.parametrize("profile", ["line", "gaussian", "lorentzian", "box"])
def test_snr_is_that_of_a_matched_filter(profile):
    power = power_of(Emission(straight_track(HEADER, MIDDLE_HZ, 0.1), 33.0, profile=profile, width_hz=60.0))
    assert np.sqrt(np.sum(power**2)) == pytest.approx(33.0)


@pytest.mark.parametrize("profile", ["gaussian", "lorentzian", "box"])
def test_width_is_that_at_half_maximum(profile):
    row = power_of(Emission(straight_track(HEADER, MIDDLE_HZ), 1.0, profile=profile, width_hz=279.4))[0]
    assert np.count_nonzero(row >= row.max() / 2) == pytest.approx(100, abs=2)
    assert np.average(np.arange(len(row)), weights=row) == pytest.approx(2000, abs=0.1)


def test_parabola():
    track = curved_track(HEADER, MIDDLE_HZ, 0.5, 0.01, turn_s=100.0)
    times = edge_times_s(HEADER)
    np.testing.assert_allclose(np.diff(track, 2) / HEADER.tsamp_s**2, 0.01, rtol=1e-3)
    assert np.interp(100.0, times, np.gradient(track, times)) == pytest.approx(0.5, abs=1e-3)


def test_satellite_pass():
    f, v, d = 1.6e9, 7460.0, 8e5
    header = make_header(64, 4000, tsamp_s=1.0)
    track = pass_track(header, f, closest_s=2000.0, distance_m=d, speed_m_s=v)
    rate = np.gradient(track, edge_times_s(header))
    assert rate.min() == pytest.approx(-f * v**2 / (SPEED_OF_LIGHT_M_S * d), rel=1e-3)
    assert np.argmin(rate) == pytest.approx(2000, abs=1)
    assert track[0] - f == pytest.approx(f * v / SPEED_OF_LIGHT_M_S, rel=0.01)
    assert np.all(np.diff(track) < 0)


def test_pulses_fill_their_share_of_the_time():
    header = make_header(64, 1000, tsamp_s=1.0)
    train = pulse_train(header, period_s=20.0, on_s=5.0, first_s=3.5)
    assert train.mean() == pytest.approx(0.25)
    # Edges of spectra are at whole and a half seconds: pulses fill whole spectra.
    assert set(np.round(train, 9)) == {0.0, 1.0}
    short = pulse_train(header, period_s=0.5, on_s=0.1, first_s=0.0)
    np.testing.assert_allclose(short, 0.2)


def test_fading_and_wandering_scatter_as_told():
    header = make_header(64, 20_000)
    level = fading(header, 0.2, header.tsamp_s, seed=1)
    assert level.mean() == pytest.approx(1, abs=0.02)
    assert level.std() == pytest.approx(0.2, rel=0.05)
    assert np.corrcoef(level[:-1], level[1:])[0, 1] == pytest.approx(np.exp(-1), abs=0.03)
    track = wandering_track(header, 1e9, 2.0, seed=1)
    assert track[0] == 1e9
    assert np.diff(track).std() == pytest.approx(2.0, rel=0.03)


def test_sidebands_stand_where_they_are_told():
    offset = 50 * abs(HEADER.foff_hz)
    row = power_of(Emission(straight_track(HEADER, MIDDLE_HZ), 10.0, sidebands=((offset, 0.3), (-offset, 0.3))))[0]
    assert row[1950] / row[2000] == pytest.approx(0.3, rel=1e-3)
    assert row[2050] / row[2000] == pytest.approx(0.3, rel=1e-3)


def test_own_noise_scatters_and_comes_from_its_seed():
    made = [
        power_of(
            Emission(straight_track(HEADER, MIDDLE_HZ), 1.0, profile="box", width_hz=2794.0, self_noise=51.0, seed=s)
        )
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    inside = made[0][:, 1600:2400]
    assert inside.std() / inside.mean() == pytest.approx(1 / np.sqrt(51), rel=0.05)


def test_a_scene_adds_emissions_to_its_noise():
    emission = Emission(straight_track(HEADER, MIDDLE_HZ, 0.2), 80.0, profile="gaussian", width_hz=30.0)
    quiet, loud = Scene(HEADER, seed=4), Scene(HEADER, seed=4, emissions=(emission,))
    added = (simulate(loud).astype(float) - simulate(quiet)) / quiet.sigma
    np.testing.assert_allclose(added, power_of(emission), atol=1e-5)
